"""The commands that write what other programs read."""

from pathlib import Path

import click


@click.group("export")
def export_group() -> None:
    """Write what other programs read."""


@export_group.command("combine")
@click.argument("workspace", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), default=Path("card.txt"), show_default=True)
@click.option("--patch", metavar="FILE[:NAME]", help="JSON patch, or one of a patch set, to apply to the workspace.")
@click.option("--measurement", help="Measurement of the workspace [the first].")
def export_combine_command(workspace: Path, output: Path, patch: str | None, measurement: str | None) -> None:
    """Write a Combine data card of WORKSPACE, a HistFactory JSON file, and its shapes beside it."""
    from cascadebdt import interchange

    content = interchange.read_workspace(workspace, patch=patch, measurement=measurement)
    for path in interchange.write_card(content, output):
        click.echo(f"wrote {path}")
