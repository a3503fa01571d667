"""What all parts of a configuration share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, Strict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

Location: TypeAlias = tuple[str | int, ...]  # keys and list indices that lead to a value

# No quantity of an analysis is larger; what is, is a slip of the keyboard that would end as infinity in a sum.
LARGEST = 1e15
MAX_EXPRESSION = 100_000


@dataclass(frozen=True)
class Note:
    """What the JSON schema says of a value beside its type: the `unit` of a number, the `format` of a text."""

    key: Literal["unit", "format"]
    value: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return pydantic's schema with the note."""
        return {**handler(core), self.key: self.value}


def unit(name: str) -> Note:
    """Return the note of a unit."""
    return Note("unit", name)


# A name becomes part of names of files, of which systems take 255 bytes.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=100), Note("format", "name")]
# Strict, since a relaxed reader takes `true` for 1 and text for a number.
Flag = Annotated[bool, Strict()]
Integer = Annotated[int, Strict()]
# A field with a lower limit above must annotate it: of two limits on one side pydantic takes the last, and those of the
# type come after those of the field.
Real = Annotated[float, Strict(), Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Positive = Annotated[Real, Field(gt=0)]
NotNegative = Annotated[Real, Field(ge=0)]
Fraction = Annotated[Real, Field(gt=0, lt=1)]
Expression = Annotated[str, Field(min_length=1, max_length=MAX_EXPRESSION), Note("format", "expression")]


def listed(value: object) -> object:
    """Return a list of one for a text, any other value as it is."""
    return [value] if isinstance(value, str) else value


ONE_OR_MORE = BeforeValidator(listed, json_schema_input_type=str | list[str])
Texts = Annotated[tuple[str, ...], ONE_OR_MORE]
Names = Annotated[tuple[Name, ...], ONE_OR_MORE]


class Section(BaseModel):
    """Base of every part of a configuration: frozen, unknown keys rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class LocatedError(ValueError):
    """An error at a location below the section that finds it."""

    def __init__(self, message: str, *location: str | int) -> None:
        super().__init__(message)
        self.location = location


def require_unique(names: Sequence[str], *location: str | int, what: str = "name") -> None:
    """Require that no name appears twice in the list at `location`; the error is at the second."""
    for index, name in enumerate(names):
        if name in names[:index]:
            first = names.index(name)
            raise LocatedError(f"the {what} '{name}' appears twice, first at [{first}]; remove one", *location, index)
