"""The commands that write what other programs read."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

import click

from cascadebdt.cli.choices import MASS

if TYPE_CHECKING:
    from cascadebdt.workspace import Workspace

F = TypeVar("F", bound=Callable[..., Any])


class Options(TypedDict):
    """Values of the arguments and options that `model` adds."""

    workspace: Path
    patch: str | None
    measurement: str | None
    mass: str


def model(function: F) -> F:
    """Add the argument and the options that say what to export."""
    for decorate in reversed(
        (
            click.argument("workspace", type=click.Path(path_type=Path)),
            click.option("--patch", metavar="FILE[:NAME]", help="JSON patch, or one of a patch set, to apply."),
            click.option("--measurement", help="Measurement of the workspace [the first]."),
            click.option("--mass", default=MASS, help="Takes the place of $MASS in a data card.", show_default=True),
        )
    ):
        function = decorate(function)
    return function


def output(default: str) -> Callable[[F], F]:
    """Add the option that says where to write."""
    return click.option("--output", type=click.Path(path_type=Path), default=Path(default), show_default=True)


@click.group("export")
def export_group() -> None:
    """Write what other programs read.

    WORKSPACE is a HistFactory workspace of any program: a JSON file of pyhf or HS3, or a Combine data card.
    """


@export_group.command("combine")
@model
@output("card.txt")
def export_combine_command(output: Path, **options: Unpack[Options]) -> None:
    """Write a Combine data card of WORKSPACE, and its shapes beside it."""
    from cascadebdt import interchange

    for path in interchange.write_card(_read(options), output):
        click.echo(f"wrote {path}")


@export_group.command("hs3")
@model
@output("hs3.json")
def export_hs3_command(output: Path, **options: Unpack[Options]) -> None:
    """Write WORKSPACE in the format of HS3, the statistics serialisation standard."""
    from cascadebdt import interchange

    click.echo(f"wrote {interchange.write_hs3(_read(options), output)}")


@export_group.command("pyhf")
@model
@output("workspace.json")
def export_pyhf_command(output: Path, **options: Unpack[Options]) -> None:
    """Write WORKSPACE in the format of pyhf."""
    import json

    from cascadebdt import interchange
    from cascadebdt.atomic import write_text

    content = interchange.named_for_pyhf(_read(options))
    click.echo(f"wrote {write_text(output, json.dumps(content, indent=1) + chr(10))}")


@export_group.command("tables")
@model
@output("tables")
def export_tables_command(output: Path, **options: Unpack[Options]) -> None:
    """Write the yields of WORKSPACE before and after a fit, with covariances, as CSV, LaTeX and for HEPData."""
    from cascadebdt import inference, interchange

    interchange.write_tables(inference.predictions(_read(options)), output)
    click.echo(f"wrote {output}")


def _read(options: Options) -> "Workspace":
    """Read the workspace to export."""
    from cascadebdt import interchange

    return interchange.read_workspace(
        options["workspace"], patch=options["patch"], measurement=options["measurement"], mass=options["mass"]
    )
