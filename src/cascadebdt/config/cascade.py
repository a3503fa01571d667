"""The parts of a configuration about the cascade: its stages, and how they are trained."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cascadebdt.config import region_names
from cascadebdt.config.base import (
    ONE_OR_MORE,
    Flag,
    Fraction,
    Integer,
    LocatedError,
    Location,
    Name,
    Names,
    NotNegative,
    Positive,
    Real,
    Section,
    require_unique,
)
from cascadebdt.errors import did_you_mean

NegativeWeights = Literal["absolute", "drop", "zero", "pair", "error"]
ClassBalance = Literal["events", "effective", "equal", "processes", "yields", "none"]
Mode = Literal["cross_fit", "nested", "holdout"]
Device = Literal["auto", "cpu", "cuda"]
Memory = Literal["ram", "stream", "disk"]
Part = Literal["binary", "multiclass", "stages"]


Probability = Annotated[Real, Field(ge=0, le=1)]
Share = Annotated[Real, Field(gt=0, le=1)]

# Names that a stage would share with a column, a folder or a file of the cascade, which it would overwrite.
RESERVED = ("final", "sorter", "score", "data", "nominal", region_names.SIGNAL_REGION)


class BDTConfig(Section):
    """Hyperparameters of a booster, with XGBoost's names and meanings."""

    n_estimators: Integer = Field(
        default=400, gt=0, le=100_000, description="Trees at most; early stopping may end with fewer.", examples=[60]
    )
    max_depth: Integer = Field(default=4, gt=0, le=16, description="Splits on any path of a tree.", examples=[3])
    learning_rate: Share = Field(default=0.1, description="Factor on what each tree adds to the score.", examples=[0.3])
    early_stopping_rounds: Integer | None = Field(
        default=20,
        gt=0,
        le=100_000,
        description="Training stops after so many trees without a better loss of the events held back for this; `null` "
        "grows all trees and holds nothing back.",
        examples=[5, None],
    )
    min_child_weight: NotNegative = Field(
        default=5.0,
        description="Smallest sum of second derivatives of the loss in a leaf; an event of training weight 1 adds at "
        "most 1/4 to it.",
        examples=[20],
    )
    subsample: Share = Field(
        default=1.0,
        description="Share of the training events that a tree sees, drawn anew for each.",
        examples=[0.7],
    )
    colsample_bytree: Share = Field(
        default=1.0, description="Share of the features that a tree may use, drawn anew for each.", examples=[0.8]
    )
    reg_lambda: NotNegative = Field(
        default=1.0,
        description="L2 penalty on the values of leaves; a larger one makes steps smaller.",
        examples=[10],
    )
    gamma: NotNegative = Field(
        default=0.0, description="Reduction of the loss below which no split is made.", examples=[0.5]
    )
    max_bin: Integer = Field(
        default=256,
        ge=2,
        le=65_536,
        description="Bins per feature among whose edges splits are looked for.",
        examples=[64],
    )


