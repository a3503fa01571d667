"""The commands that look into files: to show what is there, and to write a configuration to start from."""

from pathlib import Path

import click


@click.command("inspect")
@click.argument("file")
def inspect_command(file: str) -> None:
    """Show what is in FILE (a path or URL): trees, branches, types, and a configuration to start from."""
    from cascadebdt import ntuple

    content = ntuple.survey(file)
    click.echo(f"# {content.location}: compression {content.compression}")
    for tree in content.trees:
        click.echo(f"# {tree.kind} {tree.name}: {tree.entries} entries, {len(tree.branches)} branches")
        for name, kind in tree.branches.items():
            click.echo(f"#   {name:40s} {kind}")
    click.echo(ntuple.starting_configuration(content), nl=False)


@click.command("init")
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default="analysis.yaml",
    show_default=True,
    help="The configuration to write.",
)
@click.option("--signal", metavar="FILE", help="Which of the files is the signal [by its name, else the first].")
@click.option("--luminosity", type=click.FloatRange(min=0, min_open=True), help="Of the data, in 1/fb.")
@click.option("--force", is_flag=True, help="Overwrite the configuration.")
def init_command(
    files: tuple[str, ...], output: Path, signal: str | None, luminosity: float | None, force: bool
) -> None:
    """Write a commented configuration for FILES (paths or URLs), one for each sample.

    Files of a pattern in quotes are one sample, and so are those that count at the end: zee_0.root, zee_1.root.
    """
    from cascadebdt import ntuple
    from cascadebdt.atomic import write_text
    from cascadebdt.errors import InputError

    if output.exists() and not force:
        raise InputError(f"{output}: is there already; choose another name with --output, or give --force")
    surveys = ntuple.survey_samples(files)
    text = ntuple.starting_configuration(
        *surveys, directory=output.parent, blanks=ntuple.Blanks(signal=signal, luminosity_fb=luminosity)
    )
    write_text(output, text)
    n_blanks = sum("FILL IN" in line for line in text.splitlines()[2:])
    click.echo(f"wrote {output}; {n_blanks} places marked FILL IN. Next: cascadebdt check {output}")
