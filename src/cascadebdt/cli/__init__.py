"""The command line: thin commands, one module per group, which call the package and echo what they wrote.

Exit codes: 0 success; 2 the input is wrong, said in one sentence; 75 a fault that may pass, worth a retry, such as a
full disk; anything else is a bug and keeps its traceback.
"""

import errno
import os
from typing import Any

import click

from cascadebdt.cli.export import export_group
from cascadebdt.cli.fit import fit_command
from cascadebdt.cli.inspect import init_command, inspect_command
from cascadebdt.cli.manners import completion_command, show_versions, with_examples
from cascadebdt.cli.samples import samples_group
from cascadebdt.cli.status import status_command
from cascadebdt.cli.steps import (
    apply_command,
    check_command,
    merge_command,
    report_command,
    run_command,
    select_command,
    toys_command,
    train_command,
)
from cascadebdt.cli.studies import STUDIES
from cascadebdt.cli.submit import submit_command
from cascadebdt.errors import CascadeBDTError, TransientInputError, one_line

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read as XGBoost loads; spinning threads starve each other
EXIT_INPUT = 2
EXIT_TRANSIENT = 75
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
PASSING = FULL | {errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ENFILE, errno.EMFILE, errno.ESTALE}


class _Group(click.Group):
    """A group whose commands end in one sentence and an exit code when the input is wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CascadeBDTError as error:
            click.echo(f"cascadebdt: {error}", err=True)
            ctx.exit(EXIT_TRANSIENT if isinstance(error, TransientInputError) else EXIT_INPUT)
        except BrokenPipeError:  # the reader of the output went away, which click knows how to end
            raise
        except OSError as error:  # of a place to write to, or of a file that vanished
            reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"cascadebdt: {one_line(where + reason.lower())}; {_cure(error)}", err=True)
            ctx.exit(EXIT_TRANSIENT if error.errno in PASSING else EXIT_INPUT)


def _cure(error: OSError) -> str:
    if error.errno in FULL:
        return "make room there, or choose another folder with --output, and run it again"
    if error.errno in PASSING:
        return "run it again"
    return "choose a folder that can be written to, with --output"


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=show_versions, help="Show the versions."
)
def main() -> None:
    """Classify events with cascading boosted decision trees, from ROOT ntuples to a fitted signal strength."""


for command in (
    run_command,
    check_command,
    select_command,
    train_command,
    apply_command,
    merge_command,
    fit_command,
    toys_command,
    report_command,
    submit_command,
    status_command,
    init_command,
    inspect_command,
    completion_command,
    *STUDIES,
    export_group,
    samples_group,
):
    main.add_command(with_examples(command))
