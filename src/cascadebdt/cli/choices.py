"""The options of `fit` about a workspace: what to change of it, and what to ask besides."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

if TYPE_CHECKING:
    from cascadebdt.pipeline.fits import Question

MASS = "120"
MODELS = (".json", ".txt")
"""How the names of workspaces and of data cards end."""

F = TypeVar("F", bound=Callable[..., Any])


Parsed = Callable[[str], Any]


def _each(parse: Parsed) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], tuple[Any, ...]]:
    """Return a callback that parses every value of an option that may be given several times."""

    def callback(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(parse(value) for value in values)

    return callback


def _assigned(text: str, n_values: int) -> tuple[str, tuple[float, ...]]:
    """Parse ``name=value``, with as many comma-separated numbers as are wanted."""
    name, _, values = text.partition("=")
    try:
        numbers = tuple(float(part) for part in values.split(","))
    except ValueError:
        numbers = ()
    if not name.strip() or len(numbers) != n_values:
        raise click.BadParameter(f"expected NAME={','.join(['NUMBER'] * n_values)}, got '{text}'")
    return name.strip(), numbers


def _constant(text: str) -> tuple[str, float]:
    name, (value,) = _assigned(text, 1)
    return name, value


def _bounds(text: str) -> tuple[str, tuple[float, ...]]:
    return _assigned(text, 2)


def _names(text: str) -> tuple[str, ...]:
    """Parse comma-separated names."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _pair(text: str) -> tuple[str, ...]:
    if len(names := _names(text)) != 2:
        raise click.BadParameter(f"expected two names with a comma between, got '{text}'")
    return names


def _group(text: str) -> tuple[str, tuple[str, ...]]:
    """Parse ``group=pattern,pattern``."""
    name, _, patterns = text.partition("=")
    if not name.strip() or not _names(patterns):
        raise click.BadParameter(f"expected GROUP=PATTERN,PATTERN, got '{text}'")
    return name.strip(), _names(patterns)


def _values(context: click.Context, parameter: click.Parameter, text: str | None) -> dict[str, float] | None:
    """Parse ``name=value,name=value``."""
    return None if text is None else dict(_constant(part) for part in _names(text))


class Choices(TypedDict):
    """Values of the options that `about_a_workspace` adds."""

    patch: str | None
    all: bool
    mass: str
    measurement: str | None
    poi: str | None
    blind: tuple[str, ...]
    fix: tuple[tuple[str, float], ...]
    bound: tuple[tuple[str, tuple[float, float]], ...]
    regions: tuple[tuple[str, ...], ...]
    project: bool
    asimov: dict[str, float] | None
    group: tuple[tuple[str, tuple[str, ...]], ...]
    mu: tuple[float, ...]
    cl: float
    contour: tuple[tuple[str, str], ...]
    toys: int
    seed: int


MODEL = (
    click.option("--patch", metavar="FILE[:NAME]", help="JSON patch, or one of a patch set, to apply to it."),
    click.option("--all", is_flag=True, help="With --patch, fit all patches of the set: a table and a figure."),
    click.option("--mass", default=MASS, show_default=True, help="Takes the place of $MASS in a data card."),
    click.option("--measurement", help="Measurement of the workspace [the first]."),
    click.option("--poi", help="Parameter of interest, any of the model [that of the measurement]."),
    click.option("--blind", multiple=True, metavar="REGION", help="Do not look at these data."),
)
"""Which model, and what is not to be seen of its data."""

CHANGES = (
    click.option(
        "--fix",
        multiple=True,
        callback=_each(_constant),
        metavar="NAME=VALUE",
        help="Hold a parameter constant.",
    ),
    click.option("--bound", multiple=True, callback=_each(_bounds), metavar="NAME=LOW,HIGH", help="Bound a parameter."),
    click.option(
        "--regions", multiple=True, callback=_each(_names), metavar="NAME,...", help="Fit these regions alone."
    ),
    click.option(
        "--project",
        is_flag=True,
        help="With --regions, fit them without signal (or with POI=VALUE of --fix) and predict all others.",
    ),
    click.option(
        "--asimov",
        callback=_values,
        metavar="[NAME=VALUE,...]",
        help="Fit the expectation for these values instead of the data; with a configuration, as of 'run'.",
    ),
)
"""Changes of the model or its data before the fit."""

ANSWERS = (
    click.option(
        "--group",
        multiple=True,
        callback=_each(_group),
        metavar="GROUP=PATTERN,...",
        help="Group of parameters in the breakdown of the uncertainty [by name].",
    ),
    click.option("--mu", multiple=True, type=float, metavar="VALUE", help="Give CLs and p-values of this POI."),
    click.option(
        "--cl",
        type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
        default=0.95,
        show_default=True,
        help="Confidence level of limits.",
    ),
    click.option(
        "--contour",
        multiple=True,
        callback=_each(_pair),
        metavar="NAME,NAME",
        help="Draw the 68 % and 95 % contours of two parameters.",
    ),
    click.option(
        "--toys",
        type=click.IntRange(min=0),
        default=0,
        metavar="NUMBER",
        help="Pseudo-experiments of each hypothesis, for goodness of fit, significance and limit. The same "
        "command goes on where it was interrupted; --jobs is the number of processes.",
    ),
    click.option(
        "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of pseudo-experiments."
    ),
)
"""Questions beyond the fit, the limit and the ranking."""


def about_a_workspace(function: F) -> F:
    """Add the options that go with a workspace file."""
    for decorate in reversed((*MODEL, *CHANGES, *ANSWERS)):
        function = decorate(function)
    return function


def named(choices: Choices) -> list[str]:
    """Return the options that were given."""
    usual = {"cl": 0.95, "seed": 1, "toys": 0, "mass": MASS}
    return [f"--{name}" for name, value in choices.items() if value not in (None, (), False, usual.get(name))]


def question(choices: Choices) -> "Question":
    """Return what the options ask."""
    from cascadebdt.pipeline.fits import Asked, Question

    return Question(
        patch=choices["patch"],
        mass=choices["mass"],
        measurement=choices["measurement"],
        poi=choices["poi"],
        blind=choices["blind"],
        fixed=dict(choices["fix"]),
        bounds=dict(choices["bound"]),
        regions=tuple(name for names in choices["regions"] for name in names),
        asimov=choices["asimov"],
        asked=Asked(
            level=round(1 - choices["cl"], 12),
            mus=choices["mu"],
            contours=choices["contour"],
            toys=choices["toys"],
            seed=choices["seed"],
            groups=dict(choices["group"]) or None,
        ),
    )


def destination(path: Path, output: Path | None) -> Path:
    """Return the folder of the products of a workspace file."""
    return output or Path("results") / path.stem
