"""Control regions by cuts on the features, found by a shallow decision tree: what an analysis without a BDT would do.

A leaf of the tree is a set of cuts. All classes weigh the same, as in the multiclass BDT, and a leaf belongs to the
class that weighs most in it. Each fold has a tree that never saw its events.

References
----------
Breiman, Friedman, Olshen, Stone, Classification and Regression Trees (1984); the implementation is scikit-learn's.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from cascadebdt.arrays import AnyArray, FloatArray, IntArray
from cascadebdt.config import DATA, NOMINAL, CascadeConfig
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.forest.columns import feature_matrix

LEAVES_PER_CLASS = 3
MIN_SHARE = 0.01
"""Least share of the weight of all classes in a leaf."""


@dataclass(frozen=True, eq=False)
class CutTrees:
    """Decision trees, one per fold.

    Attributes
    ----------
    backgrounds : names of the background processes
    features : that are cut on
    trees : the tree of fold f never saw an event of fold f; with a holdout it is one
    """

    backgrounds: tuple[str, ...]
    features: tuple[str, ...]
    trees: tuple[DecisionTreeClassifier, ...]

    def most_like(self, events: Events, folds: IntArray) -> AnyArray:
        """Return the process that each event is most like by the tree of its fold, ``(n_events,)`` names."""
        names = np.empty(len(events), object)
        for fold, tree in enumerate(self.trees):
            rows = np.flatnonzero(folds == fold)
            if len(rows):
                names[rows] = tree.predict(feature_matrix(events.columns, self.features, rows))
        return names


def train(events: Events, config: CascadeConfig, *, seed: int) -> CutTrees:
    """Find the cuts on nominal simulation; negative weights count by their absolute value.

    Parameters
    ----------
    events : simulation
    config : `signal`, `features`, `folds` and `mode` are used
    seed : decides between cuts that are equally good
    """
    processes = tuple(name for name in events.processes if name != DATA)
    folds = fold_of(events.event_id, config.folds)
    trees = []
    for fold in range(1 if config.mode == "holdout" else config.folds):
        rows = np.flatnonzero(events.is_nominal & (folds != fold))
        labels = np.array(events.processes, object)[events.process[rows]]
        tree = DecisionTreeClassifier(
            max_leaf_nodes=LEAVES_PER_CLASS * len(processes), min_weight_fraction_leaf=MIN_SHARE, random_state=seed
        )
        matrix = feature_matrix(events.columns, config.features, rows)
        trees.append(
            tree.fit(matrix, labels.astype(str), sample_weight=_balanced(events.weights[NOMINAL][rows], labels))
        )
    return CutTrees(tuple(name for name in processes if name != config.signal), config.features, tuple(trees))


def _balanced(weights: FloatArray, labels: AnyArray) -> FloatArray:
    """Return absolute weights scaled to the same sum for every class."""
    scaled = np.abs(weights)
    for name in set(labels):
        of_class = labels == name
        total = scaled[of_class].sum()
        scaled[of_class] /= total if total > 0 else 1.0
    return scaled
