"""Results as values that survive the disk: frozen dataclasses that become plain JSON and come back.

The annotation of a field says how it is written and read: numbers, text, arrays, tuples, mappings with text as keys,
and other records. A result type needs no code of its own for that::

    @dataclass(frozen=True)
    class Interval(Record):
        parameter: str
        ends: tuple[float, float]


    Interval.from_json({"parameter": "mu", "ends": [0.2, 1.4]}) == Interval("mu", (0.2, 1.4))
"""

import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, Union, get_args, get_origin, get_type_hints

import numpy as np

from cascadebdt.errors import InputError

Json: TypeAlias = dict[str, Any]

ABSENT: Mapping[str, bool] = types.MappingProxyType({"absent": True})
"""Metadata of a field that is not written while it is None: ``field(default=None, metadata=ABSENT)``."""


@dataclass(frozen=True, eq=False)
class Record:
    """Base of the result types, which are frozen dataclasses."""

    def to_json(self) -> Json:
        """Return the fields as plain JSON: lists in place of arrays and tuples."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        skipped = {item.name for item in fields(self) if "absent" in item.metadata and values[item.name] is None}
        return {name: _plain(value) for name, value in values.items() if name not in skipped}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the result that `to_json` wrote.

        Raises
        ------
        InputError
            If a field is missing, unknown or of another type; the message names it.
        """
        if not isinstance(content, Mapping):
            raise InputError(f"expected the fields of a {cls.__name__}, got {_shown(content)}")
        kinds = get_type_hints(cls)
        unknown = sorted(content.keys() - {item.name for item in fields(cls)})
        if unknown:
            raise InputError(f"a {cls.__name__} has no '{unknown[0]}'")
        given = [item.name for item in fields(cls) if _is_given(item, content)]
        return cls(**{name: _field(cls.__name__, name, kinds[name], content) for name in given})


class Table(Record):
    """A record with one field, whose JSON is that of this field alone."""

    def to_json(self) -> Json:
        """Return the only field as plain JSON."""
        (value,) = super().to_json().values()
        return dict(value)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the result that `to_json` wrote; see `Record.from_json`."""
        (only,) = fields(cls)
        return super().from_json({only.name: content})


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (tuple, list)) else value


def _is_given(item: Field[Any], content: Mapping[str, Any]) -> bool:
    """Return whether a field is to be read; one that is missing takes its default, if it has one."""
    has_default = item.default is not MISSING or item.default_factory is not MISSING
    return item.name in content or not has_default


def _field(record: str, name: str, kind: Any, content: Mapping[str, Any]) -> Any:
    if name not in content:
        raise InputError(f"there is no '{name}', which a {record} has")
    try:
        return _parsed(kind, content[name])
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _parsed(kind: Any, value: Any) -> Any:
    """Return plain JSON as a value of an annotated type."""
    kind = _without_alias(kind)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _optional(kind, value)
    if origin is np.ndarray:
        return _array(kind, value)
    if origin is tuple:
        return _tuple(get_args(kind), value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _require(isinstance(value, Mapping), "a mapping", value)
        return {key: _parsed(get_args(kind)[1], inner) for key, inner in value.items()}
    if isinstance(kind, type) and issubclass(kind, Record):
        return kind.from_json(value)
    return _scalar(kind, value)


def _without_alias(kind: Any) -> Any:
    """Return what an alias of a type stands for: NumPy's NDArray is one since 2.5."""
    origin = get_origin(kind)
    return origin.__value__[get_args(kind)] if hasattr(origin, "__value__") else kind


def _optional(kind: Any, value: Any) -> Any:
    """Return a value that may be None."""
    if value is None and types.NoneType in get_args(kind):
        return None
    (inner,) = (option for option in get_args(kind) if option is not types.NoneType)
    return _parsed(inner, value)


def _array(kind: Any, value: Any) -> Any:
    (dtype,) = get_args(get_args(kind)[1])
    try:
        return np.array(value, dtype=dtype)
    except (TypeError, ValueError):
        raise InputError(f"expected numbers, got {_shown(value)}") from None


def _tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    _require(isinstance(value, (list, tuple)), "a list", value)
    if kinds[-1] is ...:
        return tuple(_parsed(kinds[0], inner) for inner in value)
    _require(len(value) == len(kinds), f"{len(kinds)} values", value)
    return tuple(_parsed(kind, inner) for kind, inner in zip(kinds, value, strict=True))


def _scalar(kind: Any, value: Any) -> Any:
    if kind is Any:
        return value
    if get_origin(kind) is Literal:
        _require(value in get_args(kind), f"one of {', '.join(map(str, get_args(kind)))}", value)
        return value
    if kind is float and value is None:
        return math.nan
    allowed = (int, float) if kind is float else kind
    # True is an int in Python, but no number in JSON
    _require(isinstance(value, allowed) and (kind is bool or not isinstance(value, bool)), kind.__name__, value)
    return kind(value)


def _require(condition: bool, expected: str, value: Any) -> None:
    if not condition:
        raise InputError(f"expected {expected}, got {_shown(value)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
