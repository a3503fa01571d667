"""The command line: one thin command per step, which loads the configuration, calls the pipeline, echoes what it wrote.

Exit codes: 0 success; 2 the input is wrong, said in one sentence; 75 a fault that may pass, worth a retry; anything
else is a bug and keeps its traceback.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cascadebdt.errors import CascadeBDTError, TransientInputError
from cascadebdt.progress import Progress, silent
from cascadebdt.resources import available_cpus

if TYPE_CHECKING:
    from cascadebdt.config import Config
    from cascadebdt.products.store import Products

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read as XGBoost loads; spinning threads starve each other
EXIT_INPUT = 2
EXIT_TRANSIENT = 75


class _Group(click.Group):
    """A group whose commands end in one sentence and an exit code when the input is wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CascadeBDTError as error:
            click.echo(f"cascadebdt: {error}", err=True)
            ctx.exit(EXIT_TRANSIENT if isinstance(error, TransientInputError) else EXIT_INPUT)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cascadebdt")
def main() -> None:
    """Classify events with cascading boosted decision trees, from ROOT ntuples to a fitted signal strength."""


def _common(function: F) -> F:
    """Add the arguments and options that every step takes."""
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
        )
    ):
        function = decorate(function)
    return function


def _log_to_stderr(*, quiet: bool) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    logging.getLogger("cascadebdt").setLevel(logging.WARNING if quiet else logging.INFO)


class _Job:
    """What a command works with: configuration, products, number of threads, progress."""

    def __init__(
        self,
        config_path: Path,
        output: Path | None,
        device: Any,
        jobs: int | None,
        unblind: str | None,
        quiet: bool,
    ) -> None:
        from cascadebdt import config
        from cascadebdt.products import store

        _log_to_stderr(quiet=quiet)
        if unblind is not None and not unblind.strip():
            raise click.BadParameter("give the reason for unblinding", param_hint="--unblind")
        self.config: Config = config.load(config_path).with_options(device=device, unblind=unblind)
        self.products: Products = store.Products(output or Path("results") / self.config.analysis)
        self.jobs = jobs or available_cpus()
        self.progress: Progress = silent if quiet else _show
        self.quiet = quiet

    def say(self, text: str) -> None:
        """Write a line to standard output, unless quiet."""
        if not self.quiet:
            click.echo(text)


