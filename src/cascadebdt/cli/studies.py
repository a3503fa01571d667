"""The commands of the studies: each takes the options of a step and a few of its own, and answers with tables."""

import importlib.util
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from cascadebdt.cli.job import Job, Options, common

if TYPE_CHECKING:
    from cascadebdt.products.optimised import Objective as OptimisedBy
    from cascadebdt.report.studies import StudyAnswer
    from cascadebdt.studies.stage_trials import Objective
    from cascadebdt.studies.tune_space import Sampler


def tell(job: Job, answer: "StudyAnswer") -> None:
    """Show what a study answers."""
    for text in (*answer.paragraphs, *(f"\n{table.text()}" for table in answer.tables)):
        job.say(text)


@click.command("compare")
@common
@click.option("--strategy", "names", multiple=True, metavar="NAME", help="Compare only these [all; repeatable].")
@click.option(
    "--own",
    multiple=True,
    metavar="FILE.py:FUNCTION",
    help="Compare a strategy of your own, too: a function from events to scores [repeatable].",
)
@click.option(
    "--judge",
    type=click.Path(path_type=Path, exists=True),
    help="Judge on events that took no part: another configuration with its samples, or a folder with files of the "
    "same names.",
)
@click.option("--variable", "variables", multiple=True, help="Tilt along this feature [all; repeatable].")
@click.option("--tilt", type=click.FloatRange(0, 1, min_open=True), default=0.2, show_default=True, help="Size of it.")
@click.option(
    "--toys", type=click.IntRange(min=2), default=50, show_default=True, help="Bootstrap samples of the ratios."
)
def compare_command(
    names: tuple[str, ...],
    own: tuple[str, ...],
    judge: Path | None,
    variables: tuple[str, ...],
    tilt: float,
    toys: int,
    **options: Unpack[Options],
) -> None:
    """Compare a cascade with one BDT, a multiclass BDT and others, by the same fit of the same events."""
    from cascadebdt.report.studies import comparison
    from cascadebdt.studies.compare_judge import Question, with_samples_of
    from cascadebdt.studies.compare_runs import compare

    job = Job.of(options)
    question = Question(
        strategies=names,
        own=dict(map(_own, own)),
        judge=with_samples_of(job.config, judge) if judge else None,
        variables=variables,
        tilt=tilt,
        toys=toys,
    )
    result = compare(job.config, job.products, question, jobs=job.jobs, progress=job.progress)
    tell(job, comparison(result))
    job.say(f"\nwrote {job.products.json('compare')}")


def _own(text: str) -> tuple[str, Callable[..., Any]]:
    """Return the name and the function of a user's strategy."""
    file, _, name = text.rpartition(":")
    spec = importlib.util.spec_from_file_location(Path(file).stem, file) if file and Path(file).is_file() else None
    if spec is None or spec.loader is None:
        raise click.BadParameter(f"expected FILE.py:FUNCTION of a file that is there, got '{text}'", param_hint="--own")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(function := getattr(module, name, None)):
        raise click.BadParameter(f"{file} has no function '{name}'", param_hint="--own")
    return name, function


