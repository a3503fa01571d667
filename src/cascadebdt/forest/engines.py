"""What evaluates a block of events: compiled kernels, XGBoost itself, or some of both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cascadebdt.arrays import EVENT_ID, FEATURE, REGION, AnyArray, FeatureArray, IdArray, RegionArray
from cascadebdt.events.folds import fold_of
from cascadebdt.forest.borders import RegionBorders
from cascadebdt.forest.reference import out_of_fold
from cascadebdt.forest.tables import Tables
from cascadebdt.forest.target import Target

if TYPE_CHECKING:
    import xgboost as xgb

CACHE_LINE = 64  # bytes; also the widest register


@dataclass(frozen=True)
class Member:
    """The models of a stage, or of the final discriminant: one booster per fold, and the features they read."""

    name: str
    features: tuple[str, ...]
    boosters: "tuple[xgb.Booster, ...]"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What evaluating events gives; an engine fills it in.

    Attributes
    ----------
    margins : (n_members, n_events) float32, NaN where an event does not arrive; (0, 0) if not asked for
    region : (n_events,) int8, the codes of `RegionBorders`
    """

    margins: FeatureArray
    region: RegionArray


class Engine(Protocol):
    """Evaluates one block of events."""

    @property
    def n_members(self) -> int:
        """Number of members that it evaluates."""

    def __call__(
        self,
        columns: Mapping[str, AnyArray],
        event_id: IdArray,
        borders: RegionBorders,
        evaluation: Evaluation,
        start: int,
    ) -> None:
        """Fill in the events from `start` on, as many as there are in `event_id`."""


@dataclass(frozen=True, eq=False)
class KernelEngine:
    """The engine of compiled kernels; columns are read in place where they are float32 without gaps."""

    tables: Tables
    evaluate: Callable[..., None]
    features: tuple[str, ...]
    n_folds: int
    n_members: int
    depth: int
    target: Target

    def __call__(
        self,
        columns: Mapping[str, AnyArray],
        event_id: IdArray,
        borders: RegionBorders,
        evaluation: Evaluation,
        start: int,
    ) -> None:
        """Fill in one block."""
        # The kernel gets addresses: this list keeps what was cast or copied alive until it returns.
        kept = [np.require(columns[name], FEATURE, ["C", "A"]) for name in self.features]
        self.evaluate(
            np.require(event_id, EVENT_ID, ["C", "A", "W"]),
            np.array([column.ctypes.data for column in kept], np.int64),
            self.n_folds,
            *self.tables.arguments(),
            borders.passing,
            borders.validation,
            borders.rejected,
            borders.passed,
            start,
            evaluation.margins,
            evaluation.region[start : start + len(event_id)],
            *self._memory(len(event_id)),
        )

    def _memory(self, n_events: int) -> tuple[AnyArray, ...]:
        """Return memory for the kernels: rows, their folds, where folds begin, planes, values, margins, decisions."""
        block, decisions = self.target.block, _aligned(self.target.decision_bytes(self.depth))
        return (
            np.empty(n_events, np.int32),
            np.empty(n_events, np.int32),
            np.zeros(self.n_folds + 2, np.int64),
            _aligned(self.tables.n_planes * block).view(np.int8),
            _aligned(4 * block).view(FEATURE),
            _aligned(4 * block).view(FEATURE),
            decisions,
            decisions.view(np.uint64),
        )


@dataclass(frozen=True)
class XGBoostEngine:
    """The engine for models that the kernels cannot evaluate."""

    members: tuple[Member, ...]
    n_folds: int

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.members)

    def __call__(
        self,
        columns: Mapping[str, AnyArray],
        event_id: IdArray,
        borders: RegionBorders,
        evaluation: Evaluation,
        start: int,
    ) -> None:
        """Fill in one block."""
        folds = fold_of(event_id, self.n_folds)
        alive = np.ones(len(event_id), np.bool_)
        region = evaluation.region[start : start + len(event_id)]
        region[:] = borders.passed
        for index, member in enumerate(self.members):
            margins = out_of_fold(member.boosters, columns, member.features, folds, alive, as_margin=True)
            if len(evaluation.margins):
                evaluation.margins[index, start : start + len(event_id)] = margins
            passing = alive & (margins >= borders.passing[index])
            code = borders.rejected[index] + (margins >= borders.validation[index])
            np.copyto(region, code, where=alive & ~passing)
            alive = passing


@dataclass(frozen=True)
class EngineChain:
    """Several engines one after the other, each for some neighbouring members and for the events that reach them."""

    engines: tuple[Engine, ...]

    @property
    def n_members(self) -> int:
        """Number of members of all engines."""
        return sum(engine.n_members for engine in self.engines)

    def __call__(
        self,
        columns: Mapping[str, AnyArray],
        event_id: IdArray,
        borders: RegionBorders,
        evaluation: Evaluation,
        start: int,
    ) -> None:
        """Fill in one block."""
        region = evaluation.region[start : start + len(event_id)]
        rows, first = np.arange(len(event_id)), 0
        for engine in self.engines:
            members = slice(first, first + engine.n_members)
            shape = (engine.n_members, len(rows)) if len(evaluation.margins) else (0, 0)
            part = Evaluation(np.empty(shape, FEATURE), np.empty(len(rows), REGION))
            reached = {name: np.asarray(column)[rows] for name, column in columns.items()}
            engine(reached, event_id[rows], borders.of(members), part, 0)
            if len(evaluation.margins):
                evaluation.margins[members, start : start + len(event_id)] = np.nan
                evaluation.margins[members, start + rows] = part.margins
            region[rows] = part.region
            rows, first = rows[part.region == borders.passed], members.stop


def _aligned(n_bytes: int) -> AnyArray:
    """Return `n_bytes` zeros that start on a cache line."""
    memory = np.zeros(n_bytes + CACHE_LINE, np.uint8)
    skip = -memory.ctypes.data % CACHE_LINE
    return memory[skip : skip + n_bytes]
