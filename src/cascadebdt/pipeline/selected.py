"""The selected events of a run, in memory or on disk, read from the input files or from what `select` has left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cascadebdt.atomic import scratch
from cascadebdt.config import Config
from cascadebdt.events import Events, StoredEvents
from cascadebdt.events.loading import select, select_to_disk
from cascadebdt.pipeline.plan import Plan
from cascadebdt.products import Products
from cascadebdt.products.parts import SelectedParts
from cascadebdt.progress import Progress


def kept_parts(config: Config, products: Products, plan: Plan) -> SelectedParts:
    """Return what `select` has left in a folder."""
    return SelectedParts(products.directory, plan.selections, config.directory)


@dataclass(frozen=True)
class Selection:
    """Selected events, and those that train.

    Attributes
    ----------
    all : in memory or on disk
    training : returns the events that train
    """

    all: Events | StoredEvents
    training: Callable[[], Events]


@contextmanager
def selected(
    config: Config, products: Products, plan: Plan, *, training_only: bool = False, jobs: int, progress: Progress
) -> Iterator[Selection]:
    """Select events where `cascade.memory` says: into memory, or into files that vanish when the block ends."""
    kept = kept_parts(config, products, plan)
    if config.cascade.memory == "ram":
        events = select(config, nominal_only=training_only, kept=kept, jobs=jobs, progress=progress)
        yield Selection(events, lambda: events)
        return
    with scratch(products.selected) as folder:
        stored = select_to_disk(config, folder, training_only=training_only, kept=kept, jobs=jobs, progress=progress)
        yield Selection(stored, lambda: stored.training(folder / "training.root"))
