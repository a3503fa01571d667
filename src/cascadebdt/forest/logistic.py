"""Between margins and probabilities, by XGBoost's own logistic function, so that every bit is XGBoost's.

The margin of an event is the float32 sum of its leaves; its probability, or score, is the logistic function of it.
XGBoost's float32 logistic function never decreases, but near 1 many margins share one probability. It is taken from
XGBoost, as a model without trees, because the exponential function of another library may differ in the last bit.
"""

import functools
from typing import TYPE_CHECKING

import numpy as np

from cascadebdt.arrays import FEATURE, FeatureArray, IntArray

if TYPE_CHECKING:
    import xgboost as xgb

STEPS = 4096  # margins evaluated at once in the search, which then takes three rounds
RANK_OF_INFINITY = int(np.float32(np.inf).view(np.int32))


def probability(margins: FeatureArray) -> FeatureArray:
    """Return the probability of each margin, same shape, float32 in [0, 1]; NaN stays NaN."""
    result = np.full(margins.shape, np.nan, FEATURE)
    known = ~np.isnan(margins)
    if known.any():
        result[known] = _logistic(margins[known])
    return result


@functools.lru_cache(maxsize=1024)
def smallest_margin(threshold: np.float32) -> np.float32:
    """Return the smallest margin whose probability is not below a threshold; NaN, which none reaches, if there is none.

    The search is over the float32 numbers in order, so that ``margin >= smallest_margin(t)`` and ``probability >= t``
    are the same for every margin.
    """
    low, high = -RANK_OF_INFINITY, RANK_OF_INFINITY
    if not _logistic(_ranked(np.array([high])))[0] >= threshold:
        return np.float32(np.nan)
    while low < high:
        ranks = np.unique(np.linspace(low, high, STEPS).astype(np.int64))
        first = int(np.argmax(_logistic(_ranked(ranks)) >= threshold))
        low, high = (int(ranks[first - 1]) + 1 if first else low), int(ranks[first])
    return np.float32(_ranked(np.array([low]))[0])


@functools.lru_cache(maxsize=1024)
def base_margin(base_score: float) -> np.float32:
    """Return the margin that XGBoost starts from for a base score, which is a probability."""
    event = np.zeros((1, 1), FEATURE)
    return np.float32(_without_trees(base_score).inplace_predict(event, predict_type="margin")[0])


def _ranked(ranks: IntArray) -> FeatureArray:
    """Return the float32 numbers of these ranks: 0 is zero, 1 the smallest number above it, -1 its negative.

    Float32 numbers without their sign increase with their bits, read as an integer (IEEE 754).
    """
    bits = np.where(ranks >= 0, ranks, -ranks).astype(np.uint32) | np.where(ranks >= 0, 0, 1 << 31).astype(np.uint32)
    return bits.view(FEATURE)


def _logistic(margins: FeatureArray) -> FeatureArray:
    features = np.zeros((len(margins), 1), FEATURE)  # which a model without trees does not read
    probabilities: FeatureArray = _without_trees(0.5).inplace_predict(features, base_margin=margins)
    return probabilities


@functools.lru_cache(maxsize=1024)
def _without_trees(base_score: float) -> "xgb.Booster":
    """Return a model without trees: it predicts the logistic function of the margin it starts from."""
    import xgboost as xgb  # it loads pandas and scikit-learn, for which a fit need not wait

    parameters = {"objective": "binary:logistic", "base_score": base_score, "nthread": 1}
    return xgb.train(parameters, xgb.DMatrix(np.zeros((2, 1), FEATURE), label=np.array([0.0, 1.0])), 0)
