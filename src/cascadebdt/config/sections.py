"""The parts of a configuration, frozen and typed: keys, defaults and limits, each with the field it belongs to."""

import fnmatch
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cascadebdt import regions
from cascadebdt.config.base import Fraction, Name, Positive, Section, as_list
from cascadebdt.config.regions import RegionsConfig
from cascadebdt.config.systematics import FilesConfig, PruneConfig, SystematicConfig, require_distinct
from cascadebdt.errors import did_you_mean

DATA = "data"
NOMINAL = "nominal"
ENTRY = "entry"

NegativeWeights = Literal["absolute", "drop", "zero", "pair", "error"]
ClassBalance = Literal["events", "effective", "equal", "processes", "yields", "none"]
Mode = Literal["cross_fit", "nested", "holdout"]
Device = Literal["auto", "cpu", "cuda"]
Memory = Literal["ram", "stream", "disk"]


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


class BDTConfig(Section):
    """Hyperparameters of a booster, with XGBoost's names."""

    n_estimators: int = Field(default=400, gt=0)
    max_depth: int = Field(default=4, gt=0, le=16)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    early_stopping_rounds: int | None = Field(default=20, gt=0)
    min_child_weight: float = Field(default=5.0, ge=0)
    subsample: float = Field(default=1.0, gt=0, le=1)
    colsample_bytree: float = Field(default=1.0, gt=0, le=1)
    reg_lambda: float = Field(default=1.0, ge=0)
    gamma: float = Field(default=0.0, ge=0)
    max_bin: int = Field(default=256, ge=2)


class WorkingPointConfig(Section):
    """The threshold of a stage: a target signal efficiency among events that reach it, or a fixed score.

    A second, looser one, `validation_efficiency` or `validation_threshold`, makes the band between the two the
    validation region of the stage.
    """

    signal_efficiency: Fraction | None = None
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    validation_efficiency: Fraction | None = None
    validation_threshold: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.signal_efficiency is None) == (self.threshold is None):
            raise ValueError("give exactly one of signal_efficiency, threshold")
        return self

    @model_validator(mode="after")
    def _looser(self) -> Self:
        looser, tighter = (self.validation_efficiency, self.signal_efficiency)
        if looser is not None and (tighter is None or looser <= tighter):
            raise ValueError(f"validation_efficiency must be above signal_efficiency, got {looser} and {tighter}")
        looser, tighter = (self.validation_threshold, self.threshold)
        if looser is not None and (tighter is None or looser >= tighter):
            raise ValueError(f"validation_threshold must be below threshold, got {looser} and {tighter}")
        return self

    @property
    def is_validated(self) -> bool:
        """Whether the stage has a validation region."""
        return self.validation_efficiency is not None or self.validation_threshold is not None


class ConstraintsConfig(Section):
    """What the trees of a stage may do.

    `monotone` says for features whether the score may only rise (``increasing``) or only fall with them.
    `interactions` lists groups of features that may meet on one path of a tree; a feature of no group meets no other.
    """

    monotone: dict[str, Literal["increasing", "decreasing"]] = {}
    interactions: tuple[tuple[str, ...], ...] = ()


class DecorrelateConfig(Section):
    """A spectator that the score of a stage must not follow, by a feature's name.

    ``planing`` weights both classes to equal spectator distributions in `bins` bins while they train; ``flatness``
    adds a loss of weight `strength` for background scores that differ between the bins; ``none`` only tells how far the
    cut sculpts the spectator, as the others do, too.
    """

    spectator: str
    method: Literal["planing", "flatness", "none"] = "planing"
    bins: int = Field(default=20, ge=2, le=1000)
    strength: Positive = 1.0


class _Learning(Section):
    """Features and how trees are grown on them."""

    features: tuple[str, ...] = Field(min_length=1)
    bdt: BDTConfig = BDTConfig()
    constraints: ConstraintsConfig = ConstraintsConfig()
    decorrelate: DecorrelateConfig | None = None

    @model_validator(mode="after")
    def _constrains_its_features(self) -> Self:
        groups = {"monotone": list(self.constraints.monotone)}
        groups |= {f"interactions[{k}]": list(group) for k, group in enumerate(self.constraints.interactions)}
        for where, names in groups.items():
            for name in names:
                if name not in self.features:
                    raise ValueError(
                        f"constraints.{where}: '{name}' is no feature of this stage{did_you_mean(name, self.features)}"
                    )
        return self


