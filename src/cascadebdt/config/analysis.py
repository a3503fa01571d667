"""The configuration of a whole analysis."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from cascadebdt.config import paths, problems, references, writing
from cascadebdt.config.base import Expression, Integer, LocatedError, Name, Names, Positive, Section, Texts, unit
from cascadebdt.config.batch import BatchConfig
from cascadebdt.config.cascade import CascadeConfig, Device
from cascadebdt.config.corrections import CorrectionConfig
from cascadebdt.config.document import Document
from cascadebdt.config.inputs import CutConfig, NtupleConfig, ObjectConfig, SampleConfig
from cascadebdt.config.plots import PlotsConfig
from cascadebdt.config.regions import RegionsConfig
from cascadebdt.config.scale_factors import ScaleFactorConfig
from cascadebdt.config.systematics import PruneConfig, SystematicConfig
from cascadebdt.config.templates import TemplatesConfig
from cascadebdt.errors import ConfigError

NOMINAL = "nominal"
DataSource = Literal["real", "asimov", "simulation"]

# Words that mean yes or no in YAML 1.1, or are typed to mean it: `unblind: no` must not unblind with the reason "no".
NO_REASON = frozenset({"", "0", "1", "n", "no", "none", "null", "off", "on", "true", "false", "y", "yes"})


class FitConfig(Section):
    """The fit: the signal, what floats, and whether data are unblinded."""

    signal: Name = Field(
        default="signal", description="Process whose yield the signal strength multiplies.", examples=["whdark"]
    )
    free: Names = Field(
        default=(),
        description="Background processes with a normalisation that the fit finds.",
        examples=[["zee", "ttbar"]],
    )
    unblind: Literal[False] | str = Field(
        default=False,
        description="`false`, or the reason for unblinding, which is kept in the manifest.",
        examples=[False, "approved by the collaboration on 1 June"],
    )
    confidence_level: float = Field(
        default=0.95, gt=0.5, lt=1, description="Confidence level of the upper limit.", examples=[0.9]
    )
    test_mu: tuple[Positive, ...] = Field(
        default=(), description="Signal strengths whose CLs and p-values are given.", examples=[[1.0]]
    )
    contours: tuple[tuple[str, str], ...] = Field(
        default=(),
        description="Pairs of parameters whose 68 % and 95 % contours are drawn.",
        examples=[[["mu", "norm_zee"]]],
    )
    toys: int = Field(
        default=0,
        ge=0,
        description="Pseudo-experiments of each hypothesis, for goodness of fit, significance and limit where "
        "asymptotic formulas do not hold; their seed is that of the analysis.",
        examples=[1000],
    )
    prune: PruneConfig = Field(
        default=PruneConfig(), description="Effects of variations that are left out.", examples=[{"shape": 0.01}]
    )

    @model_validator(mode="after")
    def _has_a_reason(self) -> Self:
        if isinstance(self.unblind, str) and self.unblind.strip().lower() in NO_REASON:
            message = f"'{self.unblind}' is no reason; expected false, or why the data may be seen"
            raise LocatedError(message, "unblind")
        return self


class Config(Section):
    """A whole analysis."""

    analysis: Name = Field(description="Name of the analysis and of its results.", examples=["wh_dark_photon"])
    luminosity_fb: Annotated[Positive, Field(le=1e6), unit("1/fb")] = Field(
        description="Integrated luminosity of the data.", examples=[5.0]
    )
    seed: Integer = Field(default=1, ge=0, lt=2**63, description="Seed of all randomness.", examples=[42])
    ntuples: NtupleConfig = Field(
        default=NtupleConfig(), description="How events are stored.", examples=[{"weight": "genWeight"}]
    )
    plugins: Texts = Field(
        default=(),
        description="Python files with functions that expressions may call, registered with `@cascadebdt.register`. "
        "Every command runs them: name only files that you trust.",
        examples=[["my_functions.py"]],
    )
    samples: tuple[SampleConfig, ...] = Field(
        min_length=1,
        description="Files, with process and cross section.",
        examples=[[{"name": "zee", "process": "zee", "files": "zee.root", "cross_section_pb": 1950}]],
    )
    objects: dict[Name, ObjectConfig] = Field(
        default={},
        description="Physics objects by name.",
        examples=[{"photon": {"from": "Photon", "where": "pt > 35", "order": "-pt"}}],
    )
    scale_factors: tuple[ScaleFactorConfig, ...] = Field(
        default=(),
        description="Numbers per event from files of correctionlib, for weights and systematics of simulation.",
        examples=[[{"name": "muon_id", "file": "muon.json.gz", "correction": "ID", "inputs": {"pt": "muon[0].pt"}}]],
    )
    selection: tuple[CutConfig, ...] = Field(
        default=(),
        description="Cuts in their order.",
        examples=[[{"name": "one photon", "cut": "count(photon) >= 1"}]],
    )
    features: dict[Name, Expression] = Field(
        min_length=1,
        description="Features by name, as expressions.",
        examples=[{"photon_pt": "photon[0].pt"}],
    )
    pass_through: tuple[str, ...] = Field(
        default=(),
        description="Features that the score files of `apply --scores` carry along, trained on or not.",
        examples=[["m_lg"]],
    )
    cascade: CascadeConfig = Field(
        description="Stages and how they are trained.",
        examples=[{"stages": [{"name": "zee", "against": "zee", "features": ["m_lg"], "working_point": 0.93}]}],
    )
    regions: RegionsConfig = Field(
        default=RegionsConfig(), description="What regions are binned in.", examples=[{"control": {"n_bins": 5}}]
    )
    templates: TemplatesConfig = Field(
        default=TemplatesConfig(),
        description="How yields of the signal region are estimated where there are few simulated events.",
        examples=[{"shapes": "likelihood"}],
    )
    corrections: tuple[CorrectionConfig, ...] = Field(
        default=(),
        description="Weights of simulated processes learnt from data of their control regions.",
        examples=[[{"process": "wgamma", "from": "CR_wgamma", "variables": ["photon_pt", "met"]}]],
    )
    systematics: tuple[SystematicConfig, ...] = Field(
        default=(),
        description="Systematic uncertainties.",
        examples=[[{"name": "lumi", "kind": "normalisation", "size": 0.017}]],
    )
    fit: FitConfig = Field(
        default=FitConfig(),
        description="What the fit frees, and whether data are unblinded.",
        examples=[{"free": ["zee"]}],
    )
    plots: PlotsConfig = Field(
        default=PlotsConfig(),
        description="How the figures of the report look.",
        examples=[{"style": "atlas", "experiment": "ATLAS", "status": "Preliminary", "sqrt_s_tev": 13}],
    )
    batch: BatchConfig = Field(
        default=BatchConfig(),
        description="How `cascadebdt submit` runs the analysis in batch jobs.",
        examples=[{"shared_file_system": True}],
    )
    directory: Path = Field(default=Path(), exclude=True)
    _document: Document = PrivateAttr(default=Document({}))

    @model_validator(mode="after")
    def _names(self) -> Self:
        references.check(self)
        return self

    @classmethod
    def of(cls, document: Document, directory: Path) -> Self:
        """Check what a document says; relative file names are relative to `directory`.

        Raises
        ------
        ConfigError
            If anything is unknown, missing or out of its limits.
        """
        if "directory" in document.content:
            raise ConfigError(f"{document.place(('directory',)) or 'config: '}unknown key 'directory'")
        try:
            config = cls.model_validate({**document.content, "directory": directory})
        except ValidationError as error:
            raise ConfigError(problems.describe(error.errors(), cls, document)) from None
        config._document = document
        return config

    def replace(self, path: str, value: object) -> Self:
        """Return a new configuration with another value at a path, checked as a whole.

        Parameters
        ----------
        path : keys, names of samples, stages, cuts or systematics, or indices, joined with dots:
            ``cascade.stages.ttbar.working_point``, ``samples[0].files``
        value : what could stand there in YAML

        Raises
        ------
        ConfigError
            If the path leads nowhere, or the configuration would not be valid; the message names the path.

        Examples
        --------
        >>> tighter = config.replace("cascade.stages.ttbar.working_point", 0.9)
        >>> tighter = config.replace("cascade.stages.ttbar.working_point", {"threshold": 0.6})
        """
        content, location = paths.replaced(self._document.content, path, value)
        new = type(self).of(Document(content), self.directory)
        new._document = Document(content, self._document.file, self._document.without(location))
        return new

    @property
    def content(self) -> Mapping[str, Any]:
        """What was written: keys and values without defaults."""
        return self._document.content

    def locate(self, error: ConfigError, known_as: Mapping[str, str] = {}) -> ConfigError:
        """Return an error about this configuration with the file and line of the path that its message starts with.

        Parameters
        ----------
        known_as : paths as other rooms call them -> paths in the configuration
        """
        if self._document.file is None or str(error).startswith(f"{self._document.file}:"):
            return error
        path, separator, message = str(error).partition(": ")
        path = known_as.get(path, path)
        place = self._document.place(paths.find(self._document.content, path))
        return ConfigError(f"{place}{path}{separator}{message}")

    def text(self, folder: Path) -> str:
        """Return the text of a YAML file that says the same in another folder; comments are not kept."""
        return writing.text(self._document.content, directory=self.directory.resolve(), folder=folder.resolve())

    @property
    def processes(self) -> tuple[str, ...]:
        """Processes in the order of their first sample."""
        return tuple(dict.fromkeys(sample.process for sample in self.samples))

    @property
    def data(self) -> DataSource:
        """What stands for data: recorded ones, weighted simulation, or without either the nominal expectation."""
        samples = [sample for sample in self.samples if sample.is_data]
        if not samples:
            return "asimov"
        return "simulation" if samples[0].simulated else "real"

    @property
    def hash(self) -> str:
        """SHA-256 of what defines the analysis, independent of the file's place and layout.

        Where and how it runs (device, chunk size, batch jobs), how its figures look and whether it is unblinded are
        left out.
        """
        execution: dict[str, bool | set[str]] = {
            "batch": True,
            "plots": True,
            "ntuples": {"chunk_entries", "retries", "retry_seconds", "replicas"},
            "cascade": {"device", "memory"},
            "fit": {"unblind"},
        }
        content = self.model_dump(mode="json", by_alias=True, exclude=execution)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def with_options(self, *, device: Device | None = None, unblind: str | None = None, asimov: bool = False) -> Self:
        """Return the configuration with the command line's options applied; on Asimov data it has no data samples."""
        config = self.replace("cascade.device", device) if device else self
        config = config.replace("fit.unblind", unblind) if unblind else config
        return config.without_data() if asimov and self.data != "asimov" else config

    def without_data(self) -> Self:
        """Return the configuration without its data samples, so that the expectation stands for them."""
        samples = self._document.content["samples"]
        simulated = [raw for raw, sample in zip(samples, self.samples, strict=True) if not sample.is_data]
        return self.replace("samples", simulated)
