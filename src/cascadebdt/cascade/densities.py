"""Every simulated event as an event of every background: shapes of backgrounds from the likelihood ratios of a cascade.

A stage, and a class of the multiclass BDT, estimates the ratio rho_k(x) of the expected density of background k to that
of the signal. Simulation of process j samples the density of j, of W_j expected events each, so that all simulation
together has q(x) = sum_j rho_j(x) / W_j events where the signal has 1 / W_s. An event of any process, counted w / W_j
times, is worth rho_k(x) / q(x) expected events of background k: the sum over all events estimates the yield of k in any
bin, with the statistics of all simulation (the balance heuristic of multiple importance sampling: E. Veach, L.J.
Guibas, SIGGRAPH 1995, doi:10.1145/218380.218498). Scores are out of fold, so that the ratios know no event's own label.
"""

from collections.abc import Mapping

import numpy as np

from cascadebdt.arrays import FloatArray, IntArray
from cascadebdt.cascade.model import Cascade
from cascadebdt.cascade.multiclass import log_sum_exp
from cascadebdt.cascade.scores import Scores
from cascadebdt.cascade.stage import Stage
from cascadebdt.config import NOMINAL
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of


def weights_as(cascade: Cascade, events: Events, scores: Scores, rows: IntArray) -> dict[str, FloatArray]:
    """Return the weights of some events as events of each background.

    Parameters
    ----------
    events, scores : selected events, and their scores by the cascade
    rows : (n_rows,) of nominal simulation in the signal region

    Returns
    -------
    background -> (n_rows,) float64, expected events; 0 for events of a process whose ratio the cascade does not know

    Raises
    ------
    InputError
        If the cascade was trained by a version that did not keep the yields of its classes.
    """
    ratios = _log_ratios(cascade, events, scores, rows)
    sizes = _sizes(cascade)
    known = (cascade.signal, *ratios)
    logs = np.column_stack([np.zeros(len(rows)), *ratios.values()])
    density = log_sum_exp(logs - np.log([sizes[name] for name in known]))
    counted = np.array([1 / sizes[name] if name in known else 0.0 for name in events.processes])
    counts = events.weights[NOMINAL][rows] * counted[events.process[rows]]
    return {name: counts * np.exp(ratio - density) for name, ratio in ratios.items()}


def known_to(cascade: Cascade) -> tuple[str, ...]:
    """Return the backgrounds whose density ratios a cascade knows, each once."""
    ratios = cascade.discriminant.ratios if cascade.discriminant else ()
    of_stages = (stage.classifier.against[0] for _, stage in _telling(cascade))
    return tuple(dict.fromkeys([*of_stages, *(name for ratio in ratios for name in ratio.model.classes[1:])]))


def _telling(cascade: Cascade) -> list[tuple[int, Stage]]:
    """Return the trained stages against one process: one against several knows the ratio of their sum alone."""
    return [
        (k, stage)
        for k, stage in enumerate(cascade.stages)
        if stage.classifier.is_trained and len(stage.classifier.against) == 1
    ]


def _log_ratios(cascade: Cascade, events: Events, scores: Scores, rows: IntArray) -> dict[str, FloatArray]:
    """Return log rho of every background, the mean of the parts of the cascade that know it."""
    parts: dict[str, list[FloatArray]] = {name: [] for name in known_to(cascade)}
    for k, stage in _telling(cascade):
        margins = scores.margins[rows, k].astype(np.float64)
        parts[stage.classifier.against[0]].append(_log_prior(stage) - margins)
    for name, ratio in _of_classes(cascade, events, rows).items():
        parts[name].append(ratio)
    return {name: np.asarray(np.mean(values, axis=0)) for name, values in parts.items()}


def _of_classes(cascade: Cascade, events: Events, rows: IntArray) -> dict[str, FloatArray]:
    """Return log rho of every background by the multiclass BDTs, the mean of them; nothing without any."""
    models = [ratio.model for ratio in cascade.discriminant.ratios] if cascade.discriminant else []
    if not models:
        return {}
    folds = fold_of(events.event_id, 1 if cascade.mode == "holdout" else cascade.n_folds)
    logs = [
        model.margins(events.columns, folds, rows).astype(np.float64) + _log_priors(model.summary) for model in models
    ]
    mean = np.mean(logs, axis=0)
    return {name: mean[:, code] - mean[:, 0] for code, name in enumerate(models[0].classes) if code}


def _log_prior(stage: Stage) -> float:
    """Return log y_k T_s / (y_s T_k): a margin holds the weights T of the training in the place of the yields y."""
    yields, weights = stage.classifier.summary.yields or {}, stage.classifier.summary.class_weights or {}
    signal, background = yields
    with np.errstate(divide="ignore"):  # a background without a yield has no density
        return float(np.log(max(yields[background], 0.0) / yields[signal] * weights[signal] / weights[background]))


def _log_priors(summary: Mapping[str, Mapping[str, float]]) -> FloatArray:
    """Return log y / T of each class of a multiclass BDT, ``(n_classes,)``."""
    if "yields" not in summary:
        raise InputError("the cascade does not tell the yields of its classes; train it again: 'cascadebdt train'")
    with np.errstate(divide="ignore"):
        return np.log([max(summary["yields"][name], 0.0) / weight for name, weight in summary["class_weights"].items()])


def _sizes(cascade: Cascade) -> dict[str, float]:
    """Return the expected events that an effective event of each process stands for, up to a common factor."""
    sizes: dict[str, float] = {}
    for _, stage in _telling(cascade):
        summary = stage.classifier.summary
        sizes |= _ratios(summary.yields or {}, summary.effective_events or {})
    if cascade.discriminant and cascade.discriminant.ratios:
        summary_of_classes = cascade.discriminant.ratios[0].model.summary
        sizes |= _ratios(summary_of_classes["yields"], summary_of_classes["effective_events"])
    return sizes


def _ratios(yields: Mapping[str, float], numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: abs(value or 1.0) / numbers[name] for name, value in yields.items()}
