"""What stages and regions contain: histograms of scores, and tables of yields."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import hist
import numpy as np

from cascadebdt.arrays import FeatureArray, FloatArray, IntArray
from cascadebdt.config import DATA, NOMINAL
from cascadebdt.config.region_names import SIGNAL_REGION, stage_of
from cascadebdt.events import Events
from cascadebdt.histograms.stored import Stored
from cascadebdt.histograms.sums import Sums
from cascadebdt.histograms.yields import Histogram, Yields, histogram_of, total
from cascadebdt.records import Record, Table

if TYPE_CHECKING:
    from cascadebdt.cascade import Scores

MAIN_SHARE = 0.5
"""Of the background of a bin, from which on a process dominates it."""
MIN_EFFECTIVE = 5.0
"""Effective events of a process that dominates a bin, below which its Poisson fluctuation is not Gaussian."""


@dataclass(frozen=True)
class RegionSummary(Record):
    """What one region holds.

    Attributes
    ----------
    yields : process -> sum of weights and its statistical uncertainty
    purity : share, in the total prediction, of what the region is made for; None without a prediction
    data : number of events; None where they are not shown
    """

    yields: dict[str, tuple[float, float]]
    purity: float | None
    data: int | None


@dataclass(frozen=True)
class Flow(Record):
    """What the stages leave of every process.

    Attributes
    ----------
    steps : names of the stages, then of the signal region
    yields : process -> (n_steps,) sums of the weights that reach each step
    """

    steps: tuple[str, ...]
    yields: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class YieldTable(Table):
    """The sums of all regions: ``yields.json``.

    Attributes
    ----------
    regions : region -> process -> variation -> sum of weights and its statistical uncertainty
    """

    regions: dict[str, dict[str, dict[str, tuple[float, float]]]]

    @classmethod
    def of(cls, yields: Yields) -> "YieldTable":
        """Sum the bins of every region; data have no variations."""
        return cls(
            {
                region: {
                    process: {
                        variation: total(histogram, process, variation)
                        for variation in histogram.axes["variation"]
                        if process != DATA or variation == NOMINAL
                    }
                    for process in histogram.axes["process"]
                }
                for region, histogram in yields.items()
            }
        )


@dataclass(frozen=True, eq=False)
class Histograms(Stored):
    """All histograms of an analysis: ``histograms.json``.

    Attributes
    ----------
    regions : region -> histogram with axes process, variation and the observable
    scores : stage -> histogram with axes process and score
    shapes : region -> histogram of the events that tell the shapes of backgrounds; empty if these are their own
    """

    regions: Yields
    scores: dict[str, Histogram]
    shapes: Yields = field(default_factory=dict)


class StageFilling:
    """Histograms of scores, and the flow, filled block by block with the same bits whatever the blocks.

    Parameters
    ----------
    n_bins : of every score, of equal width in [0, 1]
    sums : where the weights are added
    """

    def __init__(self, n_bins: int = 50, sums: Sums | None = None) -> None:
        self._axis = hist.axis.Regular(n_bins, 0.0, 1.0, name="score", flow=False)
        self._sums = Sums() if sums is None else sums
        self._scores: tuple[str, ...] = ()
        self._stages: tuple[str, ...] = ()
        self._processes: tuple[str, ...] = ()

    def add(self, events: Events, scores: "Scores") -> None:
        """Add the nominal simulated events of a block."""
        self._stages, self._processes = scores.stages, events.processes
        rows = np.flatnonzero(events.is_nominal & ~events.is_data)
        process, weights = events.process[rows].astype(np.int64), events.weights[NOMINAL][rows]
        values = {name: scores.scores[rows, k] for k, name in enumerate(scores.stages)}
        if scores.final is not None:
            values["final"] = scores.final[rows]
        self._scores = tuple(values)
        for name, of_stage in values.items():
            self._add(name, process, of_stage, weights)
        n_steps = len(scores.stages) + 1
        self._sums.add("ends", n_steps * len(events.processes), process * n_steps + scores.reached[rows], weights)

    def _add(self, name: str, process: IntArray, scores: FeatureArray, weights: FloatArray) -> None:
        """Add the events that have a score; the others did not reach the stage."""
        reached = np.flatnonzero(~np.isnan(scores))
        axis: Any = self._axis  # whose types know no arrays
        n_bins = len(axis)
        # Without overflow, a score of exactly 1, on the last edge, is in the last bin.
        index = np.minimum(np.asarray(axis.index(scores[reached].astype(np.float64))), n_bins - 1)
        cells, n_cells = process[reached] * n_bins + index, len(self._processes) * n_bins
        self._sums.add(f"score {name}, weights", n_cells, cells, weights[reached])
        self._sums.add(f"score {name}, squared weights", n_cells, cells, np.square(weights[reached]))

    @property
    def histograms(self) -> dict[str, Histogram]:
        """Stage name -> histogram with axes ``process`` and ``score``."""
        kept = [code for code, name in enumerate(self._processes) if name != DATA]
        axes = (hist.axis.StrCategory([self._processes[code] for code in kept], name="process"), self._axis)

        def sums(table: str) -> FloatArray:
            return self._sums.of(table).reshape(len(self._processes), -1)[kept]

        return {
            name: histogram_of(axes, sums(f"score {name}, weights"), sums(f"score {name}, squared weights"))
            for name in self._scores
        }

    @property
    def flow(self) -> Flow:
        """Sums of weights that reach each step: what ends at a stage has reached those before it."""
        sums = self._sums.of("ends").reshape(len(self._processes), -1) if self._processes else np.zeros((0, 1))
        ends = {name: sums[code] for code, name in enumerate(self._processes) if name != DATA}
        reached = {name: np.cumsum(of_process[::-1])[::-1] for name, of_process in ends.items()}
        return Flow((*self._stages, SIGNAL_REGION), {name: tuple(steps.tolist()) for name, steps in reached.items()})


def score_histograms(events: Events, scores: "Scores", *, n_bins: int = 50) -> dict[str, Histogram]:
    """Histogram, per stage, the score of every simulated process that reaches it, and the final discriminant.

    Parameters
    ----------
    events : selected events; nominal simulation counts
    scores : of the same events
    n_bins : bins of equal width in [0, 1]

    Returns
    -------
    stage name -> histogram with axes ``process`` and ``score`` in [0, 1]

    Examples
    --------
    >>> histograms = cb.score_histograms(events, scores)
    >>> zee = cascade.stages[0]
    >>> figure = cb.plots.scores(
    ...     histograms["zee"], stage="zee", signal="signal", against=["zee"], threshold=zee.working_point.threshold
    ... )
    """
    filling = StageFilling(n_bins)
    filling.add(events, scores)
    return filling.histograms


def flow(events: Events, scores: "Scores") -> Flow:
    """Sum the nominal weights of each simulated process that reach each stage and the signal region.

    Parameters
    ----------
    events : selected events
    scores : of the same events

    Examples
    --------
    >>> figure = cb.plots.flow(cb.flow(events, scores))
    """
    filling = StageFilling()
    filling.add(events, scores)
    return filling.flow


def purity_matrix(regions: Mapping[str, RegionSummary]) -> dict[str, dict[str, float]]:
    """Return the share of every process in the prediction of each region; a region without one is left out.

    Parameters
    ----------
    regions : region -> its summary

    Returns
    -------
    region -> process -> share
    """
    totals = {name: sum(value for value, _ in summary.yields.values()) for name, summary in regions.items()}
    return {
        name: {process: value / totals[name] for process, (value, _) in summary.yields.items()}
        for name, summary in regions.items()
        if totals[name] > 0
    }


def region_table(yields: Yields, against: Mapping[str, tuple[str, ...]], signal: str) -> dict[str, RegionSummary]:
    """Summarise every region: yields with statistical uncertainties, purity, data.

    The purity is the share, in the total prediction, of the processes a control or validation region is made for, or of
    the signal in the signal region. Data are the number of events, 0 where a region holds none.

    Parameters
    ----------
    yields : region -> histogram, as `yields.fill` returns them
    against : stage -> the processes it rejects
    signal : name of the signal process

    Returns
    -------
    region -> its summary; the purity is None without a prediction, the data are None without a data process
    """
    table = {}
    for region, histogram in yields.items():
        processes = [name for name in histogram.axes["process"] if name != DATA]
        totals = {name: total(histogram, name) for name in processes}
        targets = against.get(stage_of(region) or "", (signal,))
        prediction = sum(value for value, _ in totals.values())
        target_yield = sum(totals[name][0] for name in targets)
        has_data = DATA in histogram.axes["process"]
        table[region] = RegionSummary(
            yields=totals,
            purity=target_yield / prediction if prediction else None,
            data=round(total(histogram, DATA)[0]) if has_data else None,
        )
    return table


def thin_bins(yields: Yields, signal: str) -> Iterator[str]:
    """Yield which background dominates bins with few effective events, (sum w)^2 / sum w^2, a sentence per region.

    Parameters
    ----------
    yields : region -> histogram
    signal : name of the signal process, which is no background
    """
    for region, histogram in yields.items():
        names = [name for name in histogram.axes["process"] if name not in (signal, DATA)]
        cells: Any = histogram.view(flow=False)
        rows = [histogram.axes["process"].index(name) for name in names]
        cells = cells[rows, histogram.axes["variation"].index(NOMINAL)]
        values = np.maximum(cells["value"], 0.0)
        effective = np.divide(values**2, cells["variance"], out=np.zeros_like(values), where=cells["variance"] > 0)
        for name, of_process, number in zip(names, values, effective, strict=True):
            thin = (of_process > MAIN_SHARE * values.sum(axis=0)) & (number < MIN_EFFECTIVE)
            if thin.any():
                bins = ", ".join(map(str, np.flatnonzero(thin)))
                yield (
                    f"region '{region}': '{name}' dominates bins [{bins}] with as little as {number[thin].min():.1f} "
                    "effective events; use fewer bins, or add simulation"
                )
