"""The parts of a configuration about what is trained: the stages, the final discriminant, and the sorter."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cascadebdt.config import region_names
from cascadebdt.config.base import (
    ONE_OR_MORE,
    Fraction,
    Integer,
    LocatedError,
    Name,
    Names,
    Real,
    Section,
    require_unique,
)
from cascadebdt.config.learning import BDTConfig, ConstraintsConfig, Learning

Part = Literal["binary", "multiclass", "stages"]
Probability = Annotated[Real, Field(ge=0, le=1)]

# Names that a stage would share with a column, a folder or a file of the cascade, which it would overwrite.
RESERVED = ("final", "sorter", "score", "data", "nominal", region_names.SIGNAL_REGION)


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


class StageConfig(Learning):
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


class FinalConfig(Learning):
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
