"""The manners of a command line: versions, examples in the help, completion by the shell."""

import platform
from importlib import metadata

import click
from click.shell_completion import get_completion_class

NAME, VARIABLE = "cascadebdt", "_CASCADEBDT_COMPLETE"
VERSIONS = ("xgboost", "xgboost-cpu", "numpy", "numba", "uproot", "awkward", "iminuit", "pyhf", "matplotlib")
"""Distributions that change results or what can be read; XGBoost's has two names."""
EXAMPLES = {
    "run": ("cascadebdt run analysis.yaml", "cascadebdt run analysis.yaml --asimov --output results/expected --jobs 4"),
    "check": ("cascadebdt check analysis.yaml",),
    "train": ("cascadebdt train analysis.yaml --output results/first",),
    "apply": (
        "cascadebdt apply analysis.yaml --output results/first",
        'cascadebdt apply analysis.yaml --output results/first --files "new_*.root" --sample ttbar --scores',
    ),
    "fit": (
        "cascadebdt fit analysis.yaml --output results/first",
        "cascadebdt fit workspace.json --poi mu --fix lumi=0 --toys 1000",
    ),
    "report": ("cascadebdt report analysis.yaml --output results/first",),
    "status": ("cascadebdt status results/first",),
    "inspect": ("cascadebdt inspect ntuple.root", "cascadebdt inspect root://server//store/nano.root"),
    "init": (
        "cascadebdt init signal.root ttbar.root wjets.root data.root",
        "cascadebdt init hh.root 'ttbar/*.root' 'data/*.root' --signal hh.root --luminosity 140 --output hh.yaml",
    ),
    "completion": ('eval "$(cascadebdt completion bash)"', "cascadebdt completion fish | source"),
}


def with_examples(command: click.Command) -> click.Command:
    """Return a command with its examples below its options."""
    lines = EXAMPLES.get(command.name or "")
    if lines:
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
    return command


def versions() -> str:
    """Return the versions that matter, a line each."""
    numbers = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            numbers[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "\n".join(
        [f"{NAME}, version {metadata.version(NAME)}", *(f"{name} {number}" for name, number in numbers.items())]
    )


def show_versions(context: click.Context, parameter: click.Parameter, is_asked: bool) -> None:
    """Print the versions and end."""
    if is_asked and not context.resilient_parsing:
        click.echo(versions())
        context.exit()


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print what lets SHELL complete commands and options."""
    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(context.find_root().command, {}, NAME, VARIABLE).source())
