"""Trees of JSON or YAML with a fault: for the tests and the campaigns of faults."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

Json = Any
Place = tuple[str | int, ...]


def places(content: Json, above: Place = ()) -> Iterator[Place]:
    """Yield the place of every value below the root."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (*above, key)
        yield from places(value, (*above, key))


def at(content: Json, place: Place) -> Json:
    """Return the value at a place."""
    for part in place:
        content = content[part]
    return content


def changed(content: Json, rng: np.random.Generator, values: Sequence[Json]) -> Json:
    """Return JSON content after one change of its tree.

    Parameters
    ----------
    content : a mapping or a list, not empty
    rng : where and what
    values : that may take the place of others
    """
    content = copy.deepcopy(content)
    known = list(places(content))
    place = known[int(rng.integers(len(known)))]
    parent, key = at(content, place[:-1]), place[-1]
    value = parent[key]
    kind = rng.integers(12)
    if kind == 0:
        del parent[key]
    elif kind == 1:
        parent[key] = values[int(rng.integers(len(values)))]
    elif kind == 2:
        parent[key] = [value]
    elif kind == 3:
        parent[key] = copy.deepcopy(at(content, known[int(rng.integers(len(known)))]))
    elif kind == 4:
        _copy_a_name(content, rng)
    elif kind < 8:
        _rearrange(parent, key, rng)
    else:
        _rescale_a_number(content, rng)
    return content


def _rearrange(parent: Json, key: Any, rng: np.random.Generator) -> None:
    """Double an item of a list or mix the list, or give a value another key."""
    if isinstance(parent, dict):
        parent[f"{key}x"] = parent.pop(key)
    elif rng.integers(2):
        parent.insert(int(rng.integers(len(parent) + 1)), copy.deepcopy(parent[key]))
    else:
        rng.shuffle(parent)


def _copy_a_name(content: Json, rng: np.random.Generator) -> None:
    names = [place for place in places(content) if place[-1] == "name"]
    if names:
        first, second = (names[int(rng.integers(len(names)))] for _ in range(2))
        at(content, first[:-1])["name"] = at(content, second)


def _rescale_a_number(content: Json, rng: np.random.Generator) -> None:
    numbers = [place for place in places(content) if isinstance(at(content, place), (int, float))]
    if numbers:
        place = numbers[int(rng.integers(len(numbers)))]
        at(content, place[:-1])[place[-1]] *= float(rng.choice([-1.0, 0.0, 1e-6, 0.1, 0.5, 2.0, 10.0, 1e6]))
