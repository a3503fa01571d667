"""Scores that do not follow a spectator: planing weights, a flatness loss, and how much a cut sculpts a spectator."""

from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IntArray

N_GRID_POINTS = 256  # margins at which the flatness loss is summed


@dataclass(frozen=True, eq=False)
class SpectatorBins:
    """Bins of a spectator; events without a value have one of their own, the last.

    Attributes
    ----------
    edges : inner edges, float64, increasing
    """

    edges: FloatArray

    @classmethod
    def of(cls, spectator: FeatureArray, n_bins: int) -> "SpectatorBins":
        """Return bins of equally many events, at most `n_bins` of them."""
        known = np.sort(spectator[~np.isnan(spectator)]).astype(np.float64)
        if not len(known):
            return cls(np.empty(0))
        inner = np.unique(known[np.arange(1, n_bins) * len(known) // n_bins])
        return cls(inner[inner > known[0]])

    def __len__(self) -> int:
        return len(self.edges) + 2

    def find(self, spectator: FeatureArray) -> IntArray:
        """Return the bin of each event, ``(n_events,) int64``."""
        found = np.searchsorted(self.edges, spectator, side="right")
        return np.where(np.isnan(spectator), len(self) - 1, found)


def planing(bins: IntArray, is_signal: BoolArray, weights: FloatArray, n_bins: int) -> FloatArray:
    """Return factors that give both classes the same spectator distribution, the mean of theirs.

    The factor of class c in bin b is ((p_s(b) + p_b(b)) / 2) / p_c(b), with p the normalised distributions of the
    weights; it is 0 in a bin where a class has none, since no weight makes the classes equal there.

    Parameters
    ----------
    bins : (n_events,) int64
    is_signal : (n_events,) bool
    weights : (n_events,) float64, none negative, with a positive sum in each class

    Returns
    -------
    (2, n_bins) float64, of the background and of the signal
    """
    shares = np.array([np.bincount(bins[mask], weights[mask], n_bins) for mask in (~is_signal, is_signal)])
    shares /= shares.sum(axis=1, keepdims=True)
    target = np.where((shares > 0).all(axis=0), shares.mean(axis=0), 0.0)
    factors: FloatArray = np.divide(target, shares, out=np.zeros_like(shares), where=shares > 0)
    return factors


@dataclass(frozen=True, eq=False)
class Flatness:
    """The logarithmic loss of both classes, plus how far the background's score follows a spectator.

    The flatness loss is ``strength * sum_b (W_b / W) * integral (F_b(s) - F(s))^2 ds``, where F_b is the cumulative
    distribution of the margin s of the background in bin b of the spectator, F that of all of it, and W are sums of
    weights: Rogozhnikov et al., arXiv:1410.4140, with p = 2, per unit of background weight. Its gradient with
    respect to the margin of event i is ``-2 strength (w_i / W) (F_b(s_i) - F(s_i))``.

    Attributes
    ----------
    is_signal : (n_events,) bool
    weights : (n_events,) float64, none negative
    bins : (n_events,) int64, of the spectator
    strength : weight of the flatness loss
    """

    is_signal: BoolArray
    weights: FloatArray
    bins: IntArray
    strength: float

    def derivatives(self, margins: FeatureArray) -> tuple[FeatureArray, FeatureArray]:
        """Return gradient and curvature of the sum over events of the loss, ``(n_events,) float32`` each.

        The curvature of the flatness loss, ``-2 strength w_i (f_b(s_i) - f(s_i))`` with densities f, has either sign,
        but XGBoost needs a positive one. We take ``strength w_i / 10``, as large as typical differences of densities;
        it changes the length of the steps, not where the gradient vanishes.
        """
        probability = 1 / (1 + np.exp(-margins.astype(np.float64)))
        gradient = self.weights * (probability - self.is_signal)
        curvature = self.weights * probability * (1 - probability)
        background = np.flatnonzero(~self.is_signal)
        weights, bins = self.weights[background], self.bins[background]
        away = self._away(margins[background], weights, bins)
        gradient[background] -= 2 * self.strength * weights * away
        curvature[background] += self.strength * weights / 10
        return gradient.astype(np.float32), np.maximum(curvature, 1e-16).astype(np.float32)

    def loss(self, margins: FeatureArray) -> float:
        """Return the mean loss of the events; the integral is a sum over `N_GRID_POINTS` quantiles of the margin."""
        signed = np.where(self.is_signal, -margins, margins).astype(np.float64)
        classes = float(np.sum(self.weights * np.logaddexp(0.0, signed)) / self.weights.sum())
        background = ~self.is_signal
        scores, weights, bins = margins[background].astype(np.float64), self.weights[background], self.bins[background]
        ordered = np.sort(scores)
        grid = ordered[np.linspace(0, len(ordered) - 1, N_GRID_POINTS).astype(np.int64)]
        everywhere, total = _below(scores, weights, grid) / weights.sum(), 0.0
        for one in np.unique(bins):
            inside = bins == one
            share = weights[inside].sum()
            if share > 0:
                apart = _below(scores[inside], weights[inside], grid) / share - everywhere
                total += share * float(np.sum(np.square(apart[:-1]) * np.diff(grid)))
        return float(classes + self.strength * total / self.weights.sum())

    @staticmethod
    def _away(margins: FeatureArray, weights: FloatArray, bins: IntArray) -> FloatArray:
        """Return F_b(s_i) - F(s_i) of each event; half of those with the same margin count as below."""
        result = -_rank(margins, weights)
        for one in np.unique(bins):
            inside = bins == one
            result[inside] += _rank(margins[inside], weights[inside])
        return result


def sculpting(
    spectator: FeatureArray, weights: FloatArray, passed: BoolArray, *, n_bins: int
) -> dict[str, float | None]:
    """Return how far a cut changes the distribution of a spectator.

    Parameters
    ----------
    spectator : (n_events,) of the background before the cut
    weights : (n_events,) float64, signed
    passed : (n_events,) bool

    Returns
    -------
    ``jensen_shannon``
        (D(p | m) + D(q | m)) / 2 in bits, m = (p + q) / 2, between the binned distributions before (p) and after (q)
        the cut: 0 if they are equal, 1 if they are apart (Lin, IEEE Trans. Inf. Theory 37 (1991) 145). Bins of equally
        many events; one of negative weight counts as empty.
    ``kolmogorov_smirnov``
        largest difference of their cumulative distributions over the bins, with signed weights

    None if no weight is left before or after the cut.
    """
    bins = SpectatorBins.of(spectator, n_bins)
    found = bins.find(spectator)
    before, after = (np.bincount(found[mask], weights[mask], len(bins)) for mask in (slice(None), passed))
    if not before.sum() > 0 or not after.sum() > 0:
        return {"jensen_shannon": None, "kolmogorov_smirnov": None}
    cumulative = [np.cumsum(part) / part.sum() for part in (before, after)]
    p, q = (np.maximum(part, 0) / np.maximum(part, 0).sum() for part in (before, after))
    middle = (p + q) / 2
    return {
        "jensen_shannon": (_divergence(p, middle) + _divergence(q, middle)) / 2,
        "kolmogorov_smirnov": float(np.abs(cumulative[0] - cumulative[1]).max()),
    }


def _divergence(p: FloatArray, q: FloatArray) -> float:
    """Return the Kullback-Leibler divergence D(p | q) in bits."""
    some = p > 0
    return float(np.sum(p[some] * np.log2(p[some] / q[some])))


def _below(scores: FloatArray, weights: FloatArray, grid: FloatArray) -> FloatArray:
    """Return the sum of weights at scores up to each point of a grid."""
    order = np.argsort(scores, kind="stable")
    cumulative = np.concatenate([[0.0], np.cumsum(weights[order])])
    return np.asarray(cumulative[np.searchsorted(scores[order], grid, side="right")])


def _rank(margins: FeatureArray, weights: FloatArray) -> FloatArray:
    """Return the share of weight below each event, half of its equals included."""
    order = np.argsort(margins, kind="stable")
    cumulative = np.concatenate([[0.0], np.cumsum(weights[order])])
    low, high = (np.searchsorted(margins[order], margins, side=side) for side in ("left", "right"))
    total = cumulative[-1]
    return np.asarray((cumulative[low] + cumulative[high]) / (2 * total)) if total > 0 else np.zeros(len(margins))
