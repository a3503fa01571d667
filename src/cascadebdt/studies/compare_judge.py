"""Which strategy is best? All are judged on the same events, by the same fit, on the same Asimov data.

A strategy is trained, its bins are found on the events that trained it, and it is judged on events that its models
never saw: out of fold or, with other samples to judge on, on events that took no part in anything.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from cascadebdt import config as configuration
from cascadebdt.cascade import holdout
from cascadebdt.config import Config, SampleConfig, SampleSystematic
from cascadebdt.errors import FitError, InputError, TrainingError, YieldError, did_you_mean
from cascadebdt.events import Events
from cascadebdt.events.loading import require_trainable, select
from cascadebdt.products.comparison import Comparison, Ratio, Spurious, StrategyResult
from cascadebdt.progress import Progress, silent
from cascadebdt.records import Record
from cascadebdt.studies import compare_bootstrap, compare_tilts, evaluation
from cascadebdt.studies.evaluation import Placed
from cascadebdt.studies.strategies import BUILT_IN, Learning, Prepared, Strategy, own

AnySample = TypeVar("AnySample", SampleConfig, SampleSystematic)

REFERENCE = "multiclass"
"""The strategy to which ratios are given, where it takes part."""
N_TOYS = 50
TILT = 0.2
ASIMOV = "nominal background in every region, signal strength 0"
BUDGET = (
    "the same features, folds and weights, the hyperparameters of the configuration without any trial, and as many "
    "bins for the signal and for the backgrounds"
)
OUT_OF_FOLD = "out of fold: models never saw an event that they score, but the bins were found on the same events"
INDEPENDENT = "independent: events that took no part in training or in the choice of bins"
HELD_OUT = "held out: the fold that trained no model; the bins were found on it"


@dataclass(frozen=True)
class Question:
    """What is compared, and how.

    Attributes
    ----------
    strategies : names of the built-in ones to compare; all if empty
    own : name -> a user's strategy, events -> scores
    judge : configuration of the events to judge on; those that train, out of fold, if None
    variables : features that backgrounds are tilted along; all that something trains on if empty
    tilt : relative change at either end of a variable
    toys : bootstrap samples
    """

    strategies: tuple[str, ...] = ()
    own: Mapping[str, Strategy] = field(default_factory=dict)
    judge: Config | None = None
    variables: tuple[str, ...] = ()
    tilt: float = TILT
    toys: int = N_TOYS

    def __post_init__(self) -> None:
        for name in self.strategies:
            if name not in BUILT_IN:
                raise InputError(f"compare: no strategy '{name}'{did_you_mean(name, list(BUILT_IN))}")
        for name in self.own:
            if name in BUILT_IN:
                raise InputError(f"compare: the strategy '{name}' is built in; give yours another name")

    @property
    def names(self) -> tuple[str, ...]:
        """The strategies in the order of the answer."""
        return (*(self.strategies or BUILT_IN), *self.own)

    def tilts(self, config: Config) -> tuple[str, ...]:
        """Return the features that backgrounds are tilted along.

        Raises
        ------
        InputError
            If there is no such feature.
        """
        for name in self.variables:
            if name not in config.features:
                raise InputError(f"compare: no feature '{name}' to tilt along{did_you_mean(name, config.features)}")
        return self.variables or config.cascade.features


@dataclass(frozen=True)
class Judged(Record):
    """What one strategy reaches by itself.

    Attributes
    ----------
    result : the ratio to another strategy left out
    sigmas : uncertainty of the signal strength in every bootstrap sample
    events : numbers of simulated events that trained and that judged
    """

    result: StrategyResult
    sigmas: tuple[float, ...]
    events: dict[str, int]


@dataclass(frozen=True, eq=False)
class Bench:
    """The events that strategies learn from, and those that they are judged on.

    Attributes
    ----------
    learning : what they learn from
    known : of the events that train, those that bins may be found on
    judged : those that are judged on; `known` itself, if there are no others
    """

    learning: Learning
    known: Events
    judged: Events

    @classmethod
    def of(cls, config: Config, question: Question, *, jobs: int = 1, progress: Progress = silent) -> "Bench":
        """Select the events."""
        selected = select(config, jobs=jobs, progress=progress)
        require_trainable(selected, config)
        events = evaluation.simulation(selected)
        is_held_out = config.cascade.mode == "holdout"
        known = holdout.unseen(events, config.cascade.folds) if is_held_out else events
        judged = known
        if question.judge is not None:
            others = evaluation.simulation(select(question.judge, jobs=jobs, progress=progress))
            judged = holdout.unseen(others, config.cascade.folds) if is_held_out else others
        return cls(Learning(events, config, jobs), known, judged)

    def judge(self, name: str, question: Question) -> Judged:
        """Train a strategy and judge it.

        Raises
        ------
        TrainingError, YieldError, FitError
            If it cannot be trained or fitted; the message names it.
        """
        is_own = name in question.own
        try:
            prepared = own(question.own[name], self.learning) if is_own else BUILT_IN[name](self.learning)
            start = time.perf_counter()
            judged = self._judged(prepared, question)
        except (TrainingError, YieldError, FitError) as error:
            raise type(error)(f"strategy '{name}': {error}") from error
        wall_s = prepared.training_s + time.perf_counter() - start
        return replace(judged, result=replace(judged.result, wall_s=wall_s))

    def _judged(self, prepared: Prepared, question: Question) -> Judged:
        config = self.learning.config
        placed = Placed.of(self.known, prepared.score(self.known), prepared.regions)
        edges = prepared.edges(placed)
        if self.judged is not self.known:
            placed = Placed.of(self.judged, prepared.score(self.judged), prepared.regions)
        filled, notes = evaluation.fittable(placed.fill(edges), config.cascade.signal)
        fitted = {region: edges[region] for region in filled}
        model = evaluation.model(filled, config)
        level = round(1 - config.fit.confidence_level, 12)
        expected = evaluation.expectation(evaluation.asimov(model), level=level)
        tilts = compare_tilts.spurious(model, placed, fitted, variables=question.tilts(config), tilt=question.tilt)
        binned = compare_bootstrap.BinnedEvents.of(placed, fitted, config)
        sigmas = binned.sigmas(compare_bootstrap.samples(self.judged, question.toys))
        result = StrategyResult(
            **vars(expected),
            purity=evaluation.purities(filled, config),
            bins={region: len(of_region) - 1 for region, of_region in fitted.items()},
            bootstrap=Ratio("", 1.0, 0.0),
            spurious=_summary(tilts, expected.sigma_mu),
            notes=notes,
            wall_s=0.0,
        )
        trained, judging = (int(events.is_nominal.sum()) for events in (self.learning.events, self.judged))
        return Judged(result, tuple(sigmas), {"trained": trained, "judged": judging})


def comparison(judged: Mapping[str, Judged], question: Question, config: Config) -> Comparison:
    """Join what the strategies reach, with the ratio of each to a reference."""
    reference = REFERENCE if REFERENCE in judged else next(iter(judged))

    def related(of_strategy: Judged) -> StrategyResult:
        mean, std = compare_bootstrap.ratio(of_strategy.sigmas, judged[reference].sigmas)
        return replace(of_strategy.result, bootstrap=Ratio(reference, mean, std))

    how = HELD_OUT if config.cascade.mode == "holdout" else OUT_OF_FOLD
    return Comparison(
        asimov=ASIMOV,
        events={**judged[reference].events, "how": INDEPENDENT if question.judge else how},
        budget=BUDGET,
        strategies={name: related(of_strategy) for name, of_strategy in judged.items()},
    )


def with_samples_of(config: Config, path: Path) -> Config:
    """Return the analysis on other samples, for judging.

    Parameters
    ----------
    path : another configuration, of which only samples are used, or a folder with files of the same names

    Raises
    ------
    InputError
        If the other configuration lacks an alternative sample of a systematic.
    """
    if path.is_dir():
        return _in_folder(config, path.resolve())
    other = configuration.load(path)
    alternatives = {entry.name: entry for entry in other.systematics if isinstance(entry, SampleSystematic)}
    for systematic in config.systematics:
        if isinstance(systematic, SampleSystematic) and systematic.name not in alternatives:
            raise InputError(f"{path}: no systematic '{systematic.name}' with an alternative sample to judge on")
    systematics = tuple(alternatives.get(entry.name, entry) for entry in config.systematics)
    return config.model_copy(
        update={"samples": other.samples, "systematics": systematics, "directory": other.directory}
    )


def _in_folder(config: Config, folder: Path) -> Config:
    def moved(entry: AnySample) -> AnySample:
        return entry.model_copy(update={"files": tuple(str(folder / Path(name).name) for name in entry.files)})

    systematics = tuple(moved(entry) if isinstance(entry, SampleSystematic) else entry for entry in config.systematics)
    return config.model_copy(update={"samples": tuple(map(moved, config.samples)), "systematics": systematics})


def _summary(tilts: Mapping[str, float], sigma: float) -> Spurious:
    """Summarise spurious signals in units of the uncertainty of the signal strength."""
    sizes = {name: abs(strength) / sigma for name, strength in tilts.items()}
    of_process: dict[str, list[float]] = {}
    for name, size in sizes.items():
        of_process.setdefault(name.partition(".")[0], []).append(size)
    largest = max(sizes, key=lambda name: sizes[name], default="")
    return Spurious(
        rms=_rms(list(sizes.values())),
        max=sizes.get(largest, 0.0),
        largest=largest,
        processes={process: _rms(of_this) for process, of_this in of_process.items()},
    )


def _rms(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values else 0.0
