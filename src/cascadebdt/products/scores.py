"""Score files: the scores and regions of single events, for other programs."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import uproot

from cascadebdt import atomic
from cascadebdt.arrays import AnyArray
from cascadebdt.cascade import Scores
from cascadebdt.config import NOMINAL
from cascadebdt.events import Events

TREE = "Events"


class ScoreFiles:
    """ROOT files of scores, by sample, that grow chunk by chunk; all appear when a ``with`` block ends well, or none.

    The tree ``Events`` has one row per selected event of the nominal variation: ``event_id``, ``region`` (the number of
    the region), ``weight``, ``score_<stage>``, ``final``, ``sorted_as`` and the features that pass through. Data of the
    signal region are left out while blind.

    Parameters
    ----------
    paths : sample -> path of its file
    pass_through : features that are written, too
    """

    def __init__(self, paths: Mapping[str, Path], pass_through: Sequence[str] = ()) -> None:
        self._paths = paths
        self._pass_through = tuple(pass_through)
        self._stack = ExitStack()
        self._files: dict[str, Any] = {}
        self._trees: dict[str, Any] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for name, path in self._paths.items():
                place = stack.enter_context(atomic.draft(path))
                self._files[name] = stack.enter_context(uproot.recreate(place))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    def append(self, sample: str, events: Events, scores: Scores) -> None:
        """Append the nominal events of a chunk to the file of a sample, if it has one."""
        if sample not in self._files:
            return
        columns = _columns(events, scores, self._pass_through)
        if sample not in self._trees:
            types = {name: column.dtype for name, column in columns.items()}
            self._trees[sample] = self._files[sample].mktree(TREE, types)
        self._trees[sample].extend(columns)


def _columns(events: Events, scores: Scores, pass_through: Sequence[str]) -> dict[str, AnyArray]:
    """Return the branches of the nominal events of a chunk, ``(n_rows,)`` each."""
    rows = np.flatnonzero(events.is_nominal & (scores.region >= 0))
    columns = {
        "event_id": events.event_id[rows],
        "region": scores.region[rows],
        "weight": events.weights[NOMINAL][rows],
        **{f"score_{name}": scores.scores[rows, k] for k, name in enumerate(scores.stages)},
    }
    if scores.final is not None:
        columns["final"] = scores.final[rows]
    if scores.sorted_as is not None:
        columns["sorted_as"] = scores.sorted_as[rows]
    return columns | {name: events.columns[name][rows] for name in pass_through}
