"""The part of a configuration about corrections of simulated processes from data in their purified regions."""

from typing import Annotated, Literal

from pydantic import Field

from cascadebdt.config.base import Fraction, Integer, Name, Names, Real, Section


class CorrectionConfig(Section):
    """Weights for a simulated process, learnt from the data of a control region in which it dominates."""

    process: Name = Field(description="Background process to correct.", examples=["wgamma"])
    from_: Name = Field(
        alias="from",
        description="Control region with the data to learn from; never the signal region.",
        examples=["CR_wgamma"],
    )
    variables: Annotated[Names, Field(min_length=1)] = Field(
        description="Features that the weights are a function of: few, and such as separate the signal.",
        examples=[["photon_pt", "met"]],
    )
    method: Literal["bins", "boosted"] = Field(
        default="bins",
        description="`bins`: a product of one factor per variable, each interpolated between bins. `boosted`: shallow "
        "boosted trees, which know of combinations of variables. The other one gives the uncertainty of the method.",
        examples=["boosted"],
    )
    n_bins: Annotated[Integer, Field(ge=2, le=100)] = Field(
        default=5, description="Bins of each variable, of equal yield in the region.", examples=[4]
    )
    prior: Fraction = Field(
        default=0.2,
        description="Relative size of mismodelling that is expected along a variable: what the data do not say is "
        "known this well. A smaller one means less noise and less correction.",
        examples=[0.1],
    )
    extrapolation: Annotated[Real, Field(ge=0, le=1)] = Field(
        default=0.5,
        description="Share of the correction (of its logarithm) that is uncertain outside the region it is learnt in.",
        examples=[1.0],
    )
