"""The parts of a configuration, frozen and typed: keys, defaults and limits, each with the field it belongs to."""

import fnmatch
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cascadebdt.config.base import Name, Positive, Section, as_list, require_unique
from cascadebdt.config.cascade import CascadeConfig, Device, FinalConfig, StageConfig
from cascadebdt.config.regions import RegionsConfig
from cascadebdt.config.systematics import FilesConfig, PruneConfig, SystematicConfig, require_distinct
from cascadebdt.errors import did_you_mean

DATA = "data"
NOMINAL = "nominal"
ENTRY = "entry"


class NtupleConfig(Section):
    """How events are stored in the input files.

    `tree` may lie in directories (``one/two/tree``). `event_id` names the integer branches that identify an event;
    ``entry`` is for ntuples that have none: then the file's own identity and the entry identify it, which does not
    survive another split into files. `sum_of_weights` is ``"tree:branch"``, summed over the files really read;
    `weight` is the generator weight of simulated samples that name none of their own.

    `aliases` gives branches whose names are no words names for expressions (``met: "MET_CoreAuxDyn.met"``). `mev`
    lists the branches (names or glob patterns) stored in MeV; they become GeV as they are read. `sentinels` are
    numbers that stand for a missing value, such as -999, by branch or pattern (a list holds for all branches); they
    become NaN as they are read, except in the event's identity and in weights.

    Reading is tried again up to `retries` times after faults that may pass, first after `retry_seconds`, then after
    twice as long. `on_bad_file` ``skip`` leaves out files that cannot be read, but only of samples with a
    cross_section_pb, whose normalisation then comes from the files really read.
    """

    tree: str = "Events"
    event_id: tuple[str, ...] = ("run", "luminosityBlock", "event")
    sum_of_weights: str | None = Field(default=None, pattern=r"^[^:]+:[^:]+$")
    weight: str | None = None
    aliases: dict[Name, str] = {}
    mev: tuple[str, ...] = ()
    sentinels: dict[str, tuple[float, ...]] = {}
    chunk_entries: int = Field(default=100_000, gt=0)
    retries: int = Field(default=3, ge=0)
    retry_seconds: float = Field(default=1.0, ge=0, le=600)
    on_bad_file: Literal["error", "skip"] = "error"

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        data = as_list(data, "mev")
        if isinstance(data, Mapping) and data.get("event_id") == ENTRY:
            data = {**data, "event_id": ()}
        if isinstance(data, Mapping) and isinstance(data.get("sentinels"), list | tuple):
            data = {**data, "sentinels": {"*": data["sentinels"]}}
        return data


class SampleConfig(FilesConfig):
    """Files of one production (or data). A relative path is relative to the configuration file.

    `files` are names, glob patterns, URLs (``root://``, ``https://``) or text files (``.txt``) with one of these a
    line; `tree` replaces that of `ntuples`. With `cross_section_pb` the weights are scaled to the luminosity by cross
    section over the sum of weights; without it they are taken as they are. Data carry no weight.
    """

    name: Name
    process: Name

    @model_validator(mode="after")
    def _data_is_unweighted(self) -> Self:
        if self.is_data and (self.cross_section_pb is not None or self.weight is not None):
            raise ValueError("data have no cross_section_pb and no weight; remove them")
        return self

    @property
    def is_data(self) -> bool:
        """Whether this sample is recorded data."""
        return self.process == DATA


