"""The expected uncertainty of the signal strength at any working points, thousands of times as fast as a fit.

The bins of every region are chosen as its configuration says, but on fine bins; templates get the floors that the
workspace gives them; the uncertainty is that of the Fisher information of all fitted bins at no signal, with every
normalisation and systematic profiled. It is exact where yields respond linearly and the likelihood is a parabola, and
it has no answer (infinity) where a floor of effective events or of purity is not met.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cascadebdt.arrays import FeatureArray, FloatArray, IntArray
from cascadebdt.config import DATA, BinningConfig, Config, NormalisationSystematic, applies, parameter
from cascadebdt.config.region_names import CONTROL, SIGNAL_REGION
from cascadebdt.forest.logistic import probability
from cascadebdt.histograms.binning import bin_index, fine_edges, merge_bins
from cascadebdt.studies.cells import ABSOLUTE, SUMW, SUMW2, VARIED, Cells, FineBins, varying
from cascadebdt.studies.grid import Grid, Setting
from cascadebdt.studies.open_scores import OpenScores
from cascadebdt.workspace.templates import floored

N_FINE = 500
"""Quantiles of the signal, and as many of the background, that the bins of a region are made of."""
WEAK = 1e-9
"""Information on a normalisation that no region measures: an uncertainty far beyond any other, but finite."""


@dataclass(frozen=True, eq=False)
class Region:
    """A fitted region: its fine bins, how they are merged, and which processes it is made for.

    Attributes
    ----------
    bins : slice of all fine bins
    binning : as configured
    targets : positions of the processes of its stage; empty for the signal region
    of_signal : whether the quantiles are those of the signal
    has_own_bins : whether its binning is its own, so that the number of bins is not chosen
    """

    name: str
    bins: slice
    binning: BinningConfig
    targets: tuple[int, ...]
    of_signal: bool
    has_own_bins: bool


@dataclass(frozen=True, eq=False)
class Surrogate:
    """Expected sensitivity as a function of working points and numbers of bins.

    Attributes
    ----------
    cells : of the events
    grid : working points to choose from
    regions : that are fitted
    processes : the signal first
    free : per process the position of its normalisation among the parameters, -1 if it has none
    sizes : (n_effects,) of normalisation systematics, 0 of those found from events, which come first
    parameter : (n_effects, n_backgrounds, n_regions) position of the parameter, -1 where it does not apply
    constraint : (n_parameters,) 1 for constrained parameters
    min_purity : of every control region: share of the processes of its stage in its expectation
    merges_empty : whether configured bins without background are merged
    """

    cells: Cells
    grid: Grid
    regions: tuple[Region, ...]
    processes: tuple[str, ...]
    free: IntArray
    sizes: FloatArray
    parameter: IntArray
    constraint: FloatArray
    min_purity: float
    merges_empty: bool

    @classmethod
    def of(cls, scores: OpenScores, config: Config, grid: Grid, *, min_purity: float = 0.0) -> Self:
        """Fill the histogram.

        Parameters
        ----------
        scores : of the events to judge by; their weights are taken as they are
        config : `cascade`, `regions`, `systematics` and `fit` are used
        grid : working points to choose from
        min_purity : of every control region
        """
        backgrounds = [name for name in scores.events.processes if name not in (scores.cascade.signal, DATA)]
        processes = (scores.cascade.signal, *backgrounds)
        bins, regions = _fine_bins(scores, config, processes)
        free = 1 + np.cumsum([name in config.fit.free for name in backgrounds]) - 1
        ordered = [*varying(config.systematics), *_normalisations(config)]
        names = dict.fromkeys(
            parameter(one, process, region.name)
            for one in ordered
            for process in backgrounds
            for region in regions
            if applies(one, process, region.name)
        )
        n_unconstrained = 1 + sum(name in config.fit.free for name in backgrounds)
        position = {name: n_unconstrained + k for k, name in enumerate(names)}
        table = [
            [
                [
                    position[parameter(one, process, region.name)] if applies(one, process, region.name) else -1
                    for region in regions
                ]
                for process in backgrounds
            ]
            for one in ordered
        ]
        return cls(
            cells=Cells.of(scores, grid, bins, processes, config.systematics),
            grid=grid,
            regions=regions,
            processes=processes,
            free=np.where([name in config.fit.free for name in backgrounds], free, -1),
            sizes=np.array([one.size if isinstance(one, NormalisationSystematic) else 0.0 for one in ordered]),
            parameter=np.array(table, np.int64).reshape(len(ordered), len(backgrounds), len(regions)),
            constraint=np.concatenate([np.full(n_unconstrained, WEAK), np.ones(len(names))]),
            min_purity=min_purity,
            merges_empty=config.regions.empty_bins == "merge",
        )

    def resampled(self, factors: FloatArray) -> Self:
        """Return the surrogate with every event counted `factors` times, ``(n_events,)``, in the same cells."""
        return replace(self, cells=self.cells.reweighted(factors))

    def sigma_mu(self, setting: Setting) -> float:
        """Return the expected uncertainty of the signal strength; infinity where a floor is not met."""
        sums = self.cells.filled(self.grid.thresholds(setting.levels))
        merged = []
        for region in self.regions:
            of_region = self._merged(region, sums[region.bins], setting)
            if of_region is None:
                return float("inf")
            merged.append(of_region)
        return self._uncertainty(merged)

    def _merged(self, region: Region, fine: FloatArray, setting: Setting) -> FloatArray | None:
        """Return the sums in the bins of a region, (n_bins, n_processes, n_columns); None if a floor is not met."""
        yields = fine[:, :, SUMW]
        total = yields.sum()
        if not total > 0 or (region.targets and yields[:, region.targets].sum() < self.min_purity * total):
            return None
        starts = self._starts(region, fine, setting)
        merged = np.add.reduceat(fine, starts, axis=0)
        background, squares = (merged[:, 1:, column].sum(axis=1) for column in (SUMW, SUMW2))
        enough = (background > 0) & (background**2 >= _minimum(region) * squares)
        return merged if enough.all() else None

    def _starts(self, region: Region, fine: FloatArray, setting: Setting) -> IntArray:
        """Return the first fine bin of each bin, as `histograms.binning` would choose the edges."""
        if region.binning.edges is not None:
            given = [fine[:, 1:, column].sum(axis=1) for column in (SUMW, SUMW2)]
            return merge_bins([(given[0], given[1])], [0.0]) if self.merges_empty else np.arange(len(fine))
        n_bins = setting.n_signal if region.name == SIGNAL_REGION else setting.n_control
        n_bins = region.binning.n_bins if region.has_own_bins else n_bins
        source = fine[:, 0, ABSOLUTE] if region.of_signal else fine[:, 1:, ABSOLUTE].sum(axis=1)
        starts = _quantile_starts(source, n_bins)
        own = region.binning.min_effective_events_per_process
        parts = np.add.reduceat(fine[:, :, : SUMW2 + 1], starts, axis=0)
        of_process = [parts[:, self.processes.index(name)] for name in own]
        sums = [(part[:, SUMW], part[:, SUMW2]) for part in (parts[:, 1:].sum(axis=1), *of_process)]
        return starts[merge_bins(sums, [_minimum(region), *own.values()])]

    def _uncertainty(self, merged: Sequence[FloatArray]) -> float:
        """Return the uncertainty that bins of all regions give, each (n_bins, n_processes, n_columns)."""
        values, variances, changes = (
            np.concatenate(parts, axis=-1) for parts in zip(*map(_templates, merged), strict=True)
        )
        background = values[1:]
        variance = background.sum(axis=0) + variances[1:].sum(axis=0)
        effects = np.concatenate([changes, self.sizes[len(changes) :, None, None] * background])
        jacobian = np.zeros((len(self.constraint), values.shape[1]))
        jacobian[0] = values[0]
        jacobian[self.free[self.free >= 0]] = background[self.free >= 0]
        sizes: IntArray = np.array([len(of_region) for of_region in merged])
        region_of_bin: IntArray = np.repeat(np.arange(len(merged)), sizes)
        rows = self.parameter[:, :, region_of_bin]
        used = rows >= 0
        cell = rows * values.shape[1] + np.arange(values.shape[1])
        jacobian += np.bincount(cell[used], effects[used], jacobian.size).reshape(jacobian.shape)
        information = (jacobian / variance) @ jacobian.T + np.diag(self.constraint)
        return float(np.sqrt(np.linalg.inv(information)[0, 0]))


def _minimum(region: Region) -> float:
    """Return the effective events of background that every bin needs; configured edges need none."""
    return region.binning.min_effective_events if region.binning.edges is None else 0.0


def _templates(merged: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return yields and variances with the workspace's floors, and the changes by systematics of backgrounds.

    Shapes: (n_processes, n_bins) twice, (n_systematics, n_backgrounds, n_bins).
    """
    sums = np.moveaxis(merged, 0, 2)
    raw, squares = sums[:, SUMW], sums[:, SUMW2]
    values, variances, edited = floored(raw, squares)
    is_absent = ~(raw.any(axis=1) | squares.any(axis=1))
    values[is_absent] = variances[is_absent] = 0.0
    values[0] = np.maximum(raw[0], 0.0)
    changes = np.where(edited[1:, None], 0.0, sums[1:, VARIED:])
    return values, variances, np.moveaxis(changes, 1, 0)


