"""Bytes of a file -> booster. XGBoost reads on behind the end of broken bytes, so they are looked at first."""

from typing import TYPE_CHECKING, Any

import numpy as np

from cascadebdt.arrays import BoolArray, IntArray
from cascadebdt.forest import ubjson

if TYPE_CHECKING:
    import xgboost as xgb

LINKS = ("left_children", "right_children", "parents", "split_indices")
OF_NODES = (*LINKS, "split_conditions", "default_left", "split_type")
"""Arrays of a tree with an entry for each node."""

NO_CHILD = -1
NO_PARENT = 2**31 - 1


def load(raw: bytes) -> "xgb.Booster":
    """Return a booster that `xgboost.Booster.save_raw` wrote in the format ``ubj``.

    Raises
    ------
    ValueError
        If it is not one: the document is broken, counts and arrays contradict each other, or the nodes of a tree are
        no tree.
    """
    import xgboost as xgb  # it loads pandas and scikit-learn, for which a fit need not wait

    try:
        _require_trees(ubjson.parse(raw)["learner"])
        return xgb.Booster(model_file=bytearray(raw))
    except (KeyError, TypeError, AttributeError) as error:  # a document of something else
        raise ValueError(f"not a model of XGBoost ({type(error).__name__}: {error})") from None


def _require_trees(learner: Any) -> None:
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        return
    model = booster.get("gbtree", booster)["model"]  # that of `dart` contains one, until XGBoost 3.2
    parameters = {name: int(learner["learner_model_param"][name]) for name in ("num_class", "num_feature")}
    _require_counts(model, max(parameters["num_class"], 1))
    if model["trees"]:
        _require_nodes(model["trees"], parameters["num_feature"])


def _require_counts(model: Any, n_classes: int) -> None:
    trees, groups = model["trees"], np.asarray(model["tree_info"], np.int64)
    if not len(trees) == len(groups) == int(model["gbtree_model_param"]["num_trees"]):
        raise ValueError(f"{len(trees)} trees, but it tells of another number")
    if [tree["id"] for tree in trees] != list(range(len(trees))):
        raise ValueError("its trees have other numbers than their places")
    if np.any((groups < 0) | (groups >= n_classes)):
        raise ValueError("a tree belongs to a class that there is not")
    if any(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in trees):
        raise ValueError("a leaf has several values")


def _require_nodes(trees: Any, n_features: int) -> None:
    sizes = np.array([int(tree["tree_param"]["num_nodes"]) for tree in trees], np.int64)
    for name in OF_NODES:
        if not np.array_equal(sizes, [len(tree[name]) for tree in trees]):
            raise ValueError(f"'{name}' of a tree has another length than the tree")
    left, right, parents, features = (
        np.concatenate([np.asarray(tree[name]) for tree in trees]).astype(np.int64) for name in LINKS
    )
    is_split = left != NO_CHILD
    if np.any((features[is_split] < 0) | (features[is_split] >= n_features)):
        raise ValueError("a node compares a feature that there is not")
    is_linked = all(_is_linked(children, parents, is_split, sizes) for children in (left, right))
    if not is_linked or np.any(left[is_split] == right[is_split]):
        raise ValueError("the nodes of a tree are no tree")


def _is_linked(children: IntArray, parents: IntArray, is_split: BoolArray, sizes: IntArray) -> bool:
    """Return whether every split has a child in its tree whose parent it is, and no other node has one.

    Then every walk from the first node, which has no parent, ends.
    """
    size, root = np.repeat(sizes, sizes), np.repeat(np.cumsum(sizes) - sizes, sizes)
    is_node = ((parents >= 0) & (parents < size)) | (parents == NO_PARENT)
    below, first = children[is_split], root[is_split]
    is_below = (below >= 1) & (below < size[is_split])
    if not (is_node.all() and is_below.all() and np.all(children[~is_split] == NO_CHILD)):
        return False
    own = np.flatnonzero(is_split) - first
    return bool(np.all(parents[below + first] == own) and np.all(parents[root] == NO_PARENT))
