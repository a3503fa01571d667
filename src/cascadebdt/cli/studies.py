"""The commands of the studies: each takes the options of a step and a few of its own, and answers with a table."""

import click

STUDIES: tuple[click.Command, ...] = ()
"""What the command line has of them, in this order."""