class StageConfig(_Learning):
    """One stage: the signal against the processes `against`, with their own features."""

    name: Name
    against: tuple[Name, ...] = Field(min_length=1)
    working_point: WorkingPointConfig

    @model_validator(mode="before")
    @classmethod
    def _one_background(cls, data: Any) -> Any:
        return as_list(data, "against")


class FinalConfig(_Learning):
    """The final discriminant: the signal against all backgrounds, trained on what passes every stage."""


class CascadeConfig(Section):
    """The ordered stages and how they are trained. `bdt` is the default of every stage's `bdt`.

    `mode` says which models score an event. ``cross_fit``: those of its fold, which trained on the other folds, on
    events that models of other folds, which may have seen it, let through. ``nested``: those of its fold, trained on
    what a cascade of the other folds alone lets through, at `folds` times the cost. ``holdout``: one model per stage,
    trained without fold 0; of simulation only fold 0 is scored.

    `memory` says where training keeps its events, with the same result: ``ram``; ``stream``, features in a file and
    bins in memory, one fold after the other; ``disk``, bins in files, too. `max_events_per_process` lets at most so
    many events of a process train a stage, chosen by their identity; with `inverse_sampling_weights` those chosen stand
    for the others, so that the mixture of the processes stays what it was.

    `negative_weights` and `class_balance` concern training alone. `too_few_events` says what becomes of a stage where
    a class has fewer than `min_effective_events`, (sum w)^2 / sum w^2: an error, or a stage that everything passes.
    """

    signal: Name = "signal"
    mode: Mode = "cross_fit"
    folds: int = Field(default=5, ge=2, le=100)
    bdt: BDTConfig = BDTConfig()
    device: Device = "auto"
    memory: Memory = "ram"
    max_events_per_process: int | None = Field(default=None, gt=0)
    inverse_sampling_weights: bool = True
    negative_weights: NegativeWeights = "absolute"
    class_balance: ClassBalance = "events"
    min_effective_events: float = Field(default=100.0, ge=0)
    too_few_events: Literal["error", "pass"] = "error"
    stages: tuple[StageConfig, ...] = Field(min_length=1)
    final: FinalConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _inherit_bdt(cls, data: Any) -> Any:
        """Give every stage the common hyperparameters that it does not set itself."""
        common = data.get("bdt", {}) if isinstance(data, Mapping) else None
        if not isinstance(common, Mapping):
            return data

        def complete(stage: Any) -> Any:
            own = stage.get("bdt", {}) if isinstance(stage, Mapping) else None
            return {**stage, "bdt": {**common, **own}} if isinstance(own, Mapping) else stage

        stages = data.get("stages")
        return {
            **data,
            **({"stages": [complete(stage) for stage in stages]} if isinstance(stages, list | tuple) else {}),
            **({"final": complete(data["final"])} if data.get("final") is not None else {}),
        }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _unique("stages", [stage.name for stage in self.stages])
        trained = [stage.bdt for stage in self.stages] + ([self.final.bdt] if self.final else [])
        is_stopped = any(bdt.early_stopping_rounds for bdt in trained)
        needed = 2 + is_stopped + (self.mode != "cross_fit")
        if self.folds < needed:
            what = "early stopping needs a fold of its own" if is_stopped else "a fold held out needs two others"
            cure = ", or early_stopping_rounds to null" if is_stopped else ""
            raise ValueError(f"{what}: set folds to {needed} or more for mode {self.mode}{cure}")
        for stage in self.stages:
            if self.signal in stage.against:
                raise ValueError(f"stage '{stage.name}' trains the signal '{self.signal}' against itself")
        return self

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions that the stages make."""
        return regions.names((stage.name, stage.working_point.is_validated) for stage in self.stages)


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
        _unique("samples", [sample.name for sample in self.samples])
        _unique("selection", [cut.name for cut in self.selection])
        _unique("systematics", [systematic.name for systematic in self.systematics])
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


def _unique(path: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: names must be unique, got {twice} more than once")
