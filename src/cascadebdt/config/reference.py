"""The configuration reference and the JSON schema for editors, both made from the models.

``python -m cascadebdt.config.reference`` writes them to ``docs/``.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from cascadebdt import atomic
from cascadebdt.config.analysis import Config
from cascadebdt.config.base import LARGEST
from cascadebdt.config.region_names import CONTROL, VALIDATION

Schema: TypeAlias = dict[str, Any]

REFERENCE, SCHEMA = "configuration_reference.md", "config.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
REF = "#/$defs/"
# What a section may be written as beside its keys; the models expand these before they check anything.
SHORT_FORMS: dict[str, Schema] = {
    "WorkingPointConfig": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "SmoothConfig": {"const": "353QH"},
}
INTRODUCTION = """# Configuration reference

Every key with its type, default, unit, meaning and an example; `required` keys have no default.
[configuration.md](configuration.md) introduces them. Made by `python -m cascadebdt.config.reference` from the models in
`src/cascadebdt/config/`, as is [config.schema.json](config.schema.json), with which editors complete and check a
configuration whose first line is

    # yaml-language-server: $schema=../docs/config.schema.json
"""


@dataclass(frozen=True)
class Part:
    """A section of the configuration: where it stands, and the schema of its keys."""

    path: str
    schema: Schema


def schema() -> Schema:
    """Return the JSON schema of a configuration, short forms included."""
    whole = _simplified(Config.model_json_schema(by_alias=True))
    whole["properties"].pop("directory")
    regions = whole["$defs"]["RegionsConfig"]
    own = regions["properties"].pop("own")
    binning = {**own["additionalProperties"], **{key: own[key] for key in ("description", "examples")}}
    regions["patternProperties"] = {f"^({CONTROL}|{VALIDATION})": binning}
    return {"$schema": DIALECT, "title": "Configuration of cascadebdt", **whole}


def _simplified(value: Any) -> Any:
    """Return a schema with short forms and without the titles that pydantic makes of names."""
    if isinstance(value, list):
        return [_simplified(item) for item in value]
    if not isinstance(value, dict):
        return value
    simple = {key: _simplified(inner) for key, inner in value.items() if key != "title" or not isinstance(inner, str)}
    short = SHORT_FORMS.get(str(value.get("$ref", "")).removeprefix(REF))
    if short is None:
        return simple
    return {"anyOf": [short, {"$ref": simple.pop("$ref")}], **simple}


def parts(whole: Schema) -> list[Part]:
    """List the sections of a schema, each once, in the order in which a configuration has them."""
    listed: dict[str, Part] = {}
    waiting = [("", "", whole)]
    while waiting:
        path, name, section = waiting.pop(0)
        if name in listed:
            continue
        listed[name] = Part(path, section)
        inner = [
            (_joined(path, key, below), ref, whole["$defs"][ref])
            for key, value in keys(section)
            for below, ref in _refs(value)
        ]
        waiting = inner + waiting
    return list(listed.values())


def keys(section: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield the keys of a section and their schemas, names first; a pattern stands for the names that match it."""
    yield from sorted(section.get("properties", {}).items(), key=lambda item: item[0] not in ("name", "kind"))
    for value in section.get("patternProperties", {}).values():
        yield f"{CONTROL}<stage>, {VALIDATION}<stage>", value


def _joined(path: str, key: str, below: str) -> str:
    return f"{path}.{key}{below}".removeprefix(".")


def _refs(value: Schema, below: str = "") -> Iterator[tuple[str, str]]:
    """Yield the sections that a value may hold, and how they lie below it: ``[]`` in a list, ``.<name>`` by name."""
    if "$ref" in value:
        yield below, value["$ref"].removeprefix(REF)
    for option in (*value.get("anyOf", ()), *value.get("oneOf", ())):
        yield from _refs(option, below)
    if "items" in value:
        yield from _refs(value["items"], f"{below}[]")
    for named in _by_name(value):
        yield from _refs(named, f"{below}.<name>")


