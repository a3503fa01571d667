"""What is in the folder of a run: every product, whether it can be used, and if not why."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cascadebdt import config as configuration
from cascadebdt.config import Config
from cascadebdt.errors import InputError
from cascadebdt.pipeline.plan import STEPS, Plan
from cascadebdt.products.inventory import MANIFEST, Inventory

State = Literal["current", "changed", "altered", "missing"]


@dataclass(frozen=True)
class Line:
    """One product.

    Attributes
    ----------
    product : path in the folder; ``-`` for a step without products
    step : that makes it
    state : ``current``; ``changed``, made from something else than now; ``altered``, not what was written; ``missing``
    reason : why it cannot be used; empty where it can
    """

    product: str
    step: str
    state: State
    reason: str


def status(folder: Path, config_path: Path | None = None) -> tuple[Line, ...]:
    """Return a line per product, in the order of the steps, then those of studies.

    Parameters
    ----------
    folder : of the products
    config_path : the configuration to compare with; if not given that of the run, with its input files as they are now

    Raises
    ------
    InputError
        If there is no manifest, or it cannot be understood.
    ConfigError
        If the configuration is wrong.
    """
    inventory = Inventory.read(folder)
    if not inventory.steps:
        raise InputError(f"{folder / MANIFEST}: no such manifest, so no step has been done here")
    config = configuration.load(config_path) if config_path else _of_run(inventory)
    plan = Plan.of(config, folder, elsewhere=inventory.elsewhere, files=_chosen(inventory, config))
    steps = [line for step in STEPS if step in plan.steps for line in _of_step(step, plan.change(step), plan)]
    studies = [name for name in inventory.steps if name not in STEPS]
    return (*steps, *(line for name in studies for line in _of_step(name, _change_of_study(name, plan, config), plan)))


def _change_of_study(study: str, plan: Plan, config: Config) -> str | None:
    """Return in words what has changed since a study was made; None if nothing has."""
    made, done = plan.inventory.steps[study], plan.inventory.steps
    studies = [name for name in made.inputs if name in done and name not in STEPS]  # whose figures these are
    for name in studies:
        if change := _change_of_study(name, plan, config):
            return change
    keys = {step: plan.steps[step].key for step in made.inputs if step in plan.steps}
    for step, key in keys.items():
        if key != made.inputs[step] and (change := plan.change(step)):
            return change
    keys |= {name: done[name].key for name in studies}
    now = {"config_hash": config.hash, "plots": config.plots.model_dump(mode="json", by_alias=True)}
    own = {name: part for name, part in now.items() if name in made.parts}
    return plan.inventory.change(replace(made, parts={**made.parts, **own}, inputs={**made.inputs, **keys}))


def _of_run(inventory: Inventory) -> Config:
    about = inventory.about
    return configuration.parse(about["config"], directory=Path(about["directory"]))


def _chosen(inventory: Inventory, config: Config) -> dict[str, list[str]] | None:
    """Return the files that `apply` was told, None if it read all of the configuration."""
    if not inventory.about.get("is_part"):
        return None
    files: dict[str, list[str]] = {}
    for entry in inventory.about["files"]:
        file = entry["file"]
        location = file if "://" in file else str((config.directory / file).resolve())
        files.setdefault(entry["sample"], []).append(location)
    return files


def _of_step(step: str, change: str | None, plan: Plan) -> Iterator[Line]:
    names = [name for name, made in plan.inventory.products.items() if made.step == step]
    if not names:
        yield Line("-", step, "missing", change or "nothing was made")
    for name in names:
        if fault := plan.inventory.alteration(name):
            yield Line(name, step, "missing" if fault.endswith("missing") else "altered", fault)
        else:
            yield Line(name, step, "changed" if change else "current", change or "")
