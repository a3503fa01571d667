"""What a reader should know before believing a result, the gravest first."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from cascadebdt.cascade import Cascade
from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.inference import FitResult, Validation
from cascadebdt.plots.inference import SIMULATION_STATISTICS
from cascadebdt.plots.style import significant
from cascadebdt.products.cutflow import CutflowReport
from cascadebdt.products.results import Inferred
from cascadebdt.products.summary import Summary
from cascadebdt.report import training
from cascadebdt.report.training import percent

MAX_PURITY_OF_WARNING = 0.5
MAX_P_VALUE_OF_WARNING = 0.05
MAX_PULL = 2.0


class Rank(IntEnum):
    """How much a doubt weighs."""

    GRAVE = 0  # a number may be wrong
    NOTABLE = 1  # a number may mislead
    MINOR = 2  # it could be better


@dataclass(frozen=True)
class Doubt:
    """A sentence and its weight."""

    rank: Rank
    text: str


def findings(*, cascade: Cascade, cutflow: CutflowReport, inferred: Inferred) -> list[Doubt]:
    """List what to doubt, the gravest first."""
    doubts = [
        *_of_files(cutflow),
        *_of_yields(inferred.summary),
        *_of_fit(inferred.answers.fit),
        *_of_training(cascade),
        *_of_validation(inferred.validation),
    ]
    return sorted(doubts, key=lambda doubt: doubt.rank)


def _of_files(cutflow: CutflowReport) -> Iterator[Doubt]:
    for file in cutflow.skipped:
        name = file.file.rpartition("/")[2]
        text = f"Sample {file.sample} was normalised without {name}, which was skipped: {file.reason}."
        yield Doubt(Rank.GRAVE, text)


def _of_yields(summary: Summary) -> Iterator[Doubt]:
    if summary.events.lost:
        yield Doubt(Rank.GRAVE, f"{summary.events.lost:,} events were lost while reading the input files.")
    floors = [floor for floor in summary.floors if floor.startswith(f"{SIGNAL_REGION} ")]
    if floors:
        text = f"Bins without events of a process have a conservative floor: {'; '.join(floors)}."
        yield Doubt(Rank.NOTABLE, text)
    for name, region in summary.regions.items():
        if name != SIGNAL_REGION and region.purity is not None and region.purity < MAX_PURITY_OF_WARNING:
            text = f"Region {name}: only {percent(region.purity)} of it are the processes it is made for."
            yield Doubt(Rank.MINOR, text)


def _of_fit(fit: FitResult) -> Iterator[Doubt]:
    probability = fit.goodness_of_fit
    if probability is not None and probability < MAX_P_VALUE_OF_WARNING:
        yield Doubt(Rank.GRAVE, f"The fit describes the data badly: its p-value is {probability:.2g}.")
    for name in fit.at_bound:
        yield Doubt(Rank.NOTABLE, f"Parameter {name} is at its bound: {fit.measured(name)}.")
    for combination in fit.degenerate:
        text = f"The data do not determine {' and '.join(combination)}, which have no numbers here."
        yield Doubt(Rank.GRAVE, text)
    for name, (pull, _) in fit.pulls.items():
        if abs(pull) > MAX_PULL and not name.startswith(SIMULATION_STATISTICS):
            text = f"Parameter {name} is pulled by {pull:.1f} standard deviations of its constraint."
            yield Doubt(Rank.NOTABLE, text)


def _of_training(cascade: Cascade) -> Iterator[Doubt]:
    for classifier, _ in training.classifiers(cascade):
        is_grave = classifier.summary.untrained is not None or bool(classifier.summary.leaks)
        rank = Rank.GRAVE if is_grave else Rank.MINOR
        yield from (Doubt(rank, text) for text in training.doubts(classifier, cascade.signal))


def _of_validation(validation: Validation | None) -> Iterator[Doubt]:
    for name, region in validation.regions.items() if validation else ():
        if region.p_value < MAX_P_VALUE_OF_WARNING:
            text = (
                f"Region {name}: the other regions predict {significant(region.total, region.total_uncertainty)} "
                f"events, {sum(region.data):,.0f} are seen; the p-value of all its bins is {region.p_value:.2g}."
            )
            yield Doubt(Rank.GRAVE, text)
