"""A comparison in a folder: strategies that were judged before are not judged again, and what is written at the end."""

import inspect
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from cascadebdt import pipeline, plots
from cascadebdt.config import Config
from cascadebdt.errors import InputError
from cascadebdt.pipeline.plan import Plan
from cascadebdt.plots import ComparedStrategy
from cascadebdt.products import Products, sealed
from cascadebdt.products.comparison import Comparison
from cascadebdt.products.inventory import Inventory
from cascadebdt.products.keys import Origin
from cascadebdt.products.lock import locked
from cascadebdt.progress import Progress, silent
from cascadebdt.studies.compare_judge import Bench, Judged, Question, comparison
from cascadebdt.studies.figures import draw
from cascadebdt.studies.strategies import Strategy

logger = logging.getLogger(__name__)

FOLDER = ".compare"
FORMAT = 2


def compare(
    config: Config, products: Products, question: Question, *, jobs: int = 1, progress: Progress = silent
) -> Comparison:
    """Compare strategies, and write ``compare.json``, its figure and, where a run left one, the report.

    What each strategy reached is kept in a folder with a key of all that it depends on: a comparison that was
    interrupted goes on with the next strategy, one with another strategy judges only that.

    Raises
    ------
    CascadeBDTError
        If the configuration, an input file or a fit is not usable, or another process is at work in the folder.
    """
    if config.corrections:
        logger.warning("corrections are left out: they are learnt from data, which no comparison reads")
    simulated = without_data(config)
    question = replace(question, judge=question.judge and without_data(question.judge))
    with locked(products.directory):
        origin = _origin(simulated, products, question, config_hash=config.hash, jobs=jobs)
        kept = products.directory / FOLDER
        judged = dict(_recalled(kept, question, origin))
        missing = [name for name in question.names if name not in judged]
        if missing:
            bench = Bench.of(simulated, question, jobs=jobs, progress=progress)
            for name in progress(missing, "comparing strategies"):
                judged[name] = bench.judge(name, question)
                if key := _key(name, question, origin):
                    sealed.write(kept / f"{key}.json", judged[name])
        result = comparison({name: judged[name] for name in question.names}, question, config)
        _note(config, products, origin, products.write("compare", result))
        draw(origin, [("compare", _figure(result))], config, products)
    if products.report.is_file() and Plan.of(config, products.directory, jobs=jobs).fault("fit") is None:
        pipeline.report(config, products)
    return result


def _figure(result: Comparison) -> Figure:
    drawn = [
        ComparedStrategy(
            name,
            found.limit,
            (found.bootstrap.mean, found.bootstrap.std),
            (found.spurious.rms, found.spurious.max),
        )
        for name, found in result.strategies.items()
    ]
    reference = next(iter(result.strategies.values())).bootstrap.ratio_to
    return plots.comparison(drawn, reference)


def without_data(config: Config) -> Config:
    """Return the configuration without data, which no study reads; events are kept in memory."""
    samples = tuple(sample for sample in config.samples if not sample.is_data)
    fit = config.fit.model_copy(update={"unblind": False})
    cascade = config.cascade.model_copy(update={"memory": "ram"})
    return config.model_copy(update={"samples": samples, "fit": fit, "cascade": cascade, "corrections": ()})


def _origin(config: Config, products: Products, question: Question, *, config_hash: str, jobs: int) -> Origin:
    """Return what every strategy's answer is made from: the configuration, all that a fit depends on, what is asked."""
    plan = Plan.of(config, products.directory, jobs=jobs)
    inputs = {"fit": plan.steps["fit"].key}
    if question.judge:
        other = Plan.of(question.judge, products.directory, jobs=jobs)
        _require_others(plan, other)
        inputs["judge"] = other.steps["fit"].key
    asked = {"variables": list(question.tilts(config)), "tilt": question.tilt, "toys": question.toys}
    # Rivals of the cascade read what none of its steps does, such as the hyperparameters that every stage replaces.
    return Origin("compare", FORMAT, {**asked, "config_hash": config_hash}, inputs)


def _require_others(training: Plan, judging: Plan) -> None:
    """Require that no file that trains judges, whatever its name."""
    known = {found.identity: location for location, found in training.inventory.inputs.items()}
    for location, found in judging.inventory.inputs.items():
        if found.identity in known:
            raise InputError(
                f"compare: {location} has the content of {known[found.identity]}, which trains; judge on other files"
            )


def _key(name: str, question: Question, origin: Origin) -> str | None:
    """Return the name under which the answer of a strategy is kept; None for one whose code cannot be read."""
    parts = dict(origin.parts)
    if name in question.own:
        code = _code(question.own[name])
        if code is None:
            return None
        parts["code"] = code
    return f"{name}_{Origin(name, origin.format, parts, origin.inputs).key[:24]}"


def _code(function: Strategy) -> str | None:
    """Return the code of a user's strategy: of its whole file, if it has one."""
    with suppress(TypeError, OSError):
        source = inspect.getsourcefile(function)
        if source is not None and Path(source).is_file():
            return Path(source).read_text()
        return inspect.getsource(function)
    return None


def _recalled(kept: Path, question: Question, origin: Origin) -> Iterator[tuple[str, Judged]]:
    """Yield the answers of strategies that were judged before, unless they were altered since."""
    for name in question.names:
        key = _key(name, question, origin)
        if key and (judged := sealed.read(kept / f"{key}.json", Judged)):
            yield name, judged


def _note(config: Config, products: Products, origin: Origin, path: Path) -> None:
    """Write into the manifest what the comparison made, and of which configuration."""
    inventory = Inventory.read(products.directory)
    about = {"config": config.model_dump(mode="json", by_alias=True), "directory": str(config.directory)}
    inventory = inventory.with_step(origin, [path])
    replace(inventory, about={**about, **inventory.about}).write()
