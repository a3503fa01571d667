"""``python -m cascadebdt``: the command line where its script is not on the path."""

from cascadebdt.cli import main

main(prog_name="cascadebdt")