def _show(items: Sequence[T], description: str, /) -> Iterable[T]:
    """Show a progress bar on a terminal, plain lines elsewhere."""
    from tqdm import tqdm

    if sys.stderr.isatty():
        yield from tqdm(items, desc=description, leave=False, unit="")
        return
    log = logging.getLogger("cascadebdt")
    for done, item in enumerate(items, start=1):
        yield item
        if done == len(items) or done % max(1, len(items) // 5) == 0:
            log.info("%s: %d of %d", description, done, len(items))


@main.command("run")
@_common
def run_command(**options: Any) -> None:
    """Do everything: select, train, apply, fit, report."""
    from cascadebdt import pipeline

    job = _Job(**options)
    summary = pipeline.run(job.config, job.products, jobs=job.jobs, progress=job.progress)
    job.say(_headline(summary))
    job.say(f"wrote {job.products.directory}")


@main.command("check")
@_common
def check_command(**options: Any) -> None:
    """Find what is wrong with a configuration and its files, without training."""
    from cascadebdt import pipeline

    job = _Job(**options)
    events = pipeline.select(job.config, jobs=job.jobs, progress=job.progress)
    pipeline.require_trainable(events, job.config)
    flow = events.cutflow
    for row, sample in enumerate(flow.samples):
        visible = flow.entries[row, 0] if sample in _data_samples(job.config) else flow.entries[row, -1]
        what = "read" if sample in _data_samples(job.config) else f"selected of {flow.entries[row, 0]}"
        job.say(f"{sample:16s} {visible:>9d} events {what}")
    job.say(f"{options['config_path']}: no errors found")


@main.command("inspect")
@click.argument("file")
def inspect_command(file: str) -> None:
    """Tell what is in FILE (a path or URL): trees, branches, types, and a configuration to start from."""
    from cascadebdt import ntuple

    found = ntuple.survey(file)
    click.echo(f"# {found.location}: compression {found.compression}")
    for tree in found.trees:
        click.echo(f"# {tree.kind} {tree.name}: {tree.entries} entries, {len(tree.branches)} branches")
        for name, kind in tree.branches.items():
            click.echo(f"#   {name:40s} {kind}")
    click.echo(ntuple.starting_configuration(found), nl=False)


def _data_samples(config: "Config") -> list[str]:
    return [sample.name for sample in config.samples if sample.is_data]


@main.command("train")
@_common
def train_command(**options: Any) -> None:
    """Select events and train the cascade."""
    from cascadebdt import pipeline

    job = _Job(**options)
    events = pipeline.select_for_training(job.config, job.products.training, jobs=job.jobs, progress=job.progress)
    pipeline.train(job.config, job.products, events, jobs=job.jobs, progress=job.progress)
    job.say(f"wrote {job.products.cascade}")


@main.command("apply")
@_common
@click.option("--files", multiple=True, help="Stream only these files (names, globs; repeatable) into OUTPUT/applied.")
@click.option("--sample", help="Sample of CONFIG that --files belong to [found by name].")
@click.option("--cascade", type=click.Path(path_type=Path), help="Folder of the trained cascade [OUTPUT/cascade].")
@click.option("--scores", is_flag=True, help="With --files, write the scores of every event, too.")
def apply_command(
    files: tuple[str, ...], sample: str | None, cascade: Path | None, scores: bool, **options: Any
) -> None:
    """Score events with the trained cascade and fill the regions."""
    from cascadebdt import pipeline

    job = _Job(**options)
    folder = cascade or job.products.cascade
    model = pipeline.load_cascade(job.config, folder)
    if files:
        request = pipeline.Request(files, sample, folder.parent, scores)
        products = job.products.applied
        pipeline.apply_files(job.config, products, model, request, jobs=job.jobs, progress=job.progress)
        job.say(f"wrote {products.json('histograms')}")
        return
    if sample or scores:
        raise click.UsageError("--sample and --scores go with --files")
    events = pipeline.select(job.config, jobs=job.jobs, progress=job.progress)
    pipeline.apply(job.config, job.products, events, model, jobs=job.jobs)
    job.say(f"wrote {job.products.json('histograms')}")


@main.command("fit")
@_common
@click.option("--patch", metavar="FILE[:NAME]", help="JSON patch, or one of a patch set, to apply to the workspace.")
@click.option("--measurement", help="Measurement of the workspace [the first].")
@click.option("--poi", help="Parameter of interest [that of the measurement].")
@click.option("--blind", multiple=True, metavar="REGION", help="Do not look at these data of the workspace.")
def fit_command(
    patch: str | None, measurement: str | None, poi: str | None, blind: tuple[str, ...], **options: Any
) -> None:
    """Build the workspace from the filled regions and fit it.

    CONFIG may be a HistFactory workspace of any program instead, a file that ends in .json.
    """
    if options["config_path"].suffix == ".json":
        _fit_file(options, patch=patch, measurement=measurement, poi=poi, blind=blind)
        return
    from cascadebdt import pipeline

    if patch or measurement or poi or blind:
        raise click.UsageError("--patch, --measurement, --poi and --blind go with a workspace, a file ending in .json")
    job = _Job(**options)
    summary = pipeline.fit(job.config, job.products)
    job.say(_headline(summary))
    job.say(f"wrote {job.products.json('fit')}")


def _fit_file(options: dict[str, Any], **question: Any) -> None:
    """Fit a workspace."""
    if options["unblind"] is not None:
        raise click.UsageError("--unblind goes with a configuration; a workspace is open but for its --blind regions")
    _log_to_stderr(quiet=options["quiet"])
    from cascadebdt.pipeline.fits import Question, fit_file
    from cascadebdt.products import store

    path = options["config_path"]
    products = store.Products(options["output"] or Path("results") / path.stem)
    summary = fit_file(path, products, Question(**question))
    if not options["quiet"]:
        click.echo(_headline(summary))
        click.echo(f"wrote {products.directory}")


@main.command("report")
@_common
def report_command(**options: Any) -> None:
    """Draw the figures and write the HTML page."""
    from cascadebdt import pipeline

    job = _Job(**options)
    pipeline.report(job.config, job.products)
    job.say(f"wrote {job.products.report}")


@main.group("export")
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


@main.group("samples")
def samples_group() -> None:
    """Make the simulated samples of the benchmark analysis."""


@samples_group.command("make")
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Multiple of the shipped simulation.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes [the CPUs this process may use].")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--luminosity", type=click.FloatRange(min=0, min_open=True), help="Of the data, in /fb [that of the shipped data]."
)
def samples_make_command(output: Path, scale: float, jobs: int | None, seed: int, luminosity: float | None) -> None:
    """Generate simulation and pseudo-data with Pythia 8 into OUTPUT."""
    from cascadebdt.simulation import production

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    chosen = production.LUMINOSITY_FB if luminosity is None else luminosity
    paths = production.make(output, scale=scale, jobs=jobs or available_cpus(), seed=seed, luminosity_fb=chosen)
    for path in paths:
        click.echo(f"wrote {path}")


def _headline(summary: dict[str, Any]) -> str:
    """Say the result in a few lines."""
    fit, limit, significance = summary["fit"], summary["limit"], summary["significance"]
    mu, uncertainty = fit["mu"]
    median, probability = limit["expected"][2], fit["goodness_of_fit"]
    is_blind = fit["blind"]
    lines = [
        f"signal strength  expected uncertainty {uncertainty:.3g} (blind)"
        if is_blind
        else f"signal strength  {mu:.3g} +- {uncertainty:.3g}",
        f"95 % CLs limit   expected {median:.3g}" + ("" if is_blind else f", observed {limit['observed']:.3g}"),
        f"significance     expected {significance['expected']:.3g} for signal strength 1"
        + ("" if is_blind else f", observed {significance['observed']:.3g}"),
        *([] if probability is None else [f"goodness of fit  {probability:.3g}"]),
        *(f"norm {name:12s} {value:.3f} +- {error:.3f}" for name, (value, error) in fit["normalisation"].items()),
    ]
    return "\n".join(lines)