class WorkingPointConfig(Section):
    """The threshold of a stage: a target signal efficiency among events that reach it, or a fixed score.

    A number alone is the signal efficiency. A second, looser one, `validation_efficiency` or `validation_threshold`,
    makes the band between the two the validation region of the stage.
    """

    signal_efficiency: Fraction | None = Field(
        default=None,
        description="Efficiency, among the signal that reaches the stage, that the threshold is set to.",
        examples=[0.93],
    )
    threshold: Probability | None = Field(
        default=None, description="In its place: the score from which on events pass.", examples=[0.6]
    )
    validation_efficiency: Fraction | None = Field(
        default=None,
        description="Larger efficiency of a looser threshold; events between the two fill `VR_<stage>`.",
        examples=[0.96],
    )
    validation_threshold: Probability | None = Field(
        default=None, description="In its place: the looser threshold as a score.", examples=[0.5]
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        is_number = isinstance(data, int | float) and not isinstance(data, bool)
        return {"signal_efficiency": data} if is_number else data

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
    """What the trees of a stage may do."""

    monotone: dict[str, Literal["increasing", "decreasing"]] = Field(
        default={},
        description="Features with which the score may only rise (`increasing`) or only fall (`decreasing`).",
        examples=[{"met": "increasing"}],
    )
    interactions: tuple[tuple[str, ...], ...] = Field(
        default=(),
        description="Groups of features that may meet on one path of a tree; a feature of no group meets no other.",
        examples=[[["photon_pt", "met"], ["n_jet", "ht"]]],
    )


class DecorrelateConfig(Section):
    """A spectator that the score of a stage must not follow."""

    spectator: str = Field(description="Name of the feature.", examples=["m_lg"])
    method: Literal["planing", "flatness", "none"] = Field(
        default="planing",
        description="`planing` weights both classes to equal spectator distributions while they train; `flatness` adds "
        "a loss for background scores that differ between the bins; `none` only measures how far the cut sculpts the "
        "spectator, as the others do, too.",
        examples=["flatness"],
    )
    bins: Integer = Field(default=20, ge=2, le=1000, description="Bins of the spectator.", examples=[10])
    strength: Positive = Field(default=1.0, description="Weight of the loss of `flatness`.", examples=[3])


class _Learning(Section):
    """Features and how trees are grown on them."""

    features: tuple[str, ...] = Field(
        min_length=1, description="Names of the features that the BDT reads.", examples=[["photon_pt", "met"]]
    )
    bdt: BDTConfig = Field(
        default=BDTConfig(),
        description="Hyperparameters that differ from `cascade.bdt`.",
        examples=[{"max_depth": 3}],
    )
    constraints: ConstraintsConfig = Field(
        default=ConstraintsConfig(),
        description="Monotone features and groups of features.",
        examples=[{"monotone": {"met": "increasing"}}],
    )
    decorrelate: DecorrelateConfig | None = Field(
        default=None, description="A spectator that the score must not follow.", examples=[{"spectator": "m_lg"}]
    )

    @model_validator(mode="after")
    def _distinct_features(self) -> Self:
        require_unique(self.features, "features", what="feature")
        return self

    @model_validator(mode="after")
    def _constrains_its_features(self) -> Self:
        monotone = self.constraints.monotone
        constrained: list[tuple[str, Location]] = [(name, ("monotone", name)) for name in monotone]
        for k, group in enumerate(self.constraints.interactions):
            constrained += [(name, ("interactions", k, index)) for index, name in enumerate(group)]
        for name, location in constrained:
            if name not in self.features:
                cure = did_you_mean(name, self.features)
                raise LocatedError(f"'{name}' is no feature of this stage{cure}", "constraints", *location)
        return self


class StageConfig(_Learning):
    """One stage: the signal against the processes `against`, with their own features."""

    name: Name = Field(
        description="Name of the stage, unique. What it rejects is the control region `CR_<name>`.", examples=["ttbar"]
    )
    against: Names = Field(min_length=1, description="Background processes it is trained against.", examples=["ttbar"])
    working_point: WorkingPointConfig = Field(
        description="Where the stage cuts; a number is a signal efficiency.",
        examples=[0.93, {"signal_efficiency": 0.93, "validation_efficiency": 0.96}],
    )
    train_on: Literal["all", "survivors"] = Field(
        default="survivors",
        description="Events on which it trains: those that pass the earlier stages, or all that are selected, as in "
        "parallel stages. Its working point is found on those that pass in either case.",
        examples=["all"],
    )

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        require_unique(self.against, "against", what="process")
        if self.name in RESERVED or self.name.startswith((region_names.CONTROL, region_names.VALIDATION)):
            raise LocatedError(f"'{self.name}' is a reserved word; give the stage another name", "name")
        return self


class FinalConfig(_Learning):
    """The final discriminant, in which the signal region is binned."""

    features: tuple[str, ...] = Field(
        default=(), description="Names of the features that its BDTs read.", examples=[["photon_pt", "met"]]
    )
    kind: Annotated[tuple[Part, ...], ONE_OR_MORE] = Field(
        default=("binary",),
        min_length=1,
        description="What it is, or the parts whose mean it is. `binary`: a BDT, the signal against all backgrounds. "
        "`multiclass`: the likelihood ratio of a BDT with a class for each process and the expected yields as priors. "
        "`stages`: the likelihood ratio that follows from the scores of the stages, which needs no BDT of its own.",
        examples=[["stages", "multiclass"]],
    )
    train_on: Literal["all", "survivors"] = Field(
        default="survivors",
        description="Events on which its BDTs train: all that are selected, or those that pass every stage.",
        examples=["all"],
    )
    repeats: Integer = Field(
        default=1,
        ge=1,
        le=20,
        description="Each BDT is the mean of so many, which differ in the fold that stops their training, and in the "
        "seed.",
        examples=[2],
    )

    @model_validator(mode="after")
    def _consistent_parts(self) -> Self:
        require_unique(self.kind, "kind", what="part")
        if not self.features and self.kind != ("stages",):
            raise LocatedError(f"kind {' + '.join(self.kind)} needs features, got none", "features")
        if "binary" not in self.kind and (self.decorrelate or self.constraints != ConstraintsConfig()):
            raise ValueError("constraints and decorrelate are of the binary BDT; add 'binary' to kind")
        return self


class ControlConfig(Section):
    """Which control region an event goes to that a stage rejects."""

    assign: Literal["stage", "sorter"] = Field(
        default="stage",
        description="`stage`: the region of the stage that rejects the event. `sorter`: that of its most probable "
        "background, by a multiclass BDT with a class for the backgrounds of each stage, trained on rejected events; "
        "the observable `score` of a control region is then its probability.",
        examples=["sorter"],
    )
    features: tuple[str, ...] = Field(
        default=(),
        description="Names of the features that the sorter reads; those of all stages if not given.",
        examples=[["photon_pt", "met"]],
    )
    bdt: BDTConfig = Field(
        default=BDTConfig(),
        description="Hyperparameters of the sorter that differ from `cascade.bdt`.",
        examples=[{"learning_rate": 0.2}],
    )


class CascadeConfig(Section):
    """The ordered stages and how they are trained."""

    signal: Name = Field(default="signal", description="Process that every stage keeps.", examples=["whdark"])
    mode: Mode = Field(
        default="cross_fit",
        description="Which models score an event. `cross_fit`: those of its fold, which trained on the other folds, on "
        "events that models of other folds, which may have seen it, let through. `nested`: those of its fold, trained "
        "on what a cascade of the other folds alone lets through, at `folds` times the cost. `holdout`: one model per "
        "stage, trained without fold 0; of simulation only fold 0 is scored.",
        examples=["nested"],
    )
    folds: Integer = Field(
        default=5, ge=2, le=100, description="Parts of the events, by identity, for cross-fitting.", examples=[3]
    )
    bdt: BDTConfig = Field(
        default=BDTConfig(),
        description="Hyperparameters of every stage that does not set its own.",
        examples=[{"n_estimators": 60, "max_depth": 3}],
    )
    device: Device = Field(
        default="auto",
        description="Where boosters train; `auto` takes a CUDA device if there is one.",
        examples=["cpu"],
    )
    memory: Memory = Field(
        default="ram",
        description="Where selected events are kept, with the same result. `ram`; `stream`: in files, and for training "
        "their bins in memory, one fold after the other; `disk`: bins in files, too.",
        examples=["stream"],
    )
    max_events_per_process: Integer | None = Field(
        default=None,
        gt=0,
        description="At most so many events of a process train a stage, chosen by their identity.",
        examples=[1000000],
    )
    inverse_sampling_weights: Flag = Field(
        default=True,
        description="Whether the events chosen so stand for the others, which keeps the mixture of the processes.",
        examples=[False],
    )
    negative_weights: NegativeWeights = Field(
        default="absolute",
        description="What becomes of negative weights, in training only: they count by their absolute value, are "
        "dropped, weigh nothing, are cancelled against neighbours (`pair`), or are refused.",
        examples=["pair"],
    )
    class_balance: ClassBalance = Field(
        default="events",
        description="What the weights of signal and background are scaled to, in training only, see "
        "[training.md](training.md#weights).",
        examples=["equal"],
    )
    min_effective_events: NotNegative = Field(
        default=100.0,
        description="Effective events, (sum w)^2 / sum w^2, that a stage needs in either class.",
        examples=[20],
    )
    too_few_events: Literal["error", "pass"] = Field(
        default="error",
        description="What becomes of a stage with fewer: an error, or a stage that everything passes.",
        examples=["pass"],
    )
    stages: tuple[StageConfig, ...] = Field(
        min_length=1,
        description="Stages in the order in which events meet them.",
        examples=[[{"name": "zee", "against": "zee", "features": ["m_lg"], "working_point": 0.93}]],
    )
    control: ControlConfig = Field(
        default=ControlConfig(),
        description="Which control region a rejected event goes to.",
        examples=[{"assign": "sorter"}],
    )
    final: FinalConfig | None = Field(
        default=None,
        description="Final discriminant, in which the signal region is binned.",
        examples=[{"features": ["photon_pt", "met"]}],
    )

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
        require_unique([stage.name for stage in self.stages], "stages")
        for index, stage in enumerate(self.stages):
            if self.signal in stage.against:
                message = f"stage '{stage.name}' trains the signal '{self.signal}' against itself"
                raise LocatedError(message, "stages", index, "against")
        return self

    @model_validator(mode="after")
    def _one_stage_per_process(self) -> Self:
        """Require that no process is a background of two stages where a probability belongs to each stage."""
        against = [(index, name) for index, stage in enumerate(self.stages) for name in stage.against]
        names = [name for _, name in against]
        for index, name in against:
            if names.count(name) > 1 and (self.is_sorted or (self.final and "stages" in self.final.kind)):
                raise LocatedError(
                    f"process '{name}' is the background of more than one stage; control.assign 'sorter' and "
                    "final.kind 'stages' need each process in one stage at most",
                    "stages",
                    index,
                    "against",
                )
        return self

    @model_validator(mode="after")
    def _enough_folds(self) -> Self:
        trained = [stage.bdt for stage in self.stages]
        trained += [self.final.bdt] if self.final else []
        trained += [self.control.bdt] if self.is_sorted else []
        is_stopped = any(bdt.early_stopping_rounds for bdt in trained)
        needed = 2 + is_stopped + (self.mode != "cross_fit")
        if self.folds < needed:
            reason = "early stopping needs a fold of its own" if is_stopped else "a fold held out needs two others"
            cure = ", or early_stopping_rounds to null" if is_stopped else ""
            raise ValueError(f"{reason}: set folds to {needed} or more for mode {self.mode}{cure}")
        return self

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
