from pathlib import Path

import pytest

from cascadebdt.config import document
from cascadebdt.errors import ConfigError


def content(text: str) -> object:
    return document.parse(text, file="x.yaml").content


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("true", True),
        ("~", None),
        ("", None),
        ("1e5", 1e5),
        ("-.5", -0.5),
        ("-.INF", float("-inf")),
        ("+12", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("'12'", "12"),
        ("!!str 12", "12"),
    ],
)
def test_a_scalar_means_what_the_core_schema_of_yaml_1_2_says(scalar: str, value: object) -> None:
    assert content(f"a: {scalar}") == {"a": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "x.yaml:3: the key 'a' appears twice, first on line 1; remove one"),
        (
            "a: 1\nb: 010",
            "x.yaml:2: 010 is not the same number in YAML 1.1 and 1.2; write 10, 0o10 for an octal number",
        ),
        ("a:\n  - b: [1", "x.yaml:2: not valid YAML: expected ',' or ']'"),
        ("a: 1\n---\nb: 1", "x.yaml:2: a second document begins"),
        ("%YAML 1.1\n---\na: 1", "x.yaml:2: expected YAML 1.2; remove the line '%YAML'"),
        ("a: !!python/object:os.system 1", "x.yaml:1: tags such as 'tag:yaml.org,2002:python/object:os.system' have"),
        ("a: *b", "x.yaml:1: unknown anchor 'b'"),
        ("a: &b [*b]", "x.yaml:1: unknown anchor 'b'"),
        ("\na: {{b}}", "x.yaml:2: a key is a list or a mapping, expected a name"),
        ("a: " + "[" * 2000, "x.yaml:1: nested too deeply, expected at most 50 levels"),
        ("", "x.yaml:1: expected keys and values at the top level, got nothing"),
        ("a: \x00", "x.yaml: not valid YAML: unacceptable character #x0000"),
        ("a: {b: 1}\nc: {<<: 3}", "x.yaml:2: '<<' expects an alias of keys and values"),
    ],
)
def test_what_is_no_configuration_is_one_sentence_with_file_and_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        content(text)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_aliases_of_aliases_end_before_the_memory_does() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    with pytest.raises(ConfigError, match="more than 1000000 values, aliases followed"):
        content("\n".join(lines))


def test_merged_keys_give_way_to_own_ones_and_the_first_mapping_to_none() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], z: 3}"
    assert document.parse(text, file="x.yaml").content["c"] == {"x": 1, "y": 1, "z": 3}


def test_a_value_knows_its_line_and_one_that_nobody_wrote_that_of_its_surroundings() -> None:
    read = document.parse("a:\n  b: 1\n  c:\n    - 2\n    - 3\nd: &d {e: 1}\nf: *d", file="x.yaml")
    locations = [("a", "b"), ("a", "c", 1), ("a", "z"), ("f", "e"), ()]
    assert [read.place(location) for location in locations] == [f"x.yaml:{line}: " for line in (2, 5, 1, 6, 1)]


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (b"a: 1\nb: \xe9t\xe9", "config.yaml:2: byte 0xe9 is not UTF-8; save the file in this encoding"),
        (b"#" * 10_000_001, "config.yaml: a configuration of 10000001 bytes, expected at most 10000000"),
    ],
    ids=["latin-1", "large"],
)
def test_a_file_of_other_bytes_is_refused(tmp_path: Path, encoded: bytes, message: str) -> None:
    (tmp_path / "config.yaml").write_bytes(encoded)
    with pytest.raises(ConfigError, match=message):
        document.read(tmp_path / "config.yaml")


def test_what_is_written_reads_back() -> None:
    value = {"b": {"x": "-pt", "y": "yes", "z": "010"}, "a": ["MET_pt > 2: x", 0.02, None, True, "1e5", 3]}
    text = document.write(value)
    assert document.parse(text, file="x.yaml").content == value
    assert text.index("b:") < text.index("a:")
