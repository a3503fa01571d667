"""A configuration as it was written: plain values and the line of each. The only code that knows YAML.

The reader follows the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2, section 10.3): `yes`, `no`, `on`, `off`
and ``12:30`` are text, ``0o17`` is octal. A key that appears twice is an error, and so is a whole number with a leading
zero, which YAML 1.1 and 1.2 read as different numbers. The merge key ``<<`` of YAML 1.1 is kept, because analyses share
parts of a configuration with it.
"""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from cascadebdt.config.base import Location
from cascadebdt.errors import ConfigError

Scalar: TypeAlias = bool | int | float | str | None

MAX_BYTES = 10_000_000
MAX_DEPTH = 50
MAX_VALUES = 1_000_000  # aliases of aliases grow exponentially

MERGE = "<<"
KEYWORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class Document:
    """What a configuration says, and where it says it.

    Attributes
    ----------
    content : keys and values at the top level
    file : name of the file, None for a mapping of Python
    lines : location of a value (keys and list indices that lead to it) -> line of the file, from 1
    """

    content: Mapping[str, Any]
    file: str | None = None
    lines: Mapping[Location, int] = field(default_factory=dict)

    def place(self, location: Location) -> str:
        """Return ``file:line: `` of a location, or of the closest one around it that was written; empty in memory."""
        if self.file is None:
            return ""
        around = (location[:depth] for depth in range(len(location), -1, -1))
        line = next((self.lines[known] for known in around if known in self.lines), 1)
        return f"{self.file}:{line}: "

    def written(self, location: Location) -> Location:
        """Return the parts of a location that lead through what was written.

        Short forms (a name for a list of one name) and the models add parts that nobody wrote.
        """
        value: Any = self.content
        parts: list[str | int] = []
        for part in location:
            if _holds(value, part):
                parts.append(part)
                value = value[part]
        return tuple(parts)

    def without(self, location: Location) -> "dict[Location, int]":
        """Return the lines of everything but a location and what is below it."""
        return {known: line for known, line in self.lines.items() if known[: len(location)] != location}


def _holds(value: object, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)


def read(path: Path) -> Document:
    """Read a YAML file.

    Raises
    ------
    ConfigError
        If the file is missing, too large, not UTF-8 or not YAML 1.2, if it repeats a key, or if it holds anything but
        one mapping.
    """
    return parse(_text(path), file=str(path))


def parse(text: str, *, file: str) -> Document:
    """Read the text of a YAML file, see `read`."""
    yaml = YAML(typ="safe", pure=True)
    builder = _Builder(file)
    try:
        content = builder.document(yaml.parse(text))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{file}:{line}: not valid YAML: {' '.join(str(error.problem).split())}") from None
    except YAMLError as error:
        raise ConfigError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{file}:1: expected keys and values at the top level, got {kind(content)}")
    return Document(content, file, builder.lines)


