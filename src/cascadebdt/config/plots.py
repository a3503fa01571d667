"""The part of a configuration about how figures look; it changes no number."""

from typing import Annotated, Literal

from pydantic import Field

from cascadebdt.config.base import Name, Names, Positive, Section, unit

PlotStyle = Literal["plain", "atlas", "cms"]
Label = Annotated[str, Field(min_length=1, max_length=200)]
Colour = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]


class PlotsConfig(Section):
    """How the figures of the report look. Nothing here changes a result."""

    style: PlotStyle = Field(
        default="plain",
        description="Fonts, lines and places of labels: those of the house, or of mplhep's ATLAS or CMS style; sizes "
        "of texts stay those of the house.",
        examples=["atlas"],
    )
    experiment: str = Field(
        default="", max_length=60, description="Name of the experiment, in bold above every figure.", examples=["ATLAS"]
    )
    status: str = Field(
        default="", max_length=60, description="Status of the result, beside the experiment.", examples=["Preliminary"]
    )
    sqrt_s_tev: Annotated[Positive, unit("TeV")] | None = Field(
        default=None, description="Centre-of-mass energy, written above every figure.", examples=[13]
    )
    luminosity: str | None = Field(
        default=None,
        max_length=60,
        description="Text of the luminosity above every figure. If not given it is made of `luminosity_fb` where the "
        "experiment, the status or the energy is given; an empty text leaves it out.",
        examples=["138 fb⁻¹"],
    )
    labels: dict[Name, Label] = Field(
        default={},
        description="Labels of processes, regions and features in figures, as plain text (Unicode, no LaTeX).",
        examples=[{"wgamma": "Wγ", "photon_pt": "pT(γ) [GeV]"}],
    )
    colours: dict[Name, Colour] = Field(
        default={},
        description="Colours of processes, `'#rrggbb'`; the default ones can be told apart by the colour-blind.",
        examples=[{"wgamma": "#5790fc"}],
    )
    order: Names = Field(
        default=(),
        description="Background processes from the bottom of the stack to its top; those not named are below them, "
        "small ones first.",
        examples=[["ttbar", "zee", "wgamma"]],
    )
