"""Test statistics of pseudo-experiments, in pieces that are computed in any order, by any number of processes, or kept.

A pseudo-experiment depends on the seed, the hypothesis and its number alone. Pieces have a fixed size, so that neither
the number of processes nor an interruption changes any bit of the result.
"""

import functools
import hashlib
import json
import logging
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any, Literal, Protocol

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.errors import FitError
from cascadebdt.inference.blinding import Target, prepare
from cascadebdt.inference.likelihood import Likelihood, Objective
from cascadebdt.inference.minimise import Minimum
from cascadebdt.inference.search import global_minimum
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.progress import Progress, silent
from cascadebdt.records import Record

logger = logging.getLogger(__name__)

CHUNK = 20
"""Pseudo-experiments of a piece."""

DESCRIPTION = "pseudo-experiments"

Statistic = Literal["goodness", "q_zero", "q_tilde"]


@dataclass(frozen=True)
class Failure(Record):
    """A fit of a pseudo-experiment that failed: number of the pseudo-experiment, and reason."""

    toy: int
    reason: str


Failures = tuple[Failure, ...]


@dataclass(frozen=True, eq=False)
class Piece(Record):
    """Test statistics of some pseudo-experiments.

    Parameters
    ----------
    values : (n_fitted, n_tests)
    failures : fits that failed
    """

    values: FloatArray
    failures: Failures


class Store(Protocol):
    """Where pieces are kept."""

    def load(self, name: str) -> Piece | None:
        """Return a piece, None if it is not there."""

    def save(self, name: str, piece: Piece) -> None:
        """Keep a piece."""


@dataclass(frozen=True)
class Hypothesis:
    """The truth that pseudo-experiments are drawn from, and the statistic that is asked of each.

    Parameters
    ----------
    statistic : ``goodness``, the deviance from a perfect description; ``q_zero``; ``q_tilde``
    mu : true signal strength, with the nuisance parameters that fit the data best; that of the fit if None
    tests : signal strengths whose q-tilde is asked for
    stream : of the random numbers, beside the seed
    """

    statistic: Statistic
    mu: float | None
    tests: tuple[float, ...] = ()
    stream: int = 0


class Unfinished(Exception):  # noqa: N818 - no error: a share alone ends so
    """Pieces are missing that belong to other shares."""


@dataclass(frozen=True)
class Share:
    """The pieces that one of several processes makes, of all questions.

    Parameters
    ----------
    part, of : the part, from 1 to the number of parts; they have every `of`-th piece each
    """

    part: int
    of: int

    def has(self, place: int) -> bool:
        """Return whether a piece is in it."""
        return place % self.of == self.part - 1


