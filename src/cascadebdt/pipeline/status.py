"""What is in the folder of a run: every product, whether it can be used, and if not why."""

from collections.abc import Iterator
from dataclasses import dataclass
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
    """Return a line per product, in the order of the steps.

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
    return tuple(line for step in STEPS if step in plan.steps for line in _of_step(step, plan))


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


def _of_step(step: str, plan: Plan) -> Iterator[Line]:
    change = plan.change(step)
    names = [name for name, made in plan.inventory.products.items() if made.step == step]
    if not names:
        yield Line("-", step, "missing", change or "nothing was made")
    for name in names:
        if fault := plan.inventory.alteration(name):
            yield Line(name, step, "missing" if fault.endswith("missing") else "altered", fault)
        else:
            yield Line(name, step, "changed" if change else "current", change or "")
