"""What scores a block of events: compiled kernels, XGBoost itself, or some of both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import EVENT_ID, FEATURE, REGION, AnyArray, FeatureArray, IdArray, RegionArray
from cascadebdt.events.folds import fold_of
from cascadebdt.forest import tables
from cascadebdt.forest.logistic import margin_cut
from cascadebdt.forest.reference import out_of_fold
from cascadebdt.forest.source import Level

ALIGNMENT = 64  # bytes: a cache line, and the widest register


@dataclass(frozen=True)
class Member:
    """What scoring needs to know of a stage, or of the final discriminant, whose threshold is None."""

    name: str
    features: tuple[str, ...]
    boosters: tuple[xgb.Booster, ...]
    threshold: np.float32 | None

    @property
    def accept(self) -> np.float32:
        """The smallest margin that passes; NaN if none does."""
        return np.float32(-np.inf) if self.threshold is None else margin_cut(self.threshold)


class Engine(Protocol):
    """Scores one block of events."""

    def __call__(
        self, columns: Mapping[str, AnyArray], event_id: IdArray, accept: FeatureArray, result: "Result", start: int
    ) -> None:
        """Fill in the result of the events from `start` on, as many as there are in `event_id`."""


@dataclass(frozen=True)
class Result:
    """What scoring fills in.

    Attributes
    ----------
    margins : (n_members, n_events) float32, NaN where an event does not arrive; (0, 0) if not asked for
    region : (n_events,) int8, the stage that rejects an event, or the number of stages
    """

    margins: FeatureArray
    region: RegionArray


@dataclass(frozen=True)
class Kernels:
    """The engine of compiled kernels; columns are read in place where they are float32 without gaps."""

    tables: tables.Tables
    evaluate: Callable[..., None]
    features: tuple[str, ...]
    n_folds: int
    n_members: int
    n_stages: int
    depth: int
    level: Level

    def __call__(
        self, columns: Mapping[str, AnyArray], event_id: IdArray, accept: FeatureArray, result: Result, start: int
    ) -> None:
        """Score one block."""
        held = [
            np.require(columns[name], FEATURE, ["C", "A"]) for name in self.features
        ]  # cast once, alive till the end
        addresses = np.array([column.ctypes.data for column in held], np.int64)
        region = result.region[start : start + len(event_id)]
        self.evaluate(
            np.require(event_id, EVENT_ID, ["C", "A", "W"]),
            addresses,
            self.n_folds,
            *self.tables.arguments(),
            accept,
            self.n_stages,
            start,
            result.margins,
            region,
            *self.workspace(len(event_id)),
        )

    def workspace(self, n_events: int) -> tuple[AnyArray, ...]:
        """Return memory for the kernels: rows, their folds, where folds begin, planes, values, margins, decisions."""
        block, decisions = self.level.block, _aligned(self.level.decisions(self.depth))
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
class XGBoost:
    """The engine for models that the kernels cannot evaluate."""

    members: tuple[Member, ...]
    n_folds: int

    @property
    def n_members(self) -> int:
        """Number of stages, and the final discriminant."""
        return len(self.members)

    @property
    def n_stages(self) -> int:
        """Number of stages."""
        return sum(member.threshold is not None for member in self.members)

    def __call__(
        self, columns: Mapping[str, AnyArray], event_id: IdArray, accept: FeatureArray, result: Result, start: int
    ) -> None:
        """Score one block."""
        folds = fold_of(event_id, self.n_folds)
        alive = np.ones(len(event_id), np.bool_)
        region = result.region[start : start + len(event_id)]
        for index, member in enumerate(self.members):
            margins = out_of_fold(member.boosters, columns, member.features, folds, alive, as_margin=True)
            if len(result.margins):
                result.margins[index, start : start + len(event_id)] = margins
            passed = alive & (margins >= accept[index])
            if member.threshold is not None:
                region[alive & ~passed] = index
            alive = passed


@dataclass(frozen=True)
class Chain:
    """Several engines one after the other, each for some neighbouring members and for the events that reach them."""

    engines: "tuple[Kernels | XGBoost, ...]"

    def __call__(
        self, columns: Mapping[str, AnyArray], event_id: IdArray, accept: FeatureArray, result: Result, start: int
    ) -> None:
        """Score one block."""
        region = result.region[start : start + len(event_id)]
        rows, first = np.arange(len(event_id)), 0
        for engine in self.engines:
            members = slice(first, first + engine.n_members)
            shape = (engine.n_members, len(rows)) if len(result.margins) else (0, 0)
            part = Result(np.empty(shape, FEATURE), np.full(len(rows), engine.n_stages, REGION))
            reached = {name: np.asarray(column)[rows] for name, column in columns.items()}
            engine(reached, event_id[rows], accept[members], part, 0)
            if len(result.margins):
                result.margins[members, start : start + len(event_id)] = np.nan
                result.margins[members, start + rows] = part.margins
            region[rows] = first + part.region
            rows, first = rows[part.region == engine.n_stages], members.stop


def _aligned(n_bytes: int) -> AnyArray:
    """Return `n_bytes` zeros that start on a cache line."""
    memory = np.zeros(n_bytes + ALIGNMENT, np.uint8)
    skip = -memory.ctypes.data % ALIGNMENT
    return memory[skip : skip + n_bytes]
