"""What all parts of a configuration share."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """Base of every part of a configuration: frozen, unknown keys rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def as_list(data: Any, *keys: str) -> Any:
    """Return `data` with the scalar values of `keys` wrapped in lists."""
    if not isinstance(data, Mapping):
        return data
    return {key: [value] if key in keys and isinstance(value, str) else value for key, value in data.items()}


def require_unique(path: str, names: list[str]) -> None:
    """Require that no name is there twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: names must be unique, got {twice} more than once")
