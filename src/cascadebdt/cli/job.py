"""What the commands share: options, configuration and products, messages and progress."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

import click

from cascadebdt.cli.messages import log_to_stderr
from cascadebdt.progress import Progress, silent
from cascadebdt.resources import available_cpus

if TYPE_CHECKING:
    from cascadebdt.config import Config
    from cascadebdt.products import Products

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

PROGRESS_SECONDS = 30  # between lines about a long loop where there is no terminal
logger = logging.getLogger("cascadebdt")


class Options(TypedDict):
    """Values of the arguments and options that `common` adds."""

    config_path: Path
    output: Path | None
    device: Literal["auto", "cpu", "cuda"] | None
    jobs: int | None
    unblind: str | None
    asimov: bool
    quiet: bool
    verbose: bool


asimov_flag = click.option("--asimov", is_flag=True, help="Read no data; the nominal expectation stands for them.")


def common(function: F) -> F:
    """Add the arguments and options that every step takes."""
    return asimov_flag(without_asimov(function))


def without_asimov(function: F) -> F:
    """Add what `common` adds but for `--asimov`."""
    for decorate in reversed(
        (
            click.argument("config_path", metavar="CONFIG", type=click.Path(path_type=Path)),
            click.option(
                "--output", type=click.Path(path_type=Path), help="Folder of the products [results/<analysis>]."
            ),
            click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where to train [from CONFIG]."),
            click.option("--jobs", type=click.IntRange(min=1), help="Threads [the CPUs this process may use]."),
            click.option(
                "--unblind", metavar="REASON", help="Use the data of the signal region; the reason is recorded."
            ),
            click.option("--quiet", is_flag=True, help="Say only what goes wrong."),
            click.option("--verbose", is_flag=True, help="Tell every detail and repetition."),
        )
    ):
        function = decorate(function)
    return function


@dataclass(frozen=True)
class Job:
    """What a step works with.

    Attributes
    ----------
    config : configuration, with what the options change
    products : where the step reads and writes
    jobs : number of threads
    progress : of long loops
    quiet : whether to say only what goes wrong
    """

    config: "Config"
    products: "Products"
    jobs: int
    progress: Progress
    quiet: bool

    @classmethod
    def of(cls, options: Options) -> "Job":
        """Load the configuration and set up messages as the options of a command say."""
        from cascadebdt import config
        from cascadebdt.products import Products

        quiet, unblind = options["quiet"], options["unblind"]
        log_to_stderr(quiet=quiet, verbose=options["verbose"])
        if unblind is not None and not unblind.strip():
            raise click.BadParameter("give the reason for unblinding", param_hint="--unblind")
        chosen = config.load(options["config_path"]).with_options(
            device=options["device"], unblind=unblind, asimov=options["asimov"]
        )
        return cls(
            config=chosen,
            products=Products(options["output"] or Path("results") / chosen.analysis),
            jobs=options["jobs"] or available_cpus(),
            progress=silent if quiet else show_progress,
            quiet=quiet,
        )

    def say(self, text: str) -> None:
        """Write a line to standard output, unless quiet."""
        if not self.quiet:
            click.echo(text)


def for_every_step(options: Options) -> list[str]:
    """Return the options that every step takes over; threads are those of the machine."""
    given = {"--device": options["device"], "--unblind": options["unblind"]}
    texts = [text for name, value in given.items() if value is not None for text in (name, value)]
    return [*texts, "--asimov"] if options["asimov"] else texts


def show_progress(items: Sequence[T], description: str, /) -> Iterable[T]:
    """Show a progress bar with the remaining time on a terminal, a line in a while elsewhere."""
    from tqdm import tqdm

    if sys.stderr.isatty():
        yield from tqdm(items, desc=description, leave=False, unit="")
        return
    start = told = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if done == len(items):
            logger.info("%s: %d in %s", description, done, duration(now - start))
        elif now - told > PROGRESS_SECONDS:
            told, left = now, (now - start) / done * (len(items) - done)
            logger.info("%s: %d of %d, about %s left", description, done, len(items), duration(left))


def duration(seconds: float) -> str:
    """Return a time in its largest usual unit."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
