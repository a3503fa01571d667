"""The command that fits: the regions of an analysis, or any HistFactory workspace."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from cascadebdt.cli.answers import changed, headline, projected
from cascadebdt.cli.choices import MODELS, Choices, about_a_workspace, destination, named, question
from cascadebdt.cli.job import Job, Options, show_progress, without_asimov
from cascadebdt.cli.messages import log_to_stderr
from cascadebdt.progress import silent
from cascadebdt.resources import available_cpus

if TYPE_CHECKING:
    from cascadebdt.pipeline.fits import Question


class _FitCommand(click.Command):
    """A command whose `--asimov` may stand alone, also before CONFIG."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        following = [*args[1:], ""]
        pairs = zip(args, following, strict=True)
        return super().parse_args(ctx, ["--asimov=" if a == "--asimov" and "=" not in b else a for a, b in pairs])


@click.command("fit", cls=_FitCommand)
@without_asimov
@about_a_workspace
def fit_command(**given: Any) -> None:
    """Build the workspace from the filled regions and fit it.

    CONFIG may be a HistFactory workspace of any program instead, a file that ends in .json (of pyhf or HS3) or in .txt
    (a Combine data card); the options from --patch on go with such a file.
    """
    is_asimov = given["asimov"] is not None
    options = cast(Options, {name: given[name] for name in Options.__annotations__} | {"asimov": is_asimov})
    choices = cast(Choices, {name: given[name] for name in Choices.__annotations__})
    if options["config_path"].suffix in MODELS:
        if choices["all"]:
            _fit_patches(options, question(choices))
        else:
            _fit_file(options, question(choices), is_projection=choices["project"])
        return
    from cascadebdt import pipeline

    if names := named(cast(Choices, {**choices, "asimov": choices["asimov"] or None})):
        raise click.UsageError(f"{', '.join(names)}: goes with a workspace, a file ending in {' or '.join(MODELS)}")
    job = Job.of(options)
    inferred = pipeline.fit(job.config, job.products, jobs=job.jobs, progress=job.progress)
    job.say(headline(inferred.answers, inferred.summary.data))
    job.say(f"wrote {job.products.json('fit')}")


def _fit_file(options: Options, asked: "Question", *, is_projection: bool) -> None:
    """Fit a workspace."""
    if options["unblind"] is not None:
        raise click.UsageError("--unblind goes with a configuration; a workspace is open but for its --blind regions")
    if is_projection and not asked.regions:
        raise click.UsageError("--project goes with --regions, which it fits")
    log_to_stderr(quiet=options["quiet"], verbose=options["verbose"])
    from cascadebdt.pipeline.fits import fit_file, project_file
    from cascadebdt.products import Products

    path = options["config_path"]
    products = Products(destination(path, options["output"]))
    if is_projection:
        text = projected(project_file(path, products, asked))
    else:
        text = headline(
            fit_file(
                path,
                products,
                asked,
                jobs=options["jobs"] or available_cpus(),
                progress=silent if options["quiet"] else show_progress,
            )
        )
    if not options["quiet"]:
        click.echo("\n".join([*changed(asked.changes()), text]))
        click.echo(f"wrote {products.directory}")


def _fit_patches(options: Options, asked: "Question") -> None:
    """Fit a workspace with every patch of a set."""
    if asked.patch is None:
        raise click.UsageError("--all goes with --patch, the file of a patch set")
    log_to_stderr(quiet=options["quiet"], verbose=options["verbose"])
    from cascadebdt.pipeline.patch_sets import Task, fit_patches
    from cascadebdt.products import Products

    task = Task(options["config_path"], Path(asked.patch), replace(asked, patch=None))
    products = Products(destination(options["config_path"], options["output"]))
    progress = silent if options["quiet"] else show_progress
    points = fit_patches(task, products, jobs=options["jobs"] or available_cpus(), progress=progress)
    if not options["quiet"]:
        limits = [(point.observed, point.expected) for point in points if point.expected is not None]
        excluded = sum((expected[2] if observed is None else observed) < 1 for observed, expected in limits)
        click.echo(
            f"{excluded} of {len(limits)} signals are excluded at strength 1; {len(points) - len(limits)} failed"
        )
        click.echo(f"wrote {products.directory}")
