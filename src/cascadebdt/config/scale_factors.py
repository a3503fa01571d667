"""The part of a configuration about scale factors from files of correctionlib."""

from typing import Self

from pydantic import Field, model_validator

from cascadebdt.config.base import Expression, Name, Section


class VariedInput(Section):
    """The input of text by which a correction gives its nominal and its varied values."""

    input: str = Field(min_length=1, description="Name of the input.", examples=["ValType"])
    nominal: str = Field(default="nominal", description="Its text for the nominal value.", examples=["sf"])
    up: str = Field(default="up", description="Its text for the value up.", examples=["systup"])
    down: str = Field(default="down", description="Its text for the value down.", examples=["systdown"])


class ScaleFactorConfig(Section):
    """A number per event from a file of correctionlib, which weights and systematics of simulation may use by its name.

    Without a value of an input, as of a muon that is not there, it is 1. Kinematic systematics keep its nominal value.
    """

    name: Name = Field(
        description="Name for expressions; with `varied` there are `<name>_up` and `<name>_down`, too.",
        examples=["muon_id"],
    )
    file: str = Field(
        min_length=1, description="JSON file, perhaps compressed, relative to this one.", examples=["muon_Z.json.gz"]
    )
    correction: str = Field(
        min_length=1,
        description="Name of the correction, or compound correction, in the file.",
        examples=["NUM_TightID_DEN_TrackerMuons"],
    )
    inputs: dict[str, Expression] = Field(
        description="Inputs of the correction: expressions of numbers; of an input of text, the text itself.",
        examples=[{"abseta": "abs(muon[0].eta)", "pt": "muon[0].pt"}],
    )
    varied: VariedInput | None = Field(
        default=None,
        description="Which input asks for the nominal or a varied value.",
        examples=[{"input": "scale_factors", "nominal": "nominal", "up": "systup", "down": "systdown"}],
    )

    @model_validator(mode="after")
    def _input_is_given_once(self) -> Self:
        if self.varied is not None and self.varied.input in self.inputs:
            raise ValueError(f"the input '{self.varied.input}' is in inputs and in varied; remove one")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names that expressions may use."""
        return (self.name,) if self.varied is None else (self.name, f"{self.name}_up", f"{self.name}_down")
