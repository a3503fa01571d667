"""The configuration reference and the JSON schema are made from the models, and say all there is to say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import annotated_types
import pytest
from jsonschema import Draft202012Validator as Validator
from jsonschema import ValidationError

from cascadebdt.config import document, reference
from cascadebdt.config.base import Section
from tiny_analysis import tiny_config

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
SCHEMA = reference.schema()
BY_HAND = [path for path in (ROOT / "docs").glob("*.md") if path.name != reference.REFERENCE]
KEYS = [
    pytest.param(key, value, id=f"{part.path or 'top'}.{key}")
    for part in reference.parts(SCHEMA)
    for key, value in reference.keys(part.schema)
]


def sections(model: type[Section] = Section) -> Iterator[type[Section]]:
    for section in model.__subclasses__():
        yield section
        yield from sections(section)


@pytest.mark.parametrize("name", [reference.REFERENCE, reference.SCHEMA])
def test_a_generated_file_is_up_to_date(name: str) -> None:
    made = reference.documents()[name]
    assert (ROOT / "docs" / name).read_text() == made, "run python -m cascadebdt.config.reference"


@pytest.mark.parametrize(("key", "value"), KEYS)
def test_a_key_has_a_meaning_and_valid_examples(key: str, value: dict[str, Any]) -> None:
    assert value["description"].endswith("."), key
    assert value["examples"]
    for example in value["examples"]:
        Validator({**value, "$defs": SCHEMA["$defs"]}).validate(example)


def test_a_key_appears_in_a_text_or_a_configuration_written_by_hand() -> None:
    text = "\n".join(path.read_text() for path in [*BY_HAND, *CONFIGS])
    missing = [key.values[0] for key in KEYS if str(key.values[0]).split("<")[0] not in text]
    assert missing == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_schema_accepts_the_shipped_configurations_which_point_to_it(path: Path) -> None:
    Validator(SCHEMA).validate(document.read(path).content)
    first = path.read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema=../docs/{reference.SCHEMA}"


@pytest.mark.parametrize(
    ("key", "value"), [("regoins", {}), ("luminosity_fb", -1), ("regions", {"CR_zee": {"n_bin": 3}}), ("samples", [])]
)
def test_the_schema_refuses_what_the_models_refuse(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Validator(SCHEMA).validate({**tiny_config(), key: value})


@pytest.mark.parametrize("section", dict.fromkeys(sections()))
def test_the_tightest_of_several_limits_counts(section: type[Section]) -> None:
    properties = section.model_json_schema(by_alias=False)["properties"]
    for name, field in section.model_fields.items():
        upper = [float(str(limit.le)) for limit in field.metadata if isinstance(limit, annotated_types.Le)]
        options = [properties[name], *properties[name].get("anyOf", [])]
        assert not upper or min(upper) in [option.get("maximum") for option in options]


def test_the_schema_is_one() -> None:
    Validator.check_schema(json.loads(json.dumps(SCHEMA)))
