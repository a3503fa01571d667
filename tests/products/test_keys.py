from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascadebdt.products.keys import Origin, differences, digest

PARTS: dict[str, Any] = {"luminosity_fb": 5.0, "samples": {"wgamma": {"cross_section_pb": 19.1, "weight": "w"}}}
APPLY = Origin("apply", 1, PARTS, {"train": "a"})

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
contents = st.recursive(scalars, lambda inner: st.dictionaries(st.text(), inner, max_size=4), max_leaves=8)


def with_parts(**changed: Any) -> Origin:
    return replace(APPLY, parts={**PARTS, **changed})


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (
            with_parts(samples={"wgamma": {"cross_section_pb": 20.0, "weight": "w"}}),
            "cross_section_pb of wgamma was 19.1 and is 20.0",
        ),
        (with_parts(luminosity_fb=139.0), "luminosity_fb was 5.0 and is 139.0"),
        (with_parts(samples={}), "wgamma of samples is gone"),
        (with_parts(seed=1), "seed is new"),
        (replace(APPLY, format=2), "the format of 'apply' was 1 and is 2"),
        (replace(APPLY, inputs={"train": "b"}), "what 'train' made has changed"),
    ],
)
def test_a_change_is_named_and_changes_the_key(now: Origin, words: str) -> None:
    assert now.change_since(APPLY) == words
    assert now.key != APPLY.key


def test_an_origin_survives_the_disk_with_its_key() -> None:
    assert Origin.from_json("apply", APPLY.to_json()).key == APPLY.key


@given(st.dictionaries(st.text(), contents, max_size=5))
def test_the_order_of_keys_does_not_matter(content: dict[str, Any]) -> None:
    assert digest(content) == digest(dict(reversed(content.items())))


@given(contents, contents)
def test_contents_have_a_difference_exactly_if_they_are_not_equal(one: Any, other: Any) -> None:
    assert bool(list(differences(one, other))) == (one != other)
