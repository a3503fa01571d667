"""Runs in a folder: each step only where its products are missing or changed, one run at a time.

The single steps refuse products of earlier steps that do not belong to the configuration; `run` makes them anew.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from cascadebdt.events.loading import select, select_for_training
from cascadebdt.pipeline import steps
from cascadebdt.pipeline.plan import STEPS, Plan
from cascadebdt.products import Products
from cascadebdt.products.lock import locked
from cascadebdt.products.manifest import description
from cascadebdt.products.models import KeptModels
from cascadebdt.products.inventory import Inventory, sha256
from cascadebdt.progress import Progress, silent
from cascadebdt.resources import Meter


def run(config: Config, products: Products, *, jobs: int = 1, progress: Progress = silent) -> dict[str, Any]:
    """Do everything that is missing or changed: select, train, apply, fit, report.

    Where nothing is, no product is touched. Models are trained again only where something that they depend on has
    changed, or where an interrupted training has not come to them.

    Returns
    -------
    The content of ``summary.json``

    Raises
    ------
    InputError
        If another process is at work in the folder, or an input cannot be used.
    """
    meter = Meter()
    with locked(products.directory):
        plan = Plan.of(config, products.directory, jobs=jobs)
        if not any(map(plan.fault, STEPS)):
            return _summary(products)
        events = None
        if plan.fault("apply"):
            events = select(config, jobs=jobs, progress=progress)
            plan, model = _train(config, products, plan, lambda: events, jobs=jobs, progress=progress)
            plan = _apply(config, products, plan, events, model, jobs=jobs)
        if plan.fault("fit"):
            summary = steps.fit(config, products)
            used = meter.read()
            read = summary["events"]["read"]
            summary["resources"] = {**used, "events_per_s": read / used["wall_s"] if events is not None else 0.0}
            products.write("summary", summary)
            plan = plan.done("fit", products.of_fit())
        if plan.fault("report"):
            _report(config, products, plan)
        return _summary(products)


def train(config: Config, products: Products, *, jobs: int = 1, progress: Progress = silent) -> Cascade:
    """Select events and train the cascade, unless it is there."""
    with locked(products.directory):
        plan = Plan.of(config, products.directory, jobs=jobs)

        def events() -> Events:
            return select_for_training(config, products.training, jobs=jobs, progress=progress)

        return _train(config, products, plan, events, jobs=jobs, progress=progress)[1]


def apply(
    config: Config, products: Products, *, cascade: Path | None = None, jobs: int = 1, progress: Progress = silent
) -> None:
    """Score all events with the trained cascade and fill the regions.

    Parameters
    ----------
    cascade : folder of a cascade that was trained elsewhere

    Raises
    ------
    InputError
        If the cascade was not trained with this configuration (one from elsewhere: for other events), or is damaged.
    """
    folder = cascade or products.cascade
    with locked(products.directory):
        key = None if cascade is None else _cascade_key(folder)
        plan = Plan.of(config, products.directory, cascade=key, jobs=jobs)
        if cascade is None:
            plan.require("train")
        model = steps.load_cascade(config, folder)
        events = select(config, jobs=jobs, progress=progress)
        _apply(config, products, plan, events, model, jobs=jobs)


def fit(config: Config, products: Products) -> dict[str, Any]:
    """Fit the filled regions; return the content of ``summary.json``.

    Raises
    ------
    InputError
        If the regions were not filled with this configuration, or a product is damaged.
    """
    with locked(products.directory):
        plan = _plan_of_what_was_applied(config, products)
        plan.require("apply")
        summary = steps.fit(config, products)
        plan.done("fit", products.of_fit())
        return summary


def report(config: Config, products: Products) -> None:
    """Draw the figures and write the page.

    Raises
    ------
    InputError
        If the products of the other steps do not belong to this configuration, or are damaged.
    """
    with locked(products.directory):
        plan = _plan_of_what_was_applied(config, products)
        plan.require("fit")
        _report(config, products, plan)


def _plan_of_what_was_applied(config: Config, products: Products) -> Plan:
    """Return the plan with the cascade that was applied, which may have been trained elsewhere."""
    applied = Inventory.read(products.directory).steps.get("apply")
    return Plan.of(config, products.directory, cascade=applied.inputs.get("cascade") if applied else None)


def _train(
    config: Config,
    products: Products,
    plan: Plan,
    events: Callable[[], Events],
    *,
    jobs: int,
    progress: Progress,
) -> tuple[Plan, Cascade]:
    """Return the cascade, trained where it is not there already, and the plan after it."""
    if plan.fault("train") is None:
        return plan, steps.load_cascade(config, products.cascade)
    kept = KeptModels(plan.inventory, plan.models)
    model = steps.train(config, products, events(), kept=kept, jobs=jobs, progress=progress)
    plan = plan.done("train", products.of_train(), about=description(config))
    kept.forget()
    return plan, model


def _apply(config: Config, products: Products, plan: Plan, events: Events, model: Cascade, *, jobs: int) -> Plan:
    about = steps.apply(config, products, events, model, jobs=jobs)
    return plan.done("apply", products.of_apply(), about=about)


def _report(config: Config, products: Products, plan: Plan) -> Plan:
    steps.report(config, products)
    return plan.done("report", products.of_report())


def _cascade_key(folder: Path) -> str:
    try:
        return sha256(folder / "cascade.json")
    except OSError as error:
        raise InputError(f"{folder / 'cascade.json'}: not a saved cascade: {error.strerror}") from error


def _summary(products: Products) -> dict[str, Any]:
    content: dict[str, Any] = products.read("summary", made_by="fit")
    return content
