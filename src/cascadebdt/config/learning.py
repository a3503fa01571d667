"""The parts of a configuration about learning: hyperparameters, and what trees may do."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cascadebdt.config.base import (
    Flag,
    Integer,
    LocatedError,
    Location,
    NotNegative,
    Positive,
    Real,
    Section,
    require_unique,
)
from cascadebdt.errors import did_you_mean

Share = Annotated[Real, Field(gt=0, le=1)]


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


class ConstraintsConfig(Section):
    """Limits of the trees of a stage."""

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


class Learning(Section):
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
    distributed: Flag = Field(
        default=False,
        description="Whether each model trains on all workers of a Dask scheduler at once (`run --executor dask`), for "
        "more events than one machine holds. Needs `cascade.memory` `stream` or `disk`; all workers see the files.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _distinct_features(self) -> Self:
        require_unique(self.features, "features", what="feature")
        return self

    @model_validator(mode="after")
    def _can_be_distributed(self) -> Self:
        if self.distributed and self.decorrelate and self.decorrelate.method == "flatness":
            raise LocatedError("no flatness loss on many workers; use method 'planing'", "distributed")
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
