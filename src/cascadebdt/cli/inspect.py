"""The command that looks into a file."""

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
