"""The part of a configuration about templates: where the shapes of the backgrounds in the signal region come from."""

from typing import Literal

from pydantic import Field

from cascadebdt.config.base import NotNegative, Positive, Section

Shapes = Literal["own", "selection", "likelihood"]


class TemplatesConfig(Section):
    """How the simulated yields of the signal region are estimated."""

    shapes: Shapes = Field(
        default="own",
        description="Where backgrounds of the signal region take their shape from; their yields are always those of "
        "their own events. `own`: their own events in the region. `selection`: their own events of the whole "
        "selection, as if no stage cut. `likelihood`: all simulated events of the region, weighted by the likelihood "
        "ratios of stages and multiclass BDT. A borrowed shape has a nuisance parameter for what it differs by from "
        "the events of the process itself; see [templates.md](templates.md).",
        examples=["likelihood"],
    )
    min_effective_events: NotNegative = Field(
        default=5.0,
        description="With `selection`: a bin with fewer effective events of a process joins its neighbours, for this "
        "process alone, until they have so many; the borrowed shape spreads them over the bins.",
        examples=[10],
    )
    prior: Positive = Field(
        default=0.2,
        description="Relative change over the whole region that a borrowed shape may be wrong by, before the events of "
        "the process itself are asked.",
        examples=[0.1],
    )
