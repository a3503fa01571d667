"""The command that fits: the regions of an analysis, or any HistFactory workspace."""

from pathlib import Path
from typing import Unpack

import click

from cascadebdt.cli.answers import headline
from cascadebdt.cli.job import Job, Options, common, log_to_stderr


@click.command("fit")
@common
@click.option("--patch", metavar="FILE[:NAME]", help="JSON patch, or one of a patch set, to apply to the workspace.")
@click.option("--measurement", help="Measurement of the workspace [the first].")
@click.option("--poi", help="Parameter of interest [that of the measurement].")
@click.option("--blind", multiple=True, metavar="REGION", help="Do not look at these data of the workspace.")
def fit_command(
    patch: str | None, measurement: str | None, poi: str | None, blind: tuple[str, ...], **options: Unpack[Options]
) -> None:
    """Build the workspace from the filled regions and fit it.

    CONFIG may be a HistFactory workspace of any program instead, a file that ends in .json.
    """
    if options["config_path"].suffix == ".json":
        _fit_file(options, patch=patch, measurement=measurement, poi=poi, blind=blind)
        return
    from cascadebdt import pipeline

    if patch or measurement or poi or blind:
        raise click.UsageError("--patch, --measurement, --poi and --blind go with a workspace, a file ending in .json")
    job = Job.of(options)
    answers = pipeline.fit(job.config, job.products).answers
    job.say(headline(answers))
    job.say(f"wrote {job.products.json('fit')}")


def _fit_file(
    options: Options, *, patch: str | None, measurement: str | None, poi: str | None, blind: tuple[str, ...]
) -> None:
    """Fit a workspace."""
    if options["unblind"] is not None:
        raise click.UsageError("--unblind goes with a configuration; a workspace is open but for its --blind regions")
    log_to_stderr(quiet=options["quiet"])
    from cascadebdt.pipeline.fits import Question, fit_file
    from cascadebdt.products import Products

    path = options["config_path"]
    products = Products(options["output"] or Path("results") / path.stem)
    answers = fit_file(path, products, Question(patch, measurement, poi, blind))
    if not options["quiet"]:
        click.echo(headline(answers))
        click.echo(f"wrote {products.directory}")
