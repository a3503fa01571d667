"""The command that hands an analysis to HTCondor."""

from typing import Unpack

import click

from cascadebdt.cli.job import Job, Options, common, for_every_step


@click.command("submit")
@common
@click.option("--dry-run", is_flag=True, help="Write everything, submit nothing.")
def submit_command(dry_run: bool, **options: Unpack[Options]) -> None:
    """Do in HTCondor jobs what is missing or changed: train, apply, fit, report, with the bits of `run`.

    The same command again, after a failure or a change, submits what is left. `cascadebdt status` tells how far it is.
    """
    from cascadebdt import scaleout

    job = Job.of(options)
    submission = scaleout.submit(
        job.config,
        options["config_path"],
        job.products,
        options=for_every_step(options),
        only_write=dry_run,
        jobs=job.jobs,
    )
    left = len(submission.left)
    job.say(f"{len(submission.nodes) - left} of {len(submission.nodes)} nodes are done already")
    if submission.cluster is not None:
        job.say(f"submitted job {submission.cluster}; follow it: cascadebdt status {job.products.directory}")
    elif left:
        job.say(f"wrote {submission.layout.directory}; submit it there: condor_submit_dag -force analysis.dag")
