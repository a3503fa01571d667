"""Versions, examples in the help, completion by the shell."""

import shlex

import click
import numpy as np
import pytest
from click.testing import CliRunner

from cascadebdt.cli import main
from cascadebdt.cli.manners import EXAMPLES


def test_the_versions_that_matter_are_shown() -> None:
    result = CliRunner().invoke(main, ["--version"])
    lines = result.output.splitlines()
    assert lines[0].startswith("cascadebdt, version ")
    assert f"numpy {np.__version__}" in lines
    assert any(line.startswith("xgboost") for line in lines)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_help_of_a_command_has_examples(name: str) -> None:
    output = CliRunner().invoke(main, [name, "--help"]).output
    for example in EXAMPLES[name]:
        assert f"  {example}\n" in output


@pytest.mark.parametrize("example", [example for examples in EXAMPLES.values() for example in examples])
def test_an_example_is_a_command_with_options_that_exist(example: str) -> None:
    words = shlex.split(example)
    if words[0] != "cascadebdt":
        pytest.skip("a line of the shell")
    command = main.commands[words[1]]
    command.make_parser(click.Context(command)).parse_args(words[2:])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_what_completes_commands(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "_CASCADEBDT_COMPLETE" in result.output
