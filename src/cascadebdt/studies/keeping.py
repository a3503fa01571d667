"""Studies of a trained cascade in a folder: the cascade is trained where it is not there, and a result is kept.

A result that was made from the same configuration, files, versions and settings is read, not made again.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

from matplotlib.figure import Figure

from cascadebdt import pipeline
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from cascadebdt.events.loading import select
from cascadebdt.pipeline.plan import Plan
from cascadebdt.products import Products
from cascadebdt.products.keys import Origin
from cascadebdt.products.layout import Result
from cascadebdt.products.lock import locked
from cascadebdt.progress import Progress, silent
from cascadebdt.studies.compare_runs import without_data
from cascadebdt.studies.figures import draw

R = TypeVar("R", bound=Result)
EventsOf = Literal["train", "apply"]

Make = Callable[[Events, Cascade, Origin], tuple[R, Iterable[Path]]]
"""Makes a result of selected events and the cascade trained on them, and returns what else it wrote."""


def kept(
    study: str,
    kind: type[R],
    make: Make[R],
    drawn: Callable[[R], Iterable[tuple[str, Figure]]],
    config: Config,
    products: Products,
    *,
    settings: Mapping[str, Any],
    packages: tuple[str, ...] = (),
    events_of: EventsOf = "train",
    jobs: int = 1,
    progress: Progress = silent,
) -> R:
    """Return the result of a study, from ``<study>.json`` if it can be used as it is; a report that is there shows it.

    Parameters
    ----------
    study : its name
    kind : type of its result
    make : the study
    drawn : name, figure of a result
    config : the analysis
    products : where the cascade and the result go
    settings : what the result depends on beside the trained cascade and its events, as plain content
    packages : whose versions it depends on
    events_of : the step whose events it takes: nominal ones of training, or all variations of ``apply``
    jobs : threads
    progress : told of long loops

    Raises
    ------
    CascadeBDTError
        If the configuration or an input file is not usable, a stage cannot be trained, or another process is at work
        in the folder.
    """
    cascade = pipeline.train(config, products, jobs=jobs, progress=progress)
    if not any(stage.classifier.is_trained for stage in cascade.stages):
        raise InputError(f"{study}: no stage has enough events to be trained; add simulation")
    with locked(products.directory):
        plan = Plan.of(config, products.directory, jobs=jobs)
        origin = origin_of(study, config, plan, settings=settings, packages=packages, events_of=events_of)
        if plan.inventory.fault(origin) is None:
            result = products.read(kind, study, made_by=study)
            draw(origin, drawn(result), config, products)
            return result
        events = events_for(config, events_of, jobs=jobs, progress=progress)
        result, written = make(events, cascade, origin)
        path = products.write(study, result)
        plan.inventory.with_step(origin, [path, *written]).write()
        draw(origin, drawn(result), config, products)
    if products.report.is_file() and plan.fault("fit") is None:
        pipeline.report(config, products)
    return result


def origin_of(
    study: str,
    config: Config,
    plan: Plan,
    *,
    settings: Mapping[str, Any],
    packages: tuple[str, ...],
    events_of: EventsOf,
) -> Origin:
    """Return what the result of a study is made from; parameters as for `kept`."""
    versions = {name: version(name) for name in packages}
    parts: dict[str, Any] = {"settings": dict(settings), **({"versions": versions} if versions else {})}
    parts |= {"config_hash": config.hash} if events_of == "apply" else {}
    return Origin(study, 1, parts, {events_of: plan.steps[events_of].key})


def events_for(config: Config, events_of: EventsOf, *, jobs: int, progress: Progress) -> Events:
    """Return the simulated events of a study; parameters as for `kept`."""
    return select(without_data(config), nominal_only=events_of == "train", jobs=jobs, progress=progress)
