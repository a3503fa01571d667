"""What determines features, for comparison later: expressions, the objects and the functions they use."""

from collections.abc import Iterable, Mapping
from typing import Any

from cascadebdt.config import ObjectConfig
from cascadebdt.expression import Call, Node, objects_in, parse, registered, walk

EXPRESSIONS = ("where", "order")


def definition(
    used: Iterable[str], *, features: Mapping[str, str], objects: Mapping[str, ObjectConfig]
) -> dict[str, Any]:
    """Return plain content: the expressions of some features, and every object and registered function they depend on.

    Parameters
    ----------
    used : names of features
    features, objects : as configured
    """
    expressions = {name: features[name] for name in used}
    needed = {name for text in expressions.values() for name in _objects(_tree(text, objects), objects)}
    texts = [text for name in needed for key in EXPRESSIONS if (text := getattr(objects[name], key)) is not None]
    trees = [*(_tree(text, objects) for text in expressions.values()), *(_tree(text, {}) for text in texts)]
    called = {node.function for tree in trees for node in walk(tree) if isinstance(node, Call)}
    return {
        "expressions": expressions,
        "objects": {
            name: spec.model_dump(mode="json", by_alias=True) for name, spec in objects.items() if name in needed
        },
        "functions": {name: own.digest for name, own in sorted(registered().items()) if name in called},
    }


def difference(
    kept: Mapping[str, Any], *, features: Mapping[str, str], objects: Mapping[str, ObjectConfig]
) -> str | None:
    """Return in which feature a configuration differs from what `definition` kept, and how; None if in none.

    Spelling does not matter: expressions are compared as trees.
    """
    for name, text in kept["expressions"].items():
        if name not in features:
            return f"feature '{name}' is gone"
        before, now = _tree(text, {**kept["objects"], **objects}), _tree(features[name], objects)
        if before != now:
            return f"feature '{name}' was '{text}' and is '{features[name]}'"
        for other in _objects(now, objects):
            current = objects[other].model_dump(mode="json", by_alias=True)
            if _canonical(kept["objects"].get(other)) != _canonical(current):
                return f"feature '{name}' depends on the object '{other}', which has changed"
    functions = definition(kept["expressions"], features=features, objects=objects)["functions"]
    for function, digest in kept["functions"].items():
        if functions.get(function) != digest:
            return f"the registered function '{function}' has changed or is not there"
    return None


def _tree(text: str, objects: Iterable[str]) -> Node:
    return parse(text, path="features", objects=list(objects))


def _objects(tree: Node, objects: Mapping[str, ObjectConfig]) -> list[str]:
    """Return the objects that an expression depends on, those that others are away from or made of included."""
    names = objects_in([tree])
    for name in names:  # grows while it runs: objects of objects come too
        names += [other for other in (*objects[name].away_from, *(objects[name].pairs or ())) if other not in names]
    return names


def _canonical(content: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the content of an object with its expressions as trees."""
    if content is None:
        return None
    trees = {key: _tree(content[key], ()) for key in EXPRESSIONS if content.get(key) is not None}
    return {**content, **trees}
