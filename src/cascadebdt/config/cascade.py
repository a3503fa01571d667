"""The parts of a configuration about the cascade: its stages, and how they are trained."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cascadebdt.config import region_names
from cascadebdt.config.base import Fraction, Name, Positive, Section, as_list, require_unique
from cascadebdt.errors import did_you_mean

NegativeWeights = Literal["absolute", "drop", "zero", "pair", "error"]
ClassBalance = Literal["events", "effective", "equal", "processes", "yields", "none"]
Mode = Literal["cross_fit", "nested", "holdout"]
Device = Literal["auto", "cpu", "cuda"]
Memory = Literal["ram", "stream", "disk"]
Part = Literal["binary", "multiclass", "stages"]


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
    """The final discriminant, in which the signal region is binned.

    `kind` is one part or the mean of several. ``binary``: a BDT, the signal against all backgrounds. ``multiclass``:
    the likelihood ratio of a BDT with a class for each process, with the expected yields as priors. ``stages``: the
    likelihood ratio that follows from the scores of the stages, which needs no BDT of its own. BDTs train on ``all``
    selected events or on the ``survivors`` of all stages (`train_on`), and are means of `repeats`, which differ in the
    fold that stops their training, and in the seed.
    """

    features: tuple[str, ...] = ()
    kind: tuple[Part, ...] = Field(default=("binary",), min_length=1)
    train_on: Literal["all", "survivors"] = "survivors"
    repeats: int = Field(default=1, ge=1, le=20)

    @model_validator(mode="before")
    @classmethod
    def _one_part(cls, data: Any) -> Any:
        return as_list(data, "kind")

    @model_validator(mode="after")
    def _consistent_parts(self) -> Self:
        require_unique("final.kind", list(self.kind))
        if not self.features and self.kind != ("stages",):
            raise ValueError(f"final: kind {' + '.join(self.kind)} needs features, got none")
        if "binary" not in self.kind and (self.decorrelate or self.constraints != ConstraintsConfig()):
            raise ValueError("final: constraints and decorrelate are of the binary BDT; add 'binary' to kind")
        return self


class ControlConfig(Section):
    """Which control region an event goes to that a stage rejects.

    ``stage``: that of the stage. ``sorter``: that of the event's most probable background, by a multiclass BDT with a
    class for the backgrounds of each stage, which trains on rejected events. It reads `features`, by default those of
    all stages, and the region is binned in its probability where the observable is ``score``.
    """

    assign: Literal["stage", "sorter"] = "stage"
    features: tuple[str, ...] = ()
    bdt: BDTConfig = BDTConfig()


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
    control: ControlConfig = ControlConfig()
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
            **{key: complete(data[key]) for key in ("control", "final") if data.get(key) is not None},
        }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        require_unique("stages", [stage.name for stage in self.stages])
        trained = [stage.bdt for stage in self.stages] + ([self.final.bdt] if self.final else [])
        trained += [self.control.bdt] if self.is_sorted else []
        is_stopped = any(bdt.early_stopping_rounds for bdt in trained)
        needed = 2 + is_stopped + (self.mode != "cross_fit")
        if self.folds < needed:
            what = "early stopping needs a fold of its own" if is_stopped else "a fold held out needs two others"
            cure = ", or early_stopping_rounds to null" if is_stopped else ""
            raise ValueError(f"{what}: set folds to {needed} or more for mode {self.mode}{cure}")
        for stage in self.stages:
            if self.signal in stage.against:
                raise ValueError(f"stage '{stage.name}' trains the signal '{self.signal}' against itself")
        if self.is_sorted or (self.final and "stages" in self.final.kind):
            self._require_one_stage_per_process()
        return self

    def _require_one_stage_per_process(self) -> None:
        """Require that no process is a background of two stages."""
        against = [name for stage in self.stages for name in stage.against]
        for name in against:
            if against.count(name) > 1:
                raise ValueError(
                    f"process '{name}' is the background of more than one stage; control.assign 'sorter' and "
                    "final.kind 'stages' need each process in one stage at most"
                )

    @property
    def is_sorted(self) -> bool:
        """Whether a sorter says which control region a rejected event goes to."""
        return self.control.assign == "sorter"

    @property
    def sorter_features(self) -> tuple[str, ...]:
        """What the sorter reads."""
        return self.control.features or tuple(dict.fromkeys(name for stage in self.stages for name in stage.features))

    @property
    def features(self) -> tuple[str, ...]:
        """Every feature that something trains on, each once."""
        used = [stage.features for stage in self.stages]
        used += [self.sorter_features] if self.is_sorted else []
        used += [self.final.features] if self.final else []
        return tuple(dict.fromkeys(name for features in used for name in features))

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions that the stages make."""
        return region_names.names((stage.name, stage.working_point.is_validated) for stage in self.stages)