class ObjectConfig(Section):
    """A collection of physics objects: candidates `from` one or more collections that satisfy `where`.

    `order` is an expression, sorted ascending (``-pt``: leading first); `away_from` removes candidates within a
    distance delta R of another object; `fields` names, per collection, the branch behind a common field.

    `branch` tells how the branch of a field is called (``"{collection}AuxDyn.{field}"``). A collection whose branches
    hold one number per event has one candidate per event. `momentum` names the fields of px, py, pz and the energy
    of collections that store these; ``pt``, ``eta``, ``phi`` and ``mass`` are then computed from them.

    `pairs` takes the place of `from`: the candidates are all pairs of two objects, or of one with itself, with the
    ``pt``, ``eta``, ``phi`` and ``mass`` of their sum and the fields of both, as ``first_charge``, ``second_charge``.
    """

    from_: tuple[str, ...] = Field(default=(), alias="from")
    pairs: tuple[str, str] | None = None
    branch: str = "{collection}_{field}"
    momentum: tuple[str, str, str, str] | None = None
    where: str | None = None
    order: str | None = None
    away_from: dict[str, Positive] = {}
    fields: dict[str, dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _one_collection(cls, data: Any) -> Any:
        return as_list(data, "from", "from_")

    @model_validator(mode="after")
    def _from_or_pairs(self) -> Self:
        if bool(self.from_) == (self.pairs is not None):
            raise ValueError("give exactly one of from, pairs")
        if any(self.branch.count(part) != 1 for part in ("{collection}", "{field}")):
            raise ValueError(f"branch must hold {{collection}} and {{field}} once each, got '{self.branch}'")
        if self.pairs is not None and (self.momentum is not None or self.fields):
            raise ValueError("pairs have the fields of their two objects; remove momentum and fields")
        return self


class CutConfig(Section):
    """One named condition on an event."""

    name: str
    cut: str


class FitConfig(Section):
    """The fit: which process `signal` strength multiplies, which backgrounds float, and whether data are unblinded.

    `unblind` is false, or the reason for unblinding, which is kept in the manifest. `prune` leaves out effects of
    variations that are smaller than it says.
    """

    signal: Name = "signal"
    free: tuple[Name, ...] = ()
    unblind: Literal[False] | Annotated[str, Field(min_length=1)] = False
    prune: PruneConfig = PruneConfig()


class Config(Section):
    """A whole analysis. `pass_through` names features that score files carry along; no stage need train on them."""

    analysis: Name
    luminosity_fb: Positive
    seed: int = Field(default=1, ge=0)
    ntuples: NtupleConfig = NtupleConfig()
    samples: tuple[SampleConfig, ...] = Field(min_length=1)
    objects: dict[Name, ObjectConfig] = {}
    selection: tuple[CutConfig, ...] = ()
    features: dict[Name, str] = Field(min_length=1)
    pass_through: tuple[str, ...] = ()
    cascade: CascadeConfig
    regions: RegionsConfig = RegionsConfig()
    systematics: tuple[SystematicConfig, ...] = ()
    fit: FitConfig = FitConfig()
    directory: Path = Field(default=Path(), exclude=True)

    @model_validator(mode="after")
    def _cross_references(self) -> Self:
        require_unique("samples", [sample.name for sample in self.samples])
        require_unique("selection", [cut.name for cut in self.selection])
        require_unique("systematics", [systematic.name for systematic in self.systematics])
        for path, name, known, what in self._references():
            if name not in known:
                raise ValueError(f"{path}: unknown {what} '{name}'{did_you_mean(name, known)}")
        for index, sample in enumerate(self.samples):
            if sample.cross_section_pb is not None and self.ntuples.sum_of_weights is None:
                raise ValueError(
                    f"samples[{index}]: '{sample.name}' has a cross_section_pb but ntuples.sum_of_weights is not set, "
                    "so its weights cannot be normalised; expected 'tree:branch', such as 'Runs:genEventSumw'"
                )
        self._require_distinct_parameters()
        if self.fit.signal != self.cascade.signal:
            raise ValueError(f"fit.signal '{self.fit.signal}' must equal cascade.signal '{self.cascade.signal}'")
        return self

    def _require_distinct_parameters(self) -> None:
        """Require that systematics, normalisations and simulation statistics have parameters of their own."""
        processes = [process for process in self.processes if process != DATA]
        names = self.cascade.regions
        taken = {"mu", *(f"norm_{name}" for name in processes), *(f"mcstat_{name}" for name in names)}
        require_distinct(self.systematics, processes, names, taken)

    def _references(self) -> list[tuple[str, str, list[str], str]]:
        """List (path, name, known names, what) of everything that names something defined elsewhere."""
        simulated = [process for process in self.processes if process != DATA]
        backgrounds = [process for process in simulated if process != self.cascade.signal]
        found = [("cascade.signal", self.cascade.signal, simulated, "process")]
        found += [("pass_through", name, list(self.features), "feature") for name in self.pass_through]
        learning: dict[str, StageConfig | FinalConfig] = {
            f"stages[{index}]": stage for index, stage in enumerate(self.cascade.stages)
        }
        for path, stage in {**learning, **({"final": self.cascade.final} if self.cascade.final else {})}.items():
            if stage.decorrelate:
                where = f"cascade.{path}.decorrelate.spectator"
                found.append((where, stage.decorrelate.spectator, list(self.features), "feature"))
        for index, one in enumerate(self.cascade.stages):
            path = f"cascade.stages[{index}]"
            found += [(f"{path}.against", name, backgrounds, "background process") for name in one.against]
            found += [(f"{path}.features", name, list(self.features), "feature") for name in one.features]
        if self.cascade.final:
            found += [
                ("cascade.final.features", name, list(self.features), "feature") for name in self.cascade.final.features
            ]
        found += [
            ("cascade.control.features", name, list(self.features), "feature") for name in self.cascade.control.features
        ]
        found += self._references_of_regions(simulated)
        found += [("fit.free", name, backgrounds, "background process") for name in self.fit.free]
        for index, systematic in enumerate(self.systematics):
            found += [(f"systematics[{index}]", name, simulated, "process") for name in systematic.processes or ()]
        for name, spec in self.objects.items():
            known = [other for other in self.objects if other != name]
            found += [(f"objects.{name}.away_from", other, known, "object") for other in spec.away_from]
            found += [(f"objects.{name}.pairs", other, known, "object") for other in spec.pairs or ()]
        return found

    def _references_of_regions(self, simulated: list[str]) -> list[tuple[str, str, list[str], str]]:
        """List what the regions name, and what names regions."""
        known = list(self.cascade.regions)
        found = [(f"regions.{name}", name, known, "region") for name in self.regions.own]
        kinds = {"control": self.regions.control, "validation": self.regions.validation, **self.regions.own}
        binnings = {**{name: binning for name, binning in kinds.items() if binning}, "signal": self.regions.signal}
        for name, binning in binnings.items():
            final = ["final"] if self.cascade.final and name == "signal" else []
            path = f"regions.{name}"
            found.append((f"{path}.observable", binning.observable, [*self.features, "score", *final], "observable"))
            found += [
                (f"{path}.min_effective_events_per_process", process, simulated, "process")
                for process in binning.min_effective_events_per_process
            ]
        for index, systematic in enumerate(self.systematics):
            for pattern in systematic.regions or ():
                if not fnmatch.filter(known, pattern):
                    found.append((f"systematics[{index}].regions", pattern, known, "region"))
        return found

    @property
    def processes(self) -> tuple[str, ...]:
        """Processes in the order of their first sample."""
        return tuple(dict.fromkeys(sample.process for sample in self.samples))

    @property
    def hash(self) -> str:
        """SHA-256 of what defines the analysis, independent of the file's place and layout.

        Where and how it runs (device, chunk size) and whether it is unblinded are left out.
        """
        execution = {
            "ntuples": {"chunk_entries", "retries", "retry_seconds"},
            "cascade": {"device", "memory"},
            "fit": {"unblind"},
        }
        content = self.model_dump(mode="json", by_alias=True, exclude=execution)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def with_options(self, *, device: Device | None = None, unblind: str | None = None) -> Self:
        """Return the configuration with the command line's options applied."""
        cascade = self.cascade.model_copy(update={"device": device} if device else {})
        fit = self.fit.model_copy(update={"unblind": unblind} if unblind else {})
        return self.model_copy(update={"cascade": cascade, "fit": fit})
