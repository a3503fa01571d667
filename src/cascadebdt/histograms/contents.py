"""What stages and regions contain: histograms of scores, and tables of yields."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import hist
import numpy as np
import uhi.io.json

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray
from cascadebdt.config import DATA, NOMINAL
from cascadebdt.config.region_names import SIGNAL_REGION, stage_of
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from cascadebdt.histograms.yields import Histogram, Yields, added, total
from cascadebdt.records import Json, Record, Table

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
class Histograms:
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

    def to_json(self) -> Json:
        """Return the histograms as the JSON of the Unified Histogram Interface."""
        return to_uhi(vars(self))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the histograms that `to_json` wrote.

        Raises
        ------
        InputError
            If they are not histograms.
        """
        return cls(*from_uhi(content, "regions", "scores", "shapes"))


def to_uhi(parts: Mapping[str, Any]) -> Json:
    """Return parts of named histograms as the JSON of the Unified Histogram Interface."""
    content: Json = json.loads(json.dumps(parts, default=uhi.io.json.default))
    return content


def from_uhi(content: Mapping[str, Any], *parts: str) -> list[dict[str, Histogram]]:
    """Return the named histograms of every part that `to_uhi` wrote.

    Raises
    ------
    InputError
        If they are not histograms.
    """
    try:
        arrays = json.loads(json.dumps(content), object_hook=uhi.io.json.object_hook)
        return [{name: hist.Hist(histogram) for name, histogram in arrays[part].items()} for part in parts]
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # of the libraries that build them
        raise InputError(f"not histograms ({error!r})") from None


def score_histograms(
    events: Events, scores: "Scores", *, n_bins: int = 50, onto: Mapping[str, Histogram] | None = None
) -> dict[str, Histogram]:
    """Histogram, per stage, the score of every simulated process that reaches it, and the final discriminant.

    Parameters
    ----------
    events : selected events; nominal simulation counts
    scores : of the same events
    n_bins : bins of equal width in [0, 1]
    onto : histograms of other events, which these are added to

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
    simulated = events.is_nominal & ~events.is_data
    values = {name: scores.scores[:, k] for k, name in enumerate(scores.stages)}
    if scores.final is not None:
        values["final"] = scores.final
    histograms = dict(onto) if onto else {name: _score_histogram(events, n_bins) for name in values}
    for name, histogram in histograms.items():
        _fill_scores(histogram, events, values[name], simulated)
    return histograms


def _score_histogram(events: Events, n_bins: int) -> Histogram:
    return hist.Hist(
        hist.axis.StrCategory([name for name in events.processes if name != DATA], name="process"),
        hist.axis.Regular(n_bins, 0.0, 1.0, name="score", flow=False),
        storage=hist.storage.Weight(),
    )


def _fill_scores(histogram: Histogram, events: Events, scores: FeatureArray, simulated: BoolArray) -> None:
    """Fill the scores of simulated events; events without a score did not reach the stage."""
    reached = simulated & ~np.isnan(scores)
    for name in histogram.axes["process"]:
        rows = reached & events.of_process(name)
        # Without overflow, a score of exactly 1, on the last edge, is in the last bin.
        histogram.fill(name, scores[rows], weight=events.weights[NOMINAL][rows])


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
    return flow_of(ends(events, scores), scores.stages)


def ends(events: Events, scores: "Scores", *, onto: Mapping[str, FloatArray] | None = None) -> dict[str, FloatArray]:
    """Sum the nominal weights of each simulated process that end at each stage, or in the signal region.

    Parameters
    ----------
    onto : sums of other events, which these are added to

    Returns
    -------
    process -> (n_stages + 1,)
    """
    simulated = events.is_nominal & ~events.is_data
    n_steps = len(scores.stages) + 1
    sums = {}
    for name in (name for name in events.processes if name != DATA):
        rows = np.flatnonzero(simulated & events.of_process(name))
        before = onto[name] if onto else np.zeros(n_steps)
        sums[name] = added(before, scores.reached[rows], events.weights[NOMINAL][rows])
    return sums


def flow_of(sums: Mapping[str, FloatArray], stages: Sequence[str]) -> Flow:
    """Return the flow that `ends` tells: what ends at a stage has reached those before it."""
    reached = {name: np.cumsum(of_process[::-1])[::-1] for name, of_process in sums.items()}
    return Flow((*stages, SIGNAL_REGION), {name: tuple(steps.tolist()) for name, steps in reached.items()})


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
