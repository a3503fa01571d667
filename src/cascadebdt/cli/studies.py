"""The commands of the studies: each takes the options of a step and a few of its own, and answers with tables."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from cascadebdt.cli.job import Job, Options, common

if TYPE_CHECKING:
    from cascadebdt.report.studies import Section


def tell(job: Job, section: "Section") -> None:
    """Show what a study answers."""
    for text in (*section.paragraphs, *(f"\n{table.text()}" for table in section.tables)):
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


STUDIES: tuple[click.Command, ...] = (compare_command,)
"""What the command line has of them, in this order."""
