"""Paths into a configuration: keys, names of list items, or indices, joined with dots."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cascadebdt.config.base import Location
from cascadebdt.config.document import kind
from cascadebdt.errors import ConfigError, did_you_mean

PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
PATH = re.compile(r"[^.\[\]]+(\.[^.\[\]]+|\[\d+\])*")


def replaced(content: Mapping[str, Any], path: str, value: object) -> tuple[dict[str, Any], Location]:
    """Return a copy of `content` with `value` at `path`, and its location; `content` itself stays as it is.

    Raises
    ------
    ConfigError
        If the path leads nowhere.
    """
    if not PATH.fullmatch(path):
        raise ConfigError(f"replace: '{path}' is no path; expected keys and names, cascade.stages.ttbar.working_point")
    new, location = _replaced(content, _parts(path), value, path, ())
    return new, location


def find(content: Mapping[str, Any], path: str) -> Location:
    """Return the location that a path leads to, as far as it leads anywhere."""
    location: list[str | int] = []
    value: Any = content
    for part in _parts(path):
        if isinstance(value, Mapping) and part in value:
            location.append(part)
        elif isinstance(value, Sequence) and not isinstance(value, str) and part in _names(value):
            location.append(_names(value).index(part))
        elif isinstance(value, Sequence) and part.isdecimal() and int(part) < len(value):
            location.append(int(part))
        else:
            break
        value = value[location[-1]]
    return tuple(location)


def _parts(path: str) -> list[str]:
    return [index or key for index, key in PART.findall(path)]


def _names(items: Sequence[object]) -> list[str]:
    """Return the names by which the items of a list are called, empty for those without."""
    return [str(item.get("name", "")) if isinstance(item, Mapping) else "" for item in items]


def _replaced(value: Any, parts: Sequence[str], new: object, path: str, above: Location) -> tuple[Any, Location]:
    if not parts:
        return new, above
    if value is None or isinstance(value, Mapping):
        inner, location = _replaced((value or {}).get(parts[0]), parts[1:], new, path, (*above, parts[0]))
        return {**(value or {}), parts[0]: inner}, location
    if not isinstance(value, list | tuple):
        raise ConfigError(f"replace: '{path}': {'.'.join(map(str, above))} is {kind(value)}, which has no '{parts[0]}'")
    index = _index(value, parts[0], path)
    inner, location = _replaced(value[index], parts[1:], new, path, (*above, index))
    return [*value[:index], inner, *value[index + 1 :]], location


def _index(items: Sequence[object], part: str, path: str) -> int:
    names = _names(items)
    if part in names:
        return names.index(part)
    if part.isdecimal() and int(part) < len(items):
        return int(part)
    known = [name for name in names if name]
    cure = did_you_mean(part, known) or f"; expected one of {', '.join(known) or f'0 to {len(items) - 1}'}"
    raise ConfigError(f"replace: '{path}': no '{part}'{cure}")
