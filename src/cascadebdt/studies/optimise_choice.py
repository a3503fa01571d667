"""From the settings that a search tried to one that is proposed, and what it is worth on events held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.config import NOMINAL
from cascadebdt.products.optimised import Choice, Finalist, Objective, Optimised, Variant
from cascadebdt.progress import Progress
from cascadebdt.studies.grid import Setting
from cascadebdt.studies.halves import Halves
from cascadebdt.studies.open_scores import first_rejecting
from cascadebdt.studies.optimise_variants import Explored
from cascadebdt.studies.search import MAX_LOSS


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


def finalists(explored: Explored, n_finalists: int, progress: Progress) -> list[Fitted]:
    """Fit settings of the path, the first and the last among them, and as the last one the configured setting."""
    halves, path = explored.halves, explored.path
    steps = np.unique(np.linspace(0, len(path) - 1, max(n_finalists, 2)).round().astype(int))
    chosen = [setting for setting in (path[step] for step in steps) if setting != halves.start]
    return [fitted(explored, setting) for setting in progress([*chosen, halves.start], "fits of finalists")]


def fitted(explored: Explored, setting: Setting) -> Fitted:
    """Fit a setting on the events of the search."""
    claimed, edges = explored.halves.claimed(setting)
    return Fitted(setting, Finalist(choice_of(explored.halves, setting), explored.trials[setting], claimed), edges)


def proposal(among: Sequence[Fitted], objective: Objective) -> Fitted:
    """Return the simplest of the fitted settings that a fit finds within `MAX_LOSS` of the best."""
    usable = [one for one in among if np.isfinite(one.finalist.surrogate)]
    best = min(one.value(objective) for one in usable)
    allowed = [one for one in usable if one.value(objective) - best <= MAX_LOSS * abs(best)]
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
        complexity=halves.complexity(setting),
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
    among: Sequence[Fitted],
    objective: Objective,
    variants: Sequence[Variant],
) -> Optimised:
    """Judge the proposal and the configured setting on the events held out, once, and return the account.

    The luckiest setting is judged as well, to tell what a search without errors would have claimed.
    """
    held_out = of_best.halves.judged(proposed.setting, proposed.edges)
    start_held_out = of_start.judged(start.setting, start.edges)
    claimed, start_claimed = proposed.finalist.claimed, start.finalist.claimed
    luckiest = fitted(of_best, of_best.luckiest)
    luckiest_held_out = of_best.halves.judged(luckiest.setting, luckiest.edges)
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
        luckiest_gain_claimed=luckiest.finalist.claimed.over(start_claimed),
        luckiest_gain_held_out=luckiest_held_out.over(start_held_out),
        trials=len(of_best.trials),
        sigmas=tuple(value if np.isfinite(value) else None for value in of_best.trials.values()),
        finalists=tuple(one.finalist for one in among),
        variants=tuple(variants),
    )
