"""A sparse histogram of scored events, filled once; yields of any working points are sums over its cells.

The events of a cell are of one process, reach the same thresholds of the grid at every stage and fall into the same
fine bin of every region that they may come to. No choice of thresholds from the grid, and no merging of fine bins, can
tell them apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cascadebdt.arrays import AnyArray, FloatArray, IntArray
from cascadebdt.config import NOMINAL, NormalisationSystematic, SystematicConfig, sides
from cascadebdt.events import Events
from cascadebdt.forest.borders import Thresholds
from cascadebdt.kernels.jit import kernel
from cascadebdt.studies.grid import Grid
from cascadebdt.studies.open_scores import OpenScores

SUMW, SUMW2, ABSOLUTE, VARIED = 0, 1, 2, 3
"""Columns of the sums: of weights, their squares, their absolute values, and one per systematic found from events."""
NEVER = np.iinfo(np.int16).max
"""More thresholds than any stage has: no score reaches so many."""


@dataclass(frozen=True, eq=False)
class FineBins:
    """The fine bin of each event in every region that it may come to, counted over all regions.

    Attributes
    ----------
    control : (n_events, n_stages) if a stage rejects it; one column where a sorter decides
    signal : (n_events,) if it passes all stages
    total : number of fine bins of all regions
    """

    control: IntArray
    signal: IntArray
    total: int


@dataclass(frozen=True, eq=False)
class Cells:
    """The sparse histogram.

    Attributes
    ----------
    index : (n_cells, n_stages) int16, how many thresholds of a stage the score reaches
    control, signal : fine bins as in `FineBins`, of the cells
    process : (n_cells,) int16, 0 is the signal
    sums : (n_cells, n_columns) of weights, of their squares and absolute values, and of the changes by systematics
    shape : number of fine bins, of processes, of columns
    used : (n_rows,) the events that are in a cell
    cell_of_row : (n_rows,) their cells
    rows : (n_rows, n_columns) what each adds to its cell
    thresholds : per stage those of the grid, increasing
    """

    index: AnyArray
    control: AnyArray
    signal: AnyArray
    process: AnyArray
    sums: FloatArray
    shape: tuple[int, int, int]
    used: IntArray
    cell_of_row: IntArray
    rows: FloatArray
    thresholds: tuple[AnyArray, ...]

    @classmethod
    def of(
        cls,
        scores: OpenScores,
        grid: Grid,
        bins: FineBins,
        processes: Sequence[str],
        systematics: Sequence[SystematicConfig],
    ) -> Self:
        """Sort events into cells.

        Parameters
        ----------
        scores : of the events
        grid : working points to choose from
        bins : of the same events
        processes : the signal first; events of others are left out
        systematics : those with variations have a column each, in their order
        """
        thresholds = tuple(_known(stage.points) for stage in grid.stages)
        index = np.stack(
            [np.searchsorted(known, scores.scores[:, k], side="right") for k, known in enumerate(thresholds)], axis=1
        )
        codes = np.array([processes.index(name) if name in processes else -1 for name in scores.events.processes])
        process = codes[scores.events.process]
        used = np.flatnonzero(process >= 0)
        columns = [process, bins.signal, *bins.control.T, *index.T]
        first, cell_of_row = _grouped([column[used] for column in columns])
        examples = used[first]
        rows = _contributions(scores.events, systematics)[used]
        cells = cls(
            index=index[examples].astype(np.int16),
            control=np.ascontiguousarray(bins.control[examples], np.int32),
            signal=bins.signal[examples].astype(np.int32),
            process=process[examples].astype(np.int16),
            sums=np.empty(0),
            shape=(bins.total, len(processes), rows.shape[1]),
            used=used,
            cell_of_row=cell_of_row,
            rows=rows,
            thresholds=thresholds,
        )
        return cells.reweighted(np.ones(len(process)))

    def reweighted(self, factors: FloatArray) -> Self:
        """Return the histogram with every event counted `factors` times, ``(n_events,)``."""
        n_cells, counted = len(self.process), factors[self.used]
        sums = [np.bincount(self.cell_of_row, column * counted, n_cells) for column in self.rows.T]
        return replace(self, sums=np.ascontiguousarray(np.stack(sums, axis=1)))

    def filled(self, thresholds: Sequence[Thresholds]) -> FloatArray:
        """Return the sums in all fine bins at working points of the grid, ``(n_bins, n_processes, n_columns)``."""
        known = list(zip(self.thresholds, thresholds, strict=True))
        passing = np.array([_reached(of_stage, point.passing) for of_stage, point in known], np.int16)
        validation = np.array(
            [NEVER if point.validation is None else _reached(of_stage, point.validation) for of_stage, point in known],
            np.int16,
        )
        sums = np.zeros(self.shape)
        accumulate(self.index, self.control, self.signal, self.process, self.sums, passing, validation, sums)
        return sums


@kernel
def accumulate(
    index: AnyArray,
    control: AnyArray,
    signal: AnyArray,
    process: AnyArray,
    sums: FloatArray,
    passing: AnyArray,
    validation: AnyArray,
    result: FloatArray,
) -> None:
    """Add the sums of every cell to its fine bin: that of the first stage that rejects it, or of the signal region.

    What is rejected within reach of a validation threshold is in no fitted region, and is not added.
    """
    n_cells, n_stages = index.shape
    n_columns = sums.shape[1]
    step = 1 if control.shape[1] > 1 else 0
    for cell in range(n_cells):
        target = signal[cell]
        for k in range(n_stages):
            if index[cell, k] < passing[k]:
                target = -1 if index[cell, k] >= validation[k] else control[cell, k * step]
                break
        if target >= 0:
            for column in range(n_columns):
                result[target, process[cell], column] += sums[cell, column]


def _known(points: Sequence[Thresholds]) -> AnyArray:
    """Return all thresholds of a stage above 0, increasing."""
    every = {value for point in points for value in point if value is not None and value > 0}
    return np.array(sorted(every), np.float32)


def _reached(known: AnyArray, threshold: np.float32) -> int:
    """Return how many thresholds a score has to reach to reach this one."""
    return int(np.searchsorted(known, threshold)) + 1 if threshold > 0 else 0


def _grouped(columns: Sequence[AnyArray]) -> tuple[IntArray, IntArray]:
    """Return the first row of every group of equal rows, and the group of each row."""
    code, size = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        values = int(column.max(initial=0)) + 1
        if size * values >= 2**62:
            known, code = np.unique(code, return_inverse=True)
            size = len(known)
        code, size = code * values + column, size * values
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    return first, group


def _contributions(events: Events, systematics: Sequence[SystematicConfig]) -> FloatArray:
    """Return what each event adds to the columns of its cell, ``(n_events, n_columns)``."""
    nominal = np.where(events.is_nominal, events.weights[NOMINAL], 0.0)
    varied = [_change(events, systematic) for systematic in varying(systematics)]
    return np.stack([nominal, np.square(nominal), np.abs(nominal), *varied], axis=1)


def varying(systematics: Sequence[SystematicConfig]) -> list[SystematicConfig]:
    """Return the systematics whose effect is found from events."""
    return [systematic for systematic in systematics if not isinstance(systematic, NormalisationSystematic)]


def _change(events: Events, systematic: SystematicConfig) -> FloatArray:
    """Return what each event adds to the change of a yield by one standard deviation, ``(n_events,)``."""
    change = np.zeros(len(events))
    for variation, factor in _differences(systematic).items():
        has_rows = variation in events.variations
        rows = events.variation == events.variations.index(variation if has_rows else NOMINAL)
        weights = events.weights[NOMINAL if has_rows else variation]
        change += np.where(rows, factor * weights, 0.0)
    return change


def _differences(systematic: SystematicConfig) -> Mapping[str, float]:
    """Return variation -> its factor in the change; half the difference of both sides where both count."""
    up, *down = sides(systematic)
    symmetrise = getattr(systematic, "symmetrise", None)
    if not down or symmetrise == "up":
        return {up: 1.0, NOMINAL: -1.0}
    if symmetrise == "down":
        return {NOMINAL: 1.0, down[0]: -1.0}
    return {up: 0.5, down[0]: -0.5}
