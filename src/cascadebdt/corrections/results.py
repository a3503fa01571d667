"""`Corrections`, learnt from data, which weigh events, and say by how much they are uncertain."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IntArray
from cascadebdt.cascade import Scores
from cascadebdt.config import NOMINAL, Config, SystematicConfig, WeightSystematic
from cascadebdt.corrections.additive import Additive
from cascadebdt.corrections.boosted import Boosted
from cascadebdt.corrections.closure import Closure
from cascadebdt.corrections.purified import Ratio, folds_of
from cascadebdt.events import Events
from cascadebdt.records import Record, Table

LARGEST = 3.0
"""Largest factor of a correction and of each of its variations, and the inverse of the smallest."""


@dataclass(frozen=True, eq=False)
class Correction(Record):
    """Weights of one process.

    Attributes
    ----------
    process : that is corrected
    region : in which they were learnt
    method : ``bins`` or ``boosted``, which of the two corrects; the other gives the uncertainty of the method
    bins, boosted : per fold, learnt without its events
    directions : independent changes of the logarithm of the weights by one standard deviation
    extrapolation : share of the logarithm of the weights that is uncertain outside the region
    subtracted : process -> normalisation it was subtracted with
    closure : data and simulation before and after, per region and variable
    """

    process: str
    region: str
    method: str
    bins: tuple[Additive, ...]
    boosted: tuple[Boosted, ...]
    directions: tuple[Additive, ...]
    extrapolation: float
    subtracted: dict[str, float]
    closure: tuple[Closure, ...] = ()

    @property
    def ratios(self) -> tuple[Ratio, ...]:
        """The ratio that corrects, per fold."""
        return self.bins if self.method == "bins" else self.boosted

    @property
    def alternative(self) -> tuple[Ratio, ...]:
        """The ratio of the other method, per fold."""
        return self.boosted if self.method == "bins" else self.bins

    @property
    def variables(self) -> tuple[str, ...]:
        """Features that the weights are a function of."""
        return self.boosted[0].variables

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the nuisance parameters."""
        name = f"correction_{self.process}"
        return (*(f"{name}_{k + 1}" for k in range(len(self.directions))), f"{name}_method", f"{name}_extrapolation")

    def log_weights(self, events: Events, rows: BoolArray) -> FloatArray:
        """Return the logarithms of the weights of some events, ``(n_rows,)``, each by models that never saw it."""
        return self.log_ratio_of(self._columns(events, rows), folds_of(events.event_id[rows]))

    def log_ratio_of(self, columns: Mapping[str, FeatureArray], folds: IntArray) -> FloatArray:
        """Return the logarithms of the weights of events of these folds, ``(n_events,)``."""
        return _out_of_fold(self.ratios, columns, folds)

    def changes(self, events: Events, rows: BoolArray, scores: Scores) -> Iterator[FloatArray]:
        """Yield the change of the logarithms by one standard deviation of each parameter, ``(n_rows,)``."""
        columns, folds = self._columns(events, rows), folds_of(events.event_id[rows])
        for direction in self.directions:
            yield direction.log_ratio(columns)
        own = self.log_ratio_of(columns, folds)
        yield _out_of_fold(self.alternative, columns, folds) - own
        outside = scores.region[rows] != scores.regions.index(self.region)
        yield self.extrapolation * own * outside

    def _columns(self, events: Events, rows: BoolArray) -> dict[str, FeatureArray]:
        return {name: events.columns[name][rows] for name in self.variables}


def _out_of_fold(ratios: tuple[Ratio, ...], columns: Mapping[str, FeatureArray], folds: IntArray) -> FloatArray:
    """Return the ratio of each event by the fold that was learnt without it."""
    result = np.zeros(len(folds))
    for fold, ratio in enumerate(ratios):
        chosen = folds == fold
        if chosen.any():
            result[chosen] = ratio.log_ratio({name: column[chosen] for name, column in columns.items()})
    return result


@dataclass(frozen=True, eq=False)
class Corrections(Table):
    """All corrections of an analysis: ``corrections.json``.

    Attributes
    ----------
    processes : process -> its correction
    """

    processes: dict[str, Correction]

    def applied(self, events: Events, scores: Scores, *, with_variations: bool = True) -> Events:
        """Return the events with corrected weights, and with a weight variation per side of each parameter.

        Events of kinematic variations and of alternative samples are weighted by their own features.
        """
        factors, changes = np.ones(len(events)), {}
        for name, correction in self.processes.items():
            rows = events.of_process(name)
            factors[rows] = _limited(correction.log_weights(events, rows))
            if not with_variations:
                continue
            for parameter, change in zip(correction.parameters, correction.changes(events, rows, scores), strict=True):
                for side, sign in (("up", 1.0), ("down", -1.0)):
                    varied = np.ones(len(events))
                    varied[rows] = _limited(sign * change)
                    changes[f"{parameter}_{side}"] = varied
        weights = {name: weight * factors for name, weight in events.weights.items()}
        own = {name: weights[NOMINAL] * change for name, change in changes.items()}
        return replace(events, weights=weights | own)

    def added_to(self, config: Config) -> Config:
        """Return the configuration with the uncertainties of the corrections among its systematics."""
        return config.model_copy(update={"systematics": (*config.systematics, *self.systematics)})

    @property
    def systematics(self) -> tuple[SystematicConfig, ...]:
        """A systematic per nuisance parameter; its weights are those that `applied` adds."""
        return tuple(
            WeightSystematic(
                name=parameter,
                kind="weight",
                processes=(name,),
                up=f"{parameter}_up",
                down=f"{parameter}_down",
                symmetrise="average",
            )
            for name, correction in self.processes.items()
            for parameter in correction.parameters
        )


def _limited(log_factor: FloatArray) -> FloatArray:
    return np.exp(np.clip(log_factor, -np.log(LARGEST), np.log(LARGEST)))
