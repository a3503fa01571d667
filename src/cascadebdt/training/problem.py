"""What is to be learned: the signal against some processes, by some features."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from cascadebdt.arrays import BoolArray, IntArray
from cascadebdt.cascade.stage import FINAL, require_distinct
from cascadebdt.config import (
    DATA,
    BDTConfig,
    CascadeConfig,
    ConstraintsConfig,
    DecorrelateConfig,
    FinalConfig,
    StageConfig,
    WorkingPointConfig,
)
from cascadebdt.events import Events


@dataclass(frozen=True)
class Problem:
    """The classification problem of a stage, or of the final discriminant, which has no working point.

    `dropped` are features that were asked for, but have one value in all events that reach it. `train_on` says whether
    it trains on all events or on those that pass the earlier stages, `distributed` whether on many machines.
    """

    name: str
    signal: str
    against: tuple[str, ...]
    features: tuple[str, ...]
    bdt: BDTConfig
    constraints: ConstraintsConfig
    decorrelate: DecorrelateConfig | None
    working_point: WorkingPointConfig | None
    train_on: Literal["all", "survivors"]
    distributed: bool = False
    dropped: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: StageConfig | FinalConfig, signal: str, against: tuple[str, ...]) -> Self:
        """Return the problem of a stage, or of the final discriminant."""
        name, point = (spec.name, spec.working_point) if isinstance(spec, StageConfig) else (FINAL, None)
        return cls(
            name=name,
            signal=signal,
            against=against,
            features=spec.features,
            bdt=spec.bdt,
            constraints=spec.constraints,
            decorrelate=spec.decorrelate,
            working_point=point,
            train_on=spec.train_on,
            distributed=spec.distributed,
        )

    @property
    def where(self) -> str:
        """What it is called in messages."""
        return f"stage '{self.name}'"

    def classes(self, events: Events) -> dict[str, BoolArray]:
        """Return the signal and the background, ``(n_events,)`` each."""
        return {
            self.signal: events.of_process(self.signal),
            " + ".join(self.against): events.of_process(*self.against),
        }

    def without(self, features: Collection[str]) -> Self:
        """Return the problem without some features, in its constraints, too."""
        constraints = self.constraints.model_copy(
            update={
                "monotone": {
                    name: direction for name, direction in self.constraints.monotone.items() if name not in features
                },
                "interactions": tuple(
                    tuple(name for name in group if name not in features) for group in self.constraints.interactions
                ),
            }
        )
        kept = tuple(name for name in self.features if name not in features)
        return replace(self, features=kept, constraints=constraints, dropped=tuple(sorted(features)))

    def rows(self, events: Events, alive: BoolArray) -> IntArray:
        """Return the rows of both classes that are alive."""
        return np.flatnonzero(alive & events.of_process(self.signal, *self.against))


def problems(config: CascadeConfig, events: Events) -> list[Problem]:
    """Return the problems of the stages in order, then that of the final binary BDT if there is one.

    Raises
    ------
    InputError
        If two of them have the same name.
    """
    require_distinct([spec.name for spec in config.stages])
    found = [Problem.of(spec, config.signal, spec.against) for spec in config.stages]
    if config.final and "binary" in config.final.kind:
        found.append(Problem.of(config.final, config.signal, backgrounds(events, config.signal)))
    return found


def backgrounds(events: Events, signal: str) -> tuple[str, ...]:
    """Return the names of the background processes."""
    return tuple(name for name in events.processes if name not in (signal, DATA))