@contextmanager
def _silent_models() -> Iterator[None]:
    """Do not tell what is done to the bins of every model that a search fits; `run` tells it of the one that counts."""
    logger = logging.getLogger("cascadebdt.workspace")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _sets_of_features(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Parse ``stage=feature,feature``."""
    return tuple(_set_of_features(text) for text in texts)


def _set_of_features(text: str) -> tuple[str, tuple[str, ...]]:
    stage, _, names = text.partition("=")
    features = tuple(name.strip() for name in names.split(",") if name.strip())
    if not stage.strip() or not features:
        raise click.BadParameter(f"expected STAGE=FEATURE,FEATURE, got '{text}'")
    return stage.strip(), features


@click.command("optimise")
@common
@click.option(
    "--objective",
    type=click.Choice(["limit", "significance", "sigma_mu"]),
    default="limit",
    show_default=True,
    help="What the fits of the finalists are compared by.",
)
@click.option(
    "--trials", type=click.IntRange(min=1), default=3000, show_default=True, help="Settings that the surrogate judges."
)
@click.option(
    "--finalists", type=click.IntRange(min=1), default=8, show_default=True, help="Settings that are fitted, at most."
)
@click.option(
    "--orders",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Orders of the stages to train, by exchanging neighbours.",
)
@click.option(
    "--features",
    multiple=True,
    callback=_sets_of_features,
    metavar="STAGE=A,B,...",
    help="Other features to train a stage with (repeatable).",
)
@click.option(
    "--min-purity",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of its own background that every control region must have.",
)
@click.option("--retrain", is_flag=True, help="Train the proposal, too, and judge it again.")
def optimise_command(
    objective: "OptimisedBy",
    trials: int,
    finalists: int,
    orders: int,
    features: tuple[tuple[str, tuple[str, ...]], ...],
    min_purity: float,
    retrain: bool,
    **options: Unpack[Options],
) -> None:
    """Find working points, bins, order and features that measure the signal best, and write them as a configuration.

    Half of the simulation is searched, the other half tells how much of the gain is luck.
    """
    from cascadebdt.report.studies import optimisation
    from cascadebdt.studies.optimise_runs import CONFIGURATION, Asked, optimise

    job = Job.of(options)
    asked = Asked(objective, trials, finalists, orders, features, min_purity, retrain)
    with _silent_models():
        result = optimise(job.config, job.products, asked, jobs=job.jobs, progress=job.progress)
    tell(job, optimisation(result))
    job.say(f"\nwrote {job.products.json('optimise')} and {job.products.directory / CONFIGURATION}")


@click.command("rank")
@common
@click.option(
    "--sets/--no-sets", default=True, show_default=True, help="Look for smaller sets of features, which trains a lot."
)
def rank_command(sets: bool, **options: Unpack[Options]) -> None:
    """Say which feature works against which background, and which features a stage can do without."""
    from cascadebdt.report.studies import ranking
    from cascadebdt.studies.rank_runs import rank

    job = Job.of(options)
    result = rank(job.config, job.products, with_proposals=sets, jobs=job.jobs, progress=job.progress)
    tell(job, ranking(result))
    job.say(f"\nwrote {job.products.json('rank')}")


@click.command("tune")
@common
@click.option("--trials", type=click.IntRange(min=1), default=30, show_default=True, help="Trials of each stage.")
@click.option(
    "--objective",
    type=click.Choice(["auc", "log_loss", "sigma_mu"]),
    default="auc",
    show_default=True,
    help="What is best: the area under the ROC curve, the logarithmic loss, or the expected uncertainty of the signal "
    "strength, of scores out of fold.",
)
@click.option(
    "--sampler",
    type=click.Choice(["tpe", "random", "grid"]),
    default="tpe",
    show_default=True,
    help="How hyperparameters are drawn.",
)
@click.option(
    "--pruning/--no-pruning", default=True, show_default=True, help="End trials early that are worse than the median."
)
@click.option("--stage", metavar="NAME", help="Tune one stage alone, for the command without it to take.")
def tune_command(
    trials: int,
    objective: "Objective",
    sampler: "Sampler",
    pruning: bool,
    stage: str | None,
    **options: Unpack[Options],
) -> None:
    """Tune the hyperparameters of every stage, and say how much of the gain is luck.

    The same command goes on where it was interrupted. It writes OUTPUT/tuned.yaml, which `run` takes.
    """
    from cascadebdt.report.studies import tuning
    from cascadebdt.studies.tune_runs import CONFIGURATION, Wanted, tune, tune_one

    job = Job.of(options)
    wanted = Wanted(trials, objective, sampler, pruning)
    if stage is not None:
        tune_one(job.config, job.products, wanted, stage, jobs=job.jobs, progress=job.progress)
        job.say(f"tuned stage '{stage}'")
        return
    result = tune(job.config, job.products, wanted, jobs=job.jobs, progress=job.progress)
    tell(job, tuning(result))
    job.say(f"\nwrote {job.products.json('tune')} and {job.products.directory / CONFIGURATION}")


STUDIES: tuple[click.Command, ...] = (compare_command, optimise_command, rank_command, tune_command)
"""What the command line has of them, in this order."""
