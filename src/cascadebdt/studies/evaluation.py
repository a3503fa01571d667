"""Scored simulation -> yields, workspace, and what a fit is expected to say; nothing is written, no data are needed.

    Placed.of(events, scores, regions) --fill--> yields --model--> workspace --asimov--> expectation

Every study asks the same questions of other regions, bins or thresholds, and compares the answers. They are those of
an Asimov data set; the data of the analysis are never looked at, also where some are selected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

import numpy as np

from cascadebdt import inference, workspace
from cascadebdt.arrays import FeatureArray, FloatArray, IntArray
from cascadebdt.cascade import Scores
from cascadebdt.config import DATA, Config, RegionsConfig
from cascadebdt.config.region_names import is_validation
from cascadebdt.errors import InputError, did_you_mean
from cascadebdt.events import Events
from cascadebdt.histograms import contents, yields
from cascadebdt.histograms.binning import bin_index
from cascadebdt.histograms.yields import Filling, Histogram, Yields
from cascadebdt.records import Record
from cascadebdt.workspace import Workspace

BACKGROUND_ONLY: Mapping[str, float] = {"mu": 0.0}
"""The Asimov data of the nominal background: all other parameters are where the model starts."""


def simulation(events: Events) -> Events:
    """Return the events without data."""
    return events.take(~events.is_data)


@dataclass(frozen=True, eq=False)
class Placed:
    """Simulated events in regions, each with the observable of its region.

    Attributes
    ----------
    events : without data
    scores : of the same events; any function of scores and features may have chosen the regions
    values : (n_events,) float32, the observable of the region that an event is in
    regions : binning of the regions
    """

    events: Events
    scores: Scores
    values: FeatureArray
    regions: RegionsConfig

    @classmethod
    def of(cls, events: Events, scores: Scores, regions: RegionsConfig) -> Self:
        """Find the observables.

        Raises
        ------
        InputError
            If an event is in no region, or the scores are of other events.
        YieldError
            If an observable is NaN.
        """
        if len(scores.region) != len(events):
            raise InputError(f"scores: of {len(scores.region)} events, expected those of {len(events)} events")
        wrong = (scores.region < 0) | (scores.region >= len(scores.regions))
        if wrong.any():
            raise InputError(f"scores: {int(wrong.sum())} events are in no region; expected each in one")
        return cls(events, scores, yields.observables(events, scores, regions), regions)

    def edges(self) -> dict[str, FloatArray]:
        """Return the bin edges of every region that its configuration asks for, found on these events."""
        return yields.edges_of_regions(
            self.events, self.values, self.scores.region, self.scores.regions, self.scores.signal, self.regions
        )

    def bins(self, edges: Mapping[str, FloatArray]) -> tuple[IntArray, dict[str, slice]]:
        """Return the bin of each event over all regions that have edges, and which bins are those of each region.

        Returns
        -------
        bins : (n_events,) int64, -1 in other regions
        of_region : region -> its bins
        """
        bins, of_region, n_bins = np.full(len(self.events), -1), {}, 0
        for code, region in enumerate(self.scores.regions):
            if region in edges:
                rows = np.flatnonzero(self.scores.region == code)
                bins[rows] = n_bins + bin_index(self.values[rows], edges[region])
                of_region[region] = slice(n_bins, n_bins + len(edges[region]) - 1)
                n_bins = of_region[region].stop
        return bins, of_region

    def fill(self, edges: Mapping[str, FloatArray]) -> Yields:
        """Return the histograms of all regions in given bins."""
        filling = Filling(self.regions, edges)
        filling.add(self.events, self.scores, self.values)
        return filling.yields()


def fittable(filled: Yields, signal: str) -> tuple[Yields, tuple[str, ...]]:
    """Return the regions that can be fitted, and a note for each that cannot.

    Validation regions are never fitted. A region without simulated background has no prediction.
    """
    kept: Yields = {}
    notes: list[str] = []
    for name, histogram in filled.items():
        if is_validation(name):
            continue
        background = sum(expected for process, expected in _expected(histogram).items() if process != signal)
        if background > 0:
            kept[name] = histogram
            continue
        lost = _expected(histogram).get(signal, 0.0)
        notes.append(f"{name} is left out: it has no expected background (and {lost:.3g} events of {signal})")
    return kept, tuple(notes)


def _expected(histogram: Histogram) -> dict[str, float]:
    """Return the expected events of every simulated process in a region."""
    return {name: yields.total(histogram, name)[0] for name in histogram.axes["process"] if name != DATA}


@dataclass(frozen=True)
class Switches:
    """What is left of the uncertainties of a model; all of them by default.

    Attributes
    ----------
    mc_statistics : whether the statistics of simulation are uncertain
    systematics : names or patterns of the constrained parameters that float; all if None
    free : processes whose normalisation floats, of those that the configuration frees; all if None
    """

    mc_statistics: bool = True
    systematics: tuple[str, ...] | None = None
    free: tuple[str, ...] | None = None


def model(filled: Yields, config: Config, switches: Switches = Switches()) -> Workspace:
    """Return the workspace of regions, without data.

    Parameters
    ----------
    filled : region -> histogram, see `fittable`
    config : `fit`, `regions` and `systematics` are used
    switches : what is not uncertain is held where the model starts

    Raises
    ------
    YieldError
        If a region or process cannot be used.
    InputError
        If a switch names what the model does not have.
    """
    return switched(workspace.build(filled, config, with_data=False), switches)


def switched(model: Workspace, switches: Switches) -> Workspace:
    """Return a workspace with some uncertainties switched off."""
    fixed: dict[str, float] = {}
    statistics, systematics, normalisations = _parameters(model)
    if not switches.mc_statistics:
        fixed |= dict.fromkeys(statistics, 1.0)
    if switches.systematics is not None:
        fixed |= dict.fromkeys(_others(systematics, switches.systematics, "systematic"), 0.0)
    if switches.free is not None:
        fixed |= dict.fromkeys(_others(normalisations, [f"norm_{name}" for name in switches.free], "parameter"), 1.0)
    return inference.adjusted(model, fixed=fixed) if fixed else model


def _parameters(model: Workspace) -> tuple[list[str], list[str], list[str]]:
    """Return the names of the parameters of simulation's statistics, of systematics, and of free normalisations."""
    poi = model["measurements"][0]["config"]["poi"]
    modifiers = [
        modifier
        for channel in model["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
        if modifier["name"] != poi
    ]
    kinds = (("staterror",), ("normsys", "histosys"), ("normfactor",))
    statistics, systematics, normalisations = (
        list(dict.fromkeys(modifier["name"] for modifier in modifiers if modifier["type"] in of_kind))
        for of_kind in kinds
    )
    return statistics, systematics, normalisations


def _others(names: Sequence[str], patterns: Sequence[str], what: str) -> list[str]:
    """Return the names that no pattern matches.

    Raises
    ------
    InputError
        If a pattern matches none.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"switches: the model has no {what} '{pattern}'{did_you_mean(pattern, names)}")
    return [name for name in names if not any(fnmatchcase(name, pattern) for pattern in patterns)]


def asimov(model: Workspace, parameters: Mapping[str, float] = BACKGROUND_ONLY) -> Workspace:
    """Return a workspace that observes its own expectation for some values of parameters."""
    return inference.adjusted(model, asimov=parameters)


def expected_events(model: Workspace) -> dict[str, FloatArray]:
    """Return the nominal background of every region, ``(n_bins,)`` each."""
    return {item["name"]: np.array(item["data"]) for item in asimov(model)["observations"]}


def observing(model: Workspace, events: Mapping[str, FloatArray]) -> Workspace:
    """Return a workspace that observes given numbers of events, such as those of a world that it does not describe.

    Parameters
    ----------
    events : region -> (n_bins,), not negative
    """
    observations = [{"name": name, "data": [float(number) for number in numbers]} for name, numbers in events.items()]
    return Workspace({**model, "observations": observations}, notes=model.notes)


def sigma_mu(model: Workspace) -> float:
    """Return the uncertainty of the signal strength of a fit to what a workspace observes."""
    return inference.fit(model).mu[1]


@dataclass(frozen=True)
class Expectation(Record):
    """What a fit is expected to say.

    Attributes
    ----------
    limit : upper limit on the signal strength, at -2, -1, 0, +1, +2 standard deviations of the background
    significance : median for the signal strength 1, in standard deviations
    sigma_mu : uncertainty of the signal strength
    sigma_mu_no_mcstat : the same, if simulation had no statistical uncertainty
    normalisation : process -> uncertainty of its free normalisation; processes that nothing determines are left out
    """

    limit: tuple[float, float, float, float, float]
    significance: float
    sigma_mu: float
    sigma_mu_no_mcstat: float
    normalisation: dict[str, float]


def expectation(observed: Workspace, *, level: float = 0.05) -> Expectation:
    """Return what the fit of a workspace with Asimov data says.

    Parameters
    ----------
    observed : of `asimov` or `observing`
    level : of the limit, 1 - its confidence level

    Raises
    ------
    FitError
        If a fit fails or the data do not limit the signal.
    """
    fitted = inference.fit(observed)
    return Expectation(
        limit=inference.limit(observed, level=level).expected,
        significance=inference.significance(observed).expected,
        sigma_mu=fitted.mu[1],
        sigma_mu_no_mcstat=sigma_mu(switched(observed, Switches(mc_statistics=False))),
        normalisation={name: error for name, (_, error) in fitted.normalisation.items()},
    )


def purities(filled: Yields, config: Config) -> dict[str, float]:
    """Return, per region, the share of what it is made for: of the signal in the signal region.

    A region ``CR_<name>`` is made for the processes of the stage of this name or, without one, for the process.
    """
    targets: dict[str, tuple[str, ...]] = {process: (process,) for process in config.processes}
    targets |= {stage.name: stage.against for stage in config.cascade.stages}
    table = contents.region_table(filled, targets, config.cascade.signal)
    return {name: region.purity for name, region in table.items() if region.purity is not None}
