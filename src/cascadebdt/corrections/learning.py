"""Data of purified regions -> corrections of simulated processes.

The data of a control region, less the other backgrounds with the normalisations that the control regions give, are
compared with the simulation of the process that dominates there. The ratio, as a function of a few features, weighs the
process everywhere. The weights of the events of a fold are learnt from all other folds. Never from the signal region.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cascadebdt.arrays import FeatureArray, FloatArray, IntArray
from cascadebdt.cascade import Scores
from cascadebdt.config import NOMINAL, CorrectionConfig
from cascadebdt.config.region_names import VALIDATION, stage_of
from cascadebdt.corrections import additive, boosted, closure
from cascadebdt.corrections.normalisation import Normalisations
from cascadebdt.corrections.purified import N_FOLDS, Purified, folds_of
from cascadebdt.corrections.results import Correction, Corrections
from cascadebdt.events import Events

N_PASSES = 2
"""How often every correction is learnt: the second time the others are subtracted with their corrections."""


def learn(
    events: Events,
    scores: Scores,
    config: Sequence[CorrectionConfig],
    normalisations: Normalisations,
    *,
    seed: int,
) -> Corrections:
    """Learn corrections; without any data in a region the weights are 1, with the uncertainties of the expected data.

    Parameters
    ----------
    events : selected events
    scores : of the same events
    config : what to correct, and from which regions
    normalisations : of the backgrounds that are subtracted
    seed : of the boosted trees

    Raises
    ------
    InputError
        If a region is not pure enough to learn from.
    """
    found = Corrections({})
    for _ in range(N_PASSES if len(config) > 1 else 1):
        for one in config:
            weights = found.applied(events, scores, with_variations=False).weights[NOMINAL]
            sample = _purified(events, scores, one.from_, one, weights, normalisations)
            learnt = _learn(one, sample, _basis(events, one), seed=seed)
            found = Corrections({**found.processes, one.process: learnt})
    weights = found.applied(events, scores, with_variations=False).weights[NOMINAL]
    for one in config:
        learnt = found.processes[one.process]
        samples = [_purified(events, scores, region, one, weights, normalisations) for region in _shown(one, scores)]
        closures = tuple(drawn for sample in samples for drawn in closure.of(sample, learnt.log_ratio_of))
        subtracted = {name: value for name, value in normalisations.values.items() if name != one.process}
        found.processes[one.process] = replace(learnt, closure=closures, subtracted=subtracted)
    return found


def _shown(config: CorrectionConfig, scores: Scores) -> list[str]:
    """Return the regions whose closure is looked at: the one to learn from, and its validation region."""
    validation = f"{VALIDATION}{stage_of(config.from_)}"
    return [config.from_, *([validation] if validation in scores.regions else [])]


def _basis(events: Events, config: CorrectionConfig) -> additive.Basis:
    rows = events.is_nominal & events.of_process(config.process)
    columns = {name: events.columns[name][rows] for name in config.variables}
    return additive.Basis.of(columns, events.weights[NOMINAL][rows], config.n_bins, config.prior)


def _learn(config: CorrectionConfig, sample: Purified, basis: additive.Basis, *, seed: int) -> Correction:
    folds = np.arange(N_FOLDS)
    bins, trees = [], []
    for fold in folds:
        bins.append(additive.fit(sample.of_folds(folds != fold), basis))
        stop = (fold + 1) % N_FOLDS
        trees.append(
            boosted.fit(
                sample.of_folds((folds != fold) & (folds != stop)),
                sample.of_folds(folds == stop),
                prior=config.prior,
                seed=seed,
            )
        )
    learnt = Correction(
        process=config.process,
        region=config.from_,
        method=config.method,
        bins=tuple(bins),
        boosted=tuple(trees),
        directions=(),
        extrapolation=config.extrapolation,
        subtracted={},
    )
    log_ratio = learnt.log_ratio_of(sample.simulated, sample.folds)
    return replace(learnt, directions=additive.directions(sample, basis, log_ratio))


def _purified(
    events: Events,
    scores: Scores,
    region: str,
    config: CorrectionConfig,
    corrected: FloatArray,
    normalisations: Normalisations,
) -> Purified:
    """Return the events of a region; `corrected` are the weights of the other processes, ``(n_events,)``."""
    in_region = events.is_nominal & (scores.region == scores.regions.index(region))
    process = events.of_process(config.process)
    is_other = ~process & ~events.is_data & ~events.of_process(scores.signal)
    rows, of_others = np.flatnonzero(in_region & process), np.flatnonzero(in_region & is_other)
    names = tuple(normalisations.values)
    codes = np.array([names.index(name) if name in names else len(names) for name in events.processes])
    factors = np.array([*normalisations.values.values(), 1.0])
    codes_of_others = codes[events.process[of_others]]
    weights = events.weights[NOMINAL][rows]
    weights_of_others = corrected[of_others] * factors[codes_of_others]
    if events.is_data.any():
        of_data = np.flatnonzero(in_region & events.is_data)
        weights_of_data = events.weights[NOMINAL][of_data]
    else:  # the expectation stands for them: nothing is to be corrected
        of_data = np.concatenate([rows, of_others])
        weights_of_data = np.concatenate([weights, weights_of_others])
    folds = folds_of(events.event_id)

    def columns(of: IntArray) -> dict[str, FeatureArray]:
        return {name: events.columns[name][of] for name in config.variables}

    return Purified(
        where=region,
        simulated=columns(rows),
        data=columns(of_data),
        others=columns(of_others),
        weights=weights,
        weights_of_data=weights_of_data,
        weights_of_others=weights_of_others,
        process_of_others=codes_of_others,
        covariance_of_others=normalisations.relative_covariance,
        folds=folds[rows],
        folds_of_data=folds[of_data],
        folds_of_others=folds[of_others],
    )
