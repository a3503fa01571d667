"""The command that hands an analysis to HTCondor."""

from typing import Unpack

import click

from cascadebdt.cli.job import Job, Options, common, for_every_step
from cascadebdt.cli.studies import STUDIES

BY_NAME = {str(command.name): command for command in STUDIES}


@click.command("submit")
@common
@click.argument("study_options", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTIONS OF THE STUDY]")
@click.option("--dry-run", is_flag=True, help="Write everything, submit nothing.")
@click.option("--study", type=click.Choice(list(BY_NAME)), help="Do this study of the trained cascade instead.")
def submit_command(
    study_options: tuple[str, ...], dry_run: bool, study: str | None, **options: Unpack[Options]
) -> None:
    """Do in HTCondor jobs what is missing or changed: train, apply, fit, report, with the bits of `run`.

    Options of a study stand behind two dashes: cascadebdt submit CONFIG --study tune -- --trials 50.

    The same command again, after a failure or a change, submits what is left. `cascadebdt status` tells how far it is.
    """
    from cascadebdt import scaleout

    if study_options and study is None:
        raise click.UsageError(f"'{study_options[0]}': options behind -- go with --study")
    if study is not None:
        _require_own(BY_NAME[study], study_options)
    job = Job.of(options)
    submission = scaleout.submit(
        job.config,
        options["config_path"],
        job.products,
        study=scaleout.Study(study, study_options, is_parted=study == "tune") if study else None,
        options=for_every_step(options),
        only_write=dry_run,
        jobs=job.jobs,
    )
    left = len(submission.left)
    job.say(f"{len(submission.nodes) - left} of {len(submission.nodes)} nodes are done already")
    if submission.cluster is not None:
        job.say(f"submitted job {submission.cluster}; follow it: cascadebdt status {job.products.directory}")
    elif left:
        dag = submission.layout.dag
        job.say(f"wrote {dag.parent}; submit it there: condor_submit_dag -force {dag.name}")


def _require_own(command: click.Command, given: tuple[str, ...]) -> None:
    """Require that a study knows its options, and that they are no others than its own."""
    context = command.make_context(command.name, ["CONFIG", *given])
    for name in ("stage", *Options.__annotations__):
        is_given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if is_given and name != "config_path":
            raise click.UsageError(f"--{name.replace('_', '-')}: give it before the two dashes, if 'submit' has it")