def _quantile_starts(source: FloatArray, n_bins: int) -> IntArray:
    """Return the first of the fine bins of each of `n_bins` parts of equal weight, as nearly as they allow."""
    cumulative = np.concatenate([[0.0], np.cumsum(source)])
    total = cumulative[-1]
    targets = np.arange(1, n_bins) / n_bins * total
    holding = np.clip(np.searchsorted(cumulative, targets) - 1, 0, len(source) - 1)
    below, above = cumulative[holding], cumulative[holding + 1]
    # A part begins with the value that holds its quantile (`histograms.binning.quantile_edges`). A fine bin that is
    # much heavier than the others is one value that many events share; in all others the value is somewhere.
    is_one_value = above - below > 2 * total / N_FINE
    starts = np.where(is_one_value | (targets - below < above - targets), holding, holding + 1)
    return np.unique(np.concatenate([[0], starts[starts < len(source)]]))


def _normalisations(config: Config) -> list[NormalisationSystematic]:
    return [one for one in config.systematics if isinstance(one, NormalisationSystematic)]


def _fine_bins(scores: OpenScores, config: Config, processes: Sequence[str]) -> tuple[FineBins, tuple[Region, ...]]:
    """Return the fine bins of all events in the regions that are fitted, and these regions."""
    stages = scores.cascade.stages
    names = [*(f"{CONTROL}{stage.name}" for stage in stages), SIGNAL_REGION]
    columns, regions, offset = [], [], 0
    for k, name in enumerate(names):
        binning, is_signal = config.regions.binning(name), name == SIGNAL_REGION
        values = _observable(scores, binning.observable, stage=min(k, len(stages) - 1), is_signal=is_signal)
        may_come = np.ones(len(values), np.bool_)
        if scores.sorted_to is not None and not is_signal:
            may_come = scores.sorted_to == k
        edges = binning.edges or fine_edges(scores.events, values, may_come, scores.cascade.signal, N_FINE)
        columns.append(offset + bin_index(values, np.array(edges)))
        n_bins = len(edges) - 1
        targets = () if is_signal else tuple(processes.index(p) for p in stages[k].classifier.against if p in processes)
        of_signal = (binning.quantiles or ("signal" if is_signal else "background")) == "signal"
        if is_signal or scores.sorted_to is not None or stages[k].classifier.is_trained:
            bins, is_own = slice(offset, offset + n_bins), name in config.regions.own
            regions.append(Region(name, bins, binning, targets, of_signal, is_own))
        offset += n_bins
    control = np.stack(columns[:-1], axis=1)
    if scores.sorted_to is not None:
        control = np.take_along_axis(control, scores.sorted_to[:, None].astype(np.int64), axis=1)
    return FineBins(control, columns[-1], offset), tuple(regions)


def _observable(scores: OpenScores, name: str, *, stage: int, is_signal: bool) -> FeatureArray:
    """Return the observable of a region for all events, should they come to it, ``(n_events,)``."""
    if name == "score":
        return scores.scores[:, stage] if is_signal or scores.sorted_as is None else scores.sorted_as
    if name != "final":
        return scores.events.columns[name]
    assert scores.final_margin is not None  # the configuration asks for a final discriminant where a region needs it
    return probability(scores.final_margin)
