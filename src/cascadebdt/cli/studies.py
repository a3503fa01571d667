"""The commands of the studies: each takes the options of a step and a few of its own, and answers with a table."""

from typing import TYPE_CHECKING, Unpack

import click

from cascadebdt.cli.job import Job, Options, common

if TYPE_CHECKING:
    from cascadebdt.studies.stage_trials import Objective
    from cascadebdt.studies.tune_space import Sampler


@click.command("rank")
@common
@click.option(
    "--sets/--no-sets", default=True, show_default=True, help="Look for smaller sets of features, which trains a lot."
)
def rank_command(sets: bool, **options: Unpack[Options]) -> None:
    """Say which feature works against which background, and which features a stage can do without."""
    from cascadebdt.cli import study_tables
    from cascadebdt.studies import rank

    job = Job.of(options)
    result = rank.study(job.config, job.products, with_proposals=sets, jobs=job.jobs, progress=job.progress)
    job.say(study_tables.ranking(result))
    job.say(f"wrote {job.products.json('rank')}")


@click.command("tune")
@common
@click.option("--trials", type=click.IntRange(min=1), default=30, show_default=True, help="Trials of each stage.")
@click.option(
    "--objective",
    type=click.Choice(["auc", "log_loss"]),
    default="auc",
    show_default=True,
    help="What is best: the area under the ROC curve, or the logarithmic loss, of scores out of fold.",
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
def tune_command(
    trials: int,
    objective: "Objective",
    sampler: "Sampler",
    pruning: bool,
    **options: Unpack[Options],
) -> None:
    """Tune the hyperparameters of every stage, and say how much of the gain is luck.

    The same command goes on where it was interrupted. It writes OUTPUT/tuned.yaml, which `run` takes.
    """
    from cascadebdt.cli import study_tables
    from cascadebdt.studies import tune

    job = Job.of(options)
    result = tune.study(
        job.config,
        job.products,
        n_trials=trials,
        objective=objective,
        sampler=sampler,
        pruning=pruning,
        jobs=job.jobs,
        progress=job.progress,
    )
    job.say(study_tables.tuning(result))
    job.say(f"wrote {job.products.json('tune')} and {job.products.directory / tune.CONFIGURATION}")


STUDIES: tuple[click.Command, ...] = (rank_command, tune_command)
"""What the command line has of them, in this order."""
