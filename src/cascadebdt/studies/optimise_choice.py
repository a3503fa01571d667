"""From the settings that a search tried to one that is proposed, and what it is worth on events held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.config import NOMINAL
from cascadebdt.products.optimised import Choice, Finalist, Optimised, Variant
from cascadebdt.progress import Progress
from cascadebdt.studies.grid import Setting
from cascadebdt.studies.halves import Halves
from cascadebdt.studies.open_scores import first_rejecting
from cascadebdt.studies.optimise_variants import N_SAMPLES, Explored
from cascadebdt.studies.search import fronts

Objective = Literal["limit", "significance", "sigma_mu"]

MAX_LOSS = 0.02
"""A simpler setting may be worse by one standard error, but not by more than this."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A setting that was fitted on the events of the search.

    Attributes
    ----------
    finalist : what is told of it
    edges : of the bins that these events choose
    """

    setting: Setting
    finalist: Finalist
    edges: Mapping[str, FloatArray]

    def value(self, objective: Objective) -> float:
        """Return what is to be minimised."""
        value = float(getattr(self.finalist.claimed, objective))
        return -value if objective == "significance" else value


def complexity(halves: Halves, setting: Setting) -> int:
    """Return how many choices a setting is made of: stages that cut, and bins."""
    return sum(halves.surrogate.grid.cuts(setting.levels)) + setting.n_signal + setting.n_control


def finalists(explored: Explored, n_finalists: int, seed: int, progress: Progress) -> list[Fitted]:
    """Fit the best setting of each complexity that is close to the best of all, and the configured one as the last.

    Close is within one standard error of the ratio, found by a paired bootstrap of the events, and within `MAX_LOSS`.
    """
    halves, trials = explored.halves, explored.trials
    front = fronts(trials, lambda setting: (complexity(halves, setting),))
    candidates = list(dict.fromkeys([*front, halves.start]))
    errors = _standard_errors(halves, candidates, seed)
    best = trials[front[0]]
    close = [one for one in front if trials[one] <= best * (1 + min(errors[one], MAX_LOSS))]
    # The simplest ones are looked for; the best of all stays for comparison.
    chosen = [one for one in dict.fromkeys([front[0], *close[::-1][: n_finalists - 1]]) if one != halves.start]
    fitted = []
    for setting in progress([*chosen, halves.start], "fits of finalists"):
        claimed, edges = halves.claimed(setting)
        told = Finalist(choice_of(halves, setting), trials.get(setting, float("inf")), errors[setting], claimed)
        fitted.append(Fitted(setting, told, edges))
    return fitted


def proposal(fitted: Sequence[Fitted], objective: Objective) -> Fitted:
    """Return the simplest of the fitted settings that is as good as the best, within the error of their ratio."""
    best = min(one.value(objective) for one in fitted)
    allowed = [
        one
        for one in fitted
        if one.value(objective) - best <= min(one.finalist.standard_error, MAX_LOSS) * abs(best)
        and np.isfinite(one.finalist.surrogate)
    ]
    return min(allowed, key=lambda one: (one.finalist.choice.complexity, one.value(objective)))


def choice_of(halves: Halves, setting: Setting) -> Choice:
    """Return a setting in words that a configuration has."""
    names = [stage.name for stage in halves.config.cascade.stages]
    thresholds = halves.surrogate.grid.thresholds(setting.levels)
    efficiencies = efficiencies_of(halves, setting)
    return Choice(
        stages=tuple(names),
        thresholds={name: float(point.passing) for name, point in zip(names, thresholds, strict=True)},
        efficiencies={name: passing for name, (passing, _) in zip(names, efficiencies, strict=True)},
        n_signal=setting.n_signal,
        n_control=setting.n_control,
        complexity=complexity(halves, setting),
    )


def efficiencies_of(halves: Halves, setting: Setting) -> list[tuple[float, float]]:
    """Return the shares of the signal reaching each stage that pass its threshold, and its validation threshold."""
    scores, thresholds = halves.whole, halves.surrogate.grid.thresholds(setting.levels)
    events = scores.events
    signal = events.is_nominal & events.of_process(scores.cascade.signal)
    weights, reached = events.weights[NOMINAL][signal], first_rejecting(scores.scores[signal], thresholds)
    shares = []
    for k, point in enumerate(thresholds):
        arriving, own = reached >= k, scores.scores[signal, k]
        looser = point.passing if point.validation is None else point.validation
        total = weights[arriving].sum()
        passing, validated = (
            float(weights[arriving & (own >= edge)].sum() / total) for edge in (point.passing, looser)
        )
        shares.append((passing, validated))
    return shares


def judged(
    of_start: Halves,
    start: Fitted,
    of_best: Explored,
    proposed: Fitted,
    fitted: Sequence[Fitted],
    objective: Objective,
    variants: Sequence[Variant],
) -> Optimised:
    """Judge the proposal and the configured setting on the events held out, once, and return the account."""
    held_out = of_best.halves.judged(proposed.setting, proposed.edges)
    start_held_out = of_start.judged(start.setting, start.edges)
    claimed, start_claimed = proposed.finalist.claimed, start.finalist.claimed
    return Optimised(
        objective=objective,
        best=proposed.finalist.choice,
        claimed=claimed,
        held_out=held_out,
        ratio=held_out.over(claimed),
        start_claimed=start_claimed,
        start_held_out=start_held_out,
        gain_claimed=claimed.over(start_claimed),
        gain_held_out=held_out.over(start_held_out),
        trials=len(of_best.trials),
        sigmas=tuple(value if np.isfinite(value) else None for value in of_best.trials.values()),
        finalists=tuple(one.finalist for one in fitted),
        variants=tuple(variants),
    )


def _standard_errors(halves: Halves, settings: Sequence[Setting], seed: int) -> dict[Setting, float]:
    """Return the standard errors of the uncertainties over that of the first setting."""
    samples = halves.bootstrap(N_SAMPLES, seed)
    values = np.array([[sample.sigma_mu(setting) for setting in settings] for sample in samples])
    return {setting: _spread(column, values[:, 0]) for setting, column in zip(settings, values.T, strict=True)}


def _spread(values: FloatArray, reference: FloatArray) -> float:
    """Return the standard deviation of ratios of samples; one may miss a floor that the events themselves meet."""
    is_known = np.isfinite(values) & np.isfinite(reference)
    return float(np.std(values[is_known] / reference[is_known], ddof=1)) if is_known.sum() > 1 else 0.0
