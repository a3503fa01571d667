"""The trees of an XGBoost booster as flat arrays, and as complete trees of equal depth."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cascadebdt.arrays import AnyArray, BoolArray, FeatureArray, IntArray
from cascadebdt.forest import logistic, ubjson
from cascadebdt.forest.target import MAX_DEPTH

if TYPE_CHECKING:
    import xgboost as xgb


class UnsupportedModelError(Exception):
    """A booster that the kernels cannot evaluate; the message says why."""


@dataclass(frozen=True, eq=False)
class Trees:
    """The nodes of all trees of a booster, one after the other.

    Attributes
    ----------
    root : (n_trees,) int64, the first node of each tree
    left, right : (n_nodes,) int64, children; a leaf is its own child on both sides
    feature : (n_nodes,) int64, the feature that a node compares
    value : (n_nodes,) float32, the split value of a node (right if not less), or the value of a leaf
    default_left : (n_nodes,) bool, where a missing value goes
    base : margin before the first tree
    depth : of the deepest tree
    """

    root: IntArray
    left: IntArray
    right: IntArray
    feature: IntArray
    value: FeatureArray
    default_left: BoolArray
    base: np.float32
    depth: int

    @property
    def is_split(self) -> BoolArray:
        """Mask of the nodes that are not leaves, ``(n_nodes,)``."""
        return np.asarray(self.left != np.arange(len(self.left)))

    def complete(self, depth: int) -> tuple[IntArray, IntArray]:
        """Return the nodes of complete trees: a leaf above the lowest level repeats itself below.

        Returns
        -------
        nodes : (n_trees, 2^depth - 1) int64, in heap order
        leaves : (n_trees, 2^depth) int64, from left to right
        """
        levels = [self.root[:, None]]
        for _ in range(depth):
            above = levels[-1]
            levels.append(np.stack([self.left[above], self.right[above]], axis=2).reshape(len(above), -1))
        return np.concatenate(levels[:-1], axis=1), levels[-1]


def read(booster: "xgb.Booster") -> Trees:
    """Return the trees of a booster.

    Raises
    ------
    UnsupportedModelError
        If it is not one of gradient-boosted binary trees with numerical splits, or its trees are too deep.
    """
    learner = ubjson.parse(bytes(booster.save_raw("ubj")))["learner"]
    _require_binary_trees(learner)
    trees = learner["gradient_booster"]["model"]["trees"]
    sizes = np.array([len(tree["left_children"]) for tree in trees], np.int64)
    root = np.cumsum(sizes) - sizes

    def joined(name: str) -> AnyArray:
        return np.concatenate([tree[name] for tree in trees])

    own, offset = np.arange(sizes.sum()), np.repeat(root, sizes)
    left, right = (joined(name).astype(np.int64) for name in ("left_children", "right_children"))
    is_leaf = left < 0
    result = Trees(
        root=root,
        left=np.where(is_leaf, own, left + offset),
        right=np.where(is_leaf, own, right + offset),
        feature=joined("split_indices").astype(np.int64),
        value=joined("split_conditions").astype(np.float32),
        default_left=joined("default_left").astype(np.bool_),
        base=logistic.base_margin(_base_score(learner)),
        depth=0,
    )
    if np.isnan(result.value).any() or (~is_leaf & joined("split_type").astype(np.bool_)).any():
        raise UnsupportedModelError("it has categorical splits, or split values that are NaN")
    return _with_depth(result)


def _with_depth(trees: Trees) -> Trees:
    """Fill in the depth, at least 1."""
    depth, level = 0, trees.root[trees.is_split[trees.root]]
    while len(level):
        depth += 1
        level = np.concatenate([trees.left[level], trees.right[level]])
        level = level[trees.is_split[level]]
        if depth > MAX_DEPTH:
            raise UnsupportedModelError(f"its trees are deeper than {MAX_DEPTH}")
    return Trees(**{**trees.__dict__, "depth": max(depth, 1)})


def _require_binary_trees(learner: Any) -> None:
    booster, objective = learner["gradient_booster"], learner["objective"]["name"]
    # The weights of trees after dropout: a booster of its own, `dart`, until XGBoost 3.2, part of `gbtree` in 3.4.
    if "weight_drop" in booster or "weight_drop" in booster.get("model", {}):
        raise UnsupportedModelError("its trees have weights from dropout")
    if booster["name"] != "gbtree":
        raise UnsupportedModelError(f"its booster is {booster['name']}, not gbtree")
    if objective != "binary:logistic":
        raise UnsupportedModelError(f"its objective is {objective}, not binary:logistic")
    trees = booster["model"]["trees"]
    if not trees or any(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in trees):
        raise UnsupportedModelError("it has no trees, or trees with several outputs")


def _base_score(learner: Any) -> float:
    """Return the base score, which XGBoost 3.1 and later write as a list of one, ``[5E-1]``."""
    return float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
