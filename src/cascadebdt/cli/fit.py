"""The command that fits: the regions of an analysis, or any HistFactory workspace."""

from typing import TYPE_CHECKING, Any, cast

import click

from cascadebdt.cli.answers import changed, headline, projected
from cascadebdt.cli.choices import Choices, about_a_workspace, destination, named, question
from cascadebdt.cli.job import Job, Options, common, log_to_stderr

if TYPE_CHECKING:
    from cascadebdt.pipeline.fits import Question


@click.command("fit")
@common
@about_a_workspace
def fit_command(**given: Any) -> None:
    """Build the workspace from the filled regions and fit it.

    CONFIG may be a HistFactory workspace of any program instead, a file that ends in .json; the options from --patch on
    go with such a file.
    """
    options = cast(Options, {name: given[name] for name in Options.__annotations__})
    choices = cast(Choices, {name: given[name] for name in Choices.__annotations__})
    if options["config_path"].suffix == ".json":
        _fit_file(options, question(choices), is_projection=choices["project"])
        return
    from cascadebdt import pipeline

    if names := named(choices):
        raise click.UsageError(f"{', '.join(names)}: goes with a workspace, a file ending in .json")
    job = Job.of(options)
    answers = pipeline.fit(job.config, job.products).answers
    job.say(headline(answers))
    job.say(f"wrote {job.products.json('fit')}")


def _fit_file(options: Options, asked: "Question", *, is_projection: bool) -> None:
    """Fit a workspace."""
    if options["unblind"] is not None:
        raise click.UsageError("--unblind goes with a configuration; a workspace is open but for its --blind regions")
    if is_projection and not asked.regions:
        raise click.UsageError("--project goes with --regions, which it fits")
    log_to_stderr(quiet=options["quiet"])
    from cascadebdt.pipeline.fits import fit_file, project_file
    from cascadebdt.products import Products

    path = options["config_path"]
    products = Products(destination(path, options["output"]))
    if is_projection:
        text = projected(project_file(path, products, asked))
    else:
        text = headline(fit_file(path, products, asked))
    if not options["quiet"]:
        click.echo("\n".join([*changed(asked.changes()), text]))
        click.echo(f"wrote {products.directory}")