def _by_name(value: Schema) -> list[Schema]:
    """Return the schema of the values of a mapping whose names are free, or no schema."""
    named = [value["additionalProperties"]] if isinstance(value.get("additionalProperties"), dict) else []
    return [*named, *value.get("patternProperties", {}).values()]


def reference() -> str:
    """Return the reference as Markdown."""
    whole = schema()
    listed = parts(whole)
    anchors = {id(part.schema): _heading(part, listed) for part in listed}
    headings = {name: anchors[id(section)] for name, section in whole["$defs"].items() if id(section) in anchors}
    return "\n".join([INTRODUCTION, *(_section(part, anchors[id(part.schema)], headings) for part in listed)])


def _heading(part: Part, listed: list[Part]) -> str:
    """Return the heading of a section; of systematics, which share their place, with the kind."""
    kind = part.schema.get("properties", {}).get("kind", {}).get("const")
    is_shared = sum(other.path == part.path for other in listed) > 1
    return f"{part.path}, kind {kind}" if is_shared and kind else part.path or "Top level"


def _section(part: Part, heading: str, headings: dict[str, str]) -> str:
    required = part.schema.get("required", [])
    rows = [_row(key, value, required=key in required, headings=headings) for key, value in keys(part.schema)]
    about = " ".join(part.schema["description"].split())
    table = "| key | type | default | unit | meaning | example |\n|---|---|---|---|---|---|"
    title = heading if heading == "Top level" else f"`{heading}`"
    return "\n".join([f"## {title}\n\n{about}\n\n{table}", *rows, ""])


def _row(key: str, value: Schema, *, required: bool, headings: dict[str, str]) -> str:
    default = "required" if required else _code(value["default"]) if _is_listed(value) else ""
    cells = [f"`{key}`", _type(value, headings), default, _unit(value), value["description"]]
    cells.append("; ".join(map(_code, value["examples"])))
    escaped = [cell.replace("|", r"\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"


def _is_listed(value: Schema) -> bool:
    """Whether the default of a key is listed: that of a section follows from its own keys."""
    return "default" in value and not (isinstance(value["default"], dict) and any(_refs(value)))


def _unit(value: Schema) -> str:
    options = (value, *value.get("anyOf", ()))
    return next((str(option["unit"]) for option in options if "unit" in option), "")


def _code(value: object) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _type(value: Schema, headings: dict[str, str]) -> str:
    """Return what a value may be, in words."""
    if "$ref" in value:
        heading = headings[value["$ref"].removeprefix(REF)]
        return f"[keys](#{_anchor(heading)})"
    options = value.get("anyOf") or value.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(_type(option, headings) for option in options))
    if "const" in value or "enum" in value:
        return ", ".join(map(_code, value.get("enum", [value.get("const")])))
    return _simple_type(value, headings)


def _simple_type(value: Schema, headings: dict[str, str]) -> str:
    match value["type"]:
        case "array":
            items = value.get("items") or value["prefixItems"][0]
            return f"list of {_type(items, headings)}" + (f" ({value['maxItems']})" if "prefixItems" in value else "")
        case "object":
            return f"{_type(_by_name(value)[0], headings)} by name"
        case "string":
            return str(value.get("format", "text"))
        case "boolean":
            return "`true`, `false`"
        case str(kind):
            return kind + _limits(value)
    raise ValueError(f"a schema of an unknown type: {value}")


def _limits(value: Schema) -> str:
    bounds = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    limits = [f"{sign} {value[key]:,g}" for key, sign in bounds.items() if abs(value.get(key, LARGEST)) < LARGEST]
    return f" ({', '.join(limits)})" if limits else ""


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub and MyST give a heading."""
    return "".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def documents() -> dict[str, str]:
    """Return the generated files: name -> text."""
    return {REFERENCE: reference(), SCHEMA: json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"}


if __name__ == "__main__":
    for name, text in documents().items():
        atomic.write_text(Path("docs") / name, text)
