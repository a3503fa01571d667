"""The commands of the studies: each takes the options of a step and a few of its own, and answers with a table."""

import click

from cascadebdt.cli.optimise import optimise_command

STUDIES: tuple[click.Command, ...] = (optimise_command,)
"""What the command line has of them, in this order."""