def write(content: Mapping[str, Any]) -> str:
    """Return the text of a YAML file, keys in their order."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 120
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # declared None
    text = io.StringIO()
    yaml.dump(content, text)
    return text.getvalue()


def kind(value: object) -> str:
    """Return what a value is called in YAML."""
    if isinstance(value, Mapping):
        return "keys and values"
    if isinstance(value, list | tuple):
        return "a list"
    return "nothing" if value is None else f"'{value}'"


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: a configuration of {len(content)} bytes, expected at most {MAX_BYTES}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise ConfigError(f"{path}:{line}: byte 0x{byte:02x} is not UTF-8; save the file in this encoding") from None


class _Builder:
    """Builds values from the events of the parser and notes the line of each."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Location, int] = {}
        self._anchors: dict[str, tuple[object, dict[Location, int]]] = {}
        self._n_values = 0

    def document(self, events: Iterator[Event]) -> object:
        """Build the one document of a stream."""
        content: object = None
        n_documents = 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                n_documents += 1
                if n_documents > 1:
                    raise self._error(event, "a second document begins; expected one, remove the line '---'")
                if event.version not in (None, (1, 2)):
                    raise self._error(event, "expected YAML 1.2; remove the line '%YAML'")
                content = self._value(next(events), events, ())
        return content

    def _error(self, event: Event, what: str) -> ConfigError:
        return ConfigError(f"{self.file}:{event.start_mark.line + 1}: {what}")

    def _value(self, event: Event, events: Iterator[Event], location: Location) -> object:
        """Build the value that begins with `event`."""
        self.lines.setdefault(location, event.start_mark.line + 1)
        self._count(event, 1)
        if isinstance(event, AliasEvent):
            return self._alias(event, location)
        value: object
        if isinstance(event, CollectionStartEvent):
            if len(location) >= MAX_DEPTH:
                raise self._error(event, f"nested too deeply, expected at most {MAX_DEPTH} levels")
            build = self._mapping if isinstance(event, MappingStartEvent) else self._sequence
            value = build(events, location)
        else:
            assert isinstance(event, ScalarEvent)
            value = self._scalar(event)
        if event.anchor is not None:
            depth = len(location)
            below = {known[depth:]: line for known, line in self.lines.items() if known[:depth] == location}
            self._anchors[event.anchor] = (value, below)
        return value

    def _count(self, event: Event, n_values: int) -> None:
        self._n_values += n_values
        if self._n_values > MAX_VALUES:
            raise self._error(event, f"more than {MAX_VALUES} values, aliases followed")

    def _alias(self, event: AliasEvent, location: Location) -> object:
        """Return what the anchor of an alias holds; what is wrong with it is reported where it is written."""
        if event.anchor not in self._anchors:
            raise self._error(event, f"unknown anchor '{event.anchor}'; expected '&{event.anchor}' on a line above")
        value, below = self._anchors[event.anchor]
        self._count(event, len(below))
        self.lines |= {location + known: line for known, line in below.items() if known}
        return value

    def _sequence(self, events: Iterator[Event], location: Location) -> list[object]:
        values: list[object] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            values.append(self._value(event, events, (*location, len(values))))
        return values

    def _mapping(self, events: Iterator[Event], location: Location) -> dict[str, object]:
        own: dict[str, object] = {}
        merged: dict[str, object] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            if not isinstance(event, ScalarEvent):
                raise self._error(event, "a key is a list or a mapping, expected a name; put templates in quotes")
            key = str(event.value)
            if key == MERGE:
                merged = {**self._merged(event, events, location), **merged}
                continue
            if key in own:
                first = self.lines[*location, key]
                raise self._error(event, f"the key '{key}' appears twice, first on line {first}; remove one")
            self.lines[*location, key] = event.start_mark.line + 1
            own[key] = self._value(next(events), events, (*location, key))
        return {**merged, **own}

    def _merged(self, key: ScalarEvent, events: Iterator[Event], location: Location) -> dict[str, object]:
        """Return the keys that ``<<`` brings in: of one mapping, or of a list of them, of which the first counts."""
        value = self._value(next(events), events, (*location, MERGE))
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise self._error(key, f"'{MERGE}' expects an alias of keys and values, got {kind(value)}")
        return {name: content for source in reversed(sources) for name, content in source.items()}

    def _scalar(self, event: ScalarEvent) -> Scalar:
        text = str(event.value)
        is_plain = event.implicit[0]
        if event.ctag is not None and str(event.ctag) not in ("!", "tag:yaml.org,2002:str"):
            raise self._error(event, f"tags such as '{event.ctag}' have no meaning here; remove it")
        if not is_plain:
            return text
        if text in KEYWORDS:
            return KEYWORDS[text]
        if LEADING_ZERO.fullmatch(text):
            cure = f"write {int(text)}, 0o{text.lstrip('+-0')} for an octal number, or '{text}' for text"
            raise self._error(event, f"{text} is not the same number in YAML 1.1 and 1.2; {cure}")
        if INTEGER.fullmatch(text) and len(text) < 100:
            return int(text, 0)
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan")) if FLOAT.fullmatch(text) else text