@dataclass(frozen=True)
class Experiments:
    """How pseudo-experiments are made.

    Parameters
    ----------
    n : of each hypothesis
    seed : of the random numbers
    jobs : processes; they do not change the result
    store : where finished pieces are kept, and found by a later call
    progress : told of the pieces
    pool : processes that are there already; see `together`
    share : of the pieces that are not in the store, those that are made; all if None
    """

    n: int
    seed: int
    jobs: int = 1
    store: Store | None = None
    progress: Progress = field(default=silent, compare=False)
    pool: Executor | None = field(default=None, compare=False)
    share: Share | None = None

    def statistics(self, workspace: Mapping[str, Any], *hypotheses: Hypothesis) -> list[tuple[FloatArray, Failures]]:
        """Return for each hypothesis the test statistics, (n_fitted, n_tests), and the fits that failed.

        Raises
        ------
        FitError
            If all fits of a hypothesis failed.
        Unfinished
            If pieces are missing that are not in the share.
        """
        content = dict(workspace)
        ranges = [(first, min(first + CHUNK, self.n)) for first in range(0, self.n, CHUNK)]
        tasks = [
            Task(hypothesis, self.seed, numbers, _digest(content, self.seed, hypothesis))
            for hypothesis in hypotheses
            for numbers in ranges
        ]
        pieces = self._pieces(content, tasks)
        return [
            _joined(pieces[place * len(ranges) : (place + 1) * len(ranges)], self.n) for place in range(len(hypotheses))
        ]

    @contextmanager
    def together(self) -> Iterator["Experiments"]:
        """Lend the same processes to all questions of a block, because each takes seconds to start."""
        if self.jobs == 1 or self.pool is not None:
            yield self
            return
        with ProcessPoolExecutor(self.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            try:
                yield replace(self, pool=pool)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _pieces(self, content: dict[str, Any], tasks: Sequence["Task"]) -> list[Piece]:
        """Return the pieces in order: kept ones, and new ones by one process or several."""
        kept = [self._kept(task) for task in tasks]
        missing = [place for place, piece in enumerate(kept) if piece is None]
        own = [place for place in missing if self.share is None or self.share.has(place)]
        new = dict(zip(own, self._made(content, [tasks[place] for place in own]), strict=True))
        # Others may have made theirs meanwhile.
        pieces = [piece or new.get(place) or self._kept(tasks[place]) for place, piece in enumerate(kept)]
        whole = [piece for piece in pieces if piece is not None]
        if len(whole) < len(pieces):
            raise Unfinished
        return whole

    def _kept(self, task: "Task") -> Piece | None:
        return self.store.load(task.name) if self.store else None

    def _made(self, content: dict[str, Any], tasks: Sequence["Task"]) -> list[Piece]:
        """Return new pieces."""
        work = functools.partial(_piece, content, self.store)
        if self.jobs == 1 or len(tasks) < 2:
            return [work(task) for task in self.progress(tasks, DESCRIPTION)]
        with self.together() as shared:
            assert shared.pool is not None
            futures = [shared.pool.submit(work, task) for task in tasks]
            return [future.result() for future in self.progress(futures, DESCRIPTION)]


@dataclass(frozen=True)
class Task:
    """A piece to compute.

    Parameters
    ----------
    hypothesis, seed : of the pseudo-experiments
    numbers : the first of them, and the one after the last
    digest : tells pieces of other questions apart
    """

    hypothesis: Hypothesis
    seed: int
    numbers: tuple[int, int]
    digest: str

    @property
    def name(self) -> str:
        """Name of the piece in a store."""
        first, end = self.numbers
        return f"{self.hypothesis.statistic}_{self.digest}_{first:06d}_{end:06d}"


def _joined(pieces: Sequence[Piece], n: int) -> tuple[FloatArray, Failures]:
    """Return the values of all pieces, and the failures."""
    failures = tuple(failure for piece in pieces for failure in piece.failures)
    if len(failures) == n:
        raise FitError(f"toys: no fit succeeded; the first failed with: {failures[0].reason}")
    return np.concatenate([piece.values for piece in pieces if len(piece.values)]), failures


def _digest(content: Mapping[str, Any], seed: int, hypothesis: Hypothesis) -> str:
    """Return what tells pieces of other questions, or of other programs, apart."""
    asked = (hypothesis.statistic, hypothesis.mu, hypothesis.tests, hypothesis.stream)
    key = json.dumps([content, seed, asked, CHUNK, version("cascadebdt"), version("numpy")], sort_keys=True)
    return hashlib.sha256(key.encode()).hexdigest()[:16]


@on_one_thread
def _piece(content: dict[str, Any], store: Store | None, task: Task) -> Piece:
    """Return, and keep, the test statistics of a range of pseudo-experiments."""
    target, hypothesis = prepare(content), task.hypothesis
    truth, weights = _truth(target, hypothesis.statistic, hypothesis.mu)
    values, failures = [], []
    for number in range(*task.numbers):
        try:
            toy = drawn(target.likelihood, truth.theta, weights, (task.seed, hypothesis.stream, number))
            values.append(_statistic(target, toy, hypothesis))
        except FitError as error:
            failures.append(Failure(number, str(error)))
            logger.warning("toy %d of %s: %s", number, hypothesis.statistic, error)
    piece = Piece(np.array(values, dtype=np.float64), tuple(failures))
    if store is not None:
        store.save(task.name, piece)
    return piece


@functools.lru_cache(maxsize=32)
def _truth(target: Target, statistic: Statistic, mu: float | None) -> tuple[Minimum, FloatArray]:
    """Return what the pseudo-experiments are drawn from, and which bins count."""
    if statistic == "goodness" and target.is_blind:
        return target.background, target.visible.weights
    fixed = {} if mu is None else {target.likelihood.poi: mu}
    return global_minimum(target.everything, fixed=fixed), target.likelihood.fillable.astype(np.float64)


def drawn(likelihood: Likelihood, theta: FloatArray, weights: FloatArray, seed: Sequence[int]) -> Objective:
    """Return the -2 ln L of a pseudo-experiment: Poisson events, auxiliary data that fluctuate with the constraints."""
    cells, rng = likelihood.cells, np.random.default_rng(seed)
    auxiliary = likelihood.auxiliary.copy()
    auxiliary[cells.center] = rng.normal(theta[cells.normal], cells.width)
    auxiliary[cells.observed] = rng.poisson(theta[cells.poisson] * cells.scale)
    events = rng.poisson(np.maximum(likelihood.totals(theta), 0.0))
    return Objective(likelihood, likelihood.dataset(events, auxiliary), weights)


def _statistic(target: Target, toy: Objective, hypothesis: Hypothesis) -> FloatArray:
    if hypothesis.statistic == "goodness":
        return np.array([deviance(toy, is_blind=target.is_blind)])
    return np.array([q_zero(toy)]) if hypothesis.statistic == "q_zero" else q_tilde(toy, hypothesis.tests)


def deviance(toy: Objective, *, is_blind: bool) -> float:
    """Return -2 ln L relative to the saturated model; while blind without signal."""
    return global_minimum(toy, fixed={toy.likelihood.poi: 0.0} if is_blind else {}).deviance


def q_zero(toy: Objective) -> float:
    """Return q_0: no deviation for a deficit."""
    poi = toy.likelihood.poi
    best = global_minimum(toy)
    without = global_minimum(toy, fixed={poi: 0.0}, start=best.theta, others=best.modes)
    return max(without.deviance - best.deviance, 0.0) if best.theta[poi] > 0 else 0.0


def q_tilde(toy: Objective, mus: Sequence[float]) -> FloatArray:
    """Return q-tilde of signal strengths, (n_mus,).

    There is no deviation where the best signal is stronger, and mu = 0 takes the place of a negative best fit.
    """
    poi = toy.likelihood.poi
    best = global_minimum(toy)
    others, reference = best.modes, best
    if not best.theta[poi] > 0:
        reference = global_minimum(toy, fixed={poi: 0.0}, start=best.theta, others=others)
    values = np.zeros(len(mus))
    for place, mu in enumerate(mus):
        if best.theta[poi] <= mu:
            fixed = global_minimum(toy, fixed={poi: mu}, start=best.theta, others=others)
            values[place] = max(fixed.deviance - reference.deviance, 0.0)
    return values
