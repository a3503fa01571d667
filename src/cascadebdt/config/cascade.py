"""The part of a configuration about the cascade: its stages in their order, and how all of them are trained."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cascadebdt.config import region_names
from cascadebdt.config.base import Flag, Integer, LocatedError, Name, NotNegative, Section, require_unique
from cascadebdt.config.learning import BDTConfig
from cascadebdt.config.stages import ControlConfig, FinalConfig, StageConfig

NegativeWeights = Literal["absolute", "drop", "zero", "pair", "error"]
ClassBalance = Literal["events", "effective", "equal", "processes", "yields", "none"]
Mode = Literal["cross_fit", "nested", "holdout"]
Device = Literal["auto", "cpu", "cuda"]
Memory = Literal["ram", "stream", "disk"]
NO_FILES = "workers read the events from files; set cascade.memory to 'stream' or 'disk'"


class CascadeConfig(Section):
    """The ordered stages and how they are trained."""

    signal: Name = Field(default="signal", description="Process that every stage keeps.", examples=["whdark"])
    mode: Mode = Field(
        default="cross_fit",
        description="Which models score an event. `cross_fit`: those of its fold, which trained on the other folds, on "
        "events that models of other folds, which may have seen it, let through. `nested`: those of its fold, trained "
        "on what a cascade of the other folds alone lets through, at `folds` times the cost. `holdout`: one model per "
        "stage, trained without fold 0; of simulation only fold 0 is scored.",
        examples=["nested"],
    )
    folds: Integer = Field(
        default=5, ge=2, le=100, description="Parts of the events, by identity, for cross-fitting.", examples=[3]
    )
    bdt: BDTConfig = Field(
        default=BDTConfig(),
        description="Hyperparameters of every stage that does not set its own.",
        examples=[{"n_estimators": 60, "max_depth": 3}],
    )
    device: Device = Field(
        default="auto",
        description="Where boosters train; `auto` takes a CUDA device if there is one.",
        examples=["cpu"],
    )
    memory: Memory = Field(
        default="ram",
        description="Where selected events are kept, with the same result. `ram`; `stream`: in files, and for training "
        "their bins in memory, one fold after the other; `disk`: bins in files, too.",
        examples=["stream"],
    )
    max_events_per_process: Integer | None = Field(
        default=None,
        gt=0,
        description="At most so many events of a process train a stage, chosen by their identity.",
        examples=[1000000],
    )
    inverse_sampling_weights: Flag = Field(
        default=True,
        description="Whether the events chosen so stand for the others, which keeps the mixture of the processes.",
        examples=[False],
    )
    negative_weights: NegativeWeights = Field(
        default="absolute",
        description="What becomes of negative weights, in training only: they count by their absolute value, are "
        "dropped, weigh nothing, are cancelled against neighbours (`pair`), or are refused.",
        examples=["pair"],
    )
    class_balance: ClassBalance = Field(
        default="events",
        description="What the weights of signal and background are scaled to, in training only, see "
        "[training.md](training.md#weights).",
        examples=["equal"],
    )
    min_effective_events: NotNegative = Field(
        default=100.0,
        description="Effective events, (sum w)^2 / sum w^2, that a stage needs in either class.",
        examples=[20],
    )
    too_few_events: Literal["error", "pass"] = Field(
        default="error",
        description="What becomes of a stage with fewer: an error, or a stage that everything passes.",
        examples=["pass"],
    )
    stages: tuple[StageConfig, ...] = Field(
        min_length=1,
        description="Stages in the order in which events meet them.",
        examples=[[{"name": "zee", "against": "zee", "features": ["m_lg"], "working_point": 0.93}]],
    )
    control: ControlConfig = Field(
        default=ControlConfig(),
        description="Which control region a rejected event goes to.",
        examples=[{"assign": "sorter"}],
    )
    final: FinalConfig | None = Field(
        default=None,
        description="Final discriminant, in which the signal region is binned.",
        examples=[{"features": ["photon_pt", "met"]}],
    )

    @model_validator(mode="before")
    @classmethod
    def _inherit_bdt(cls, data: Any) -> Any:
        """Give every stage the common hyperparameters that it does not set itself."""
        common = data.get("bdt", {}) if isinstance(data, Mapping) else None
        if not isinstance(common, Mapping):
            return data

        def complete(stage: Any) -> Any:
            own = stage.get("bdt", {}) if isinstance(stage, Mapping) else None
            return {**stage, "bdt": {**common, **own}} if isinstance(own, Mapping) else stage

        stages = data.get("stages")
        return {
            **data,
            **({"stages": [complete(stage) for stage in stages]} if isinstance(stages, list | tuple) else {}),
            **{key: complete(data[key]) for key in ("control", "final") if data.get(key) is not None},
        }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        require_unique([stage.name for stage in self.stages], "stages")
        for index, stage in enumerate(self.stages):
            if self.signal in stage.against:
                message = f"stage '{stage.name}' trains the signal '{self.signal}' against itself"
                raise LocatedError(message, "stages", index, "against")
        return self

    @model_validator(mode="after")
    def _workers_read_files(self) -> Self:
        for index, stage in enumerate(self.stages):
            if stage.distributed and self.memory == "ram":
                raise LocatedError(NO_FILES, "stages", index, "distributed")
        if self.final and self.final.distributed and self.memory == "ram":
            raise LocatedError(NO_FILES, "final", "distributed")
        return self

    @model_validator(mode="after")
    def _one_stage_per_process(self) -> Self:
        """Require that no process is a background of two stages where a probability belongs to each stage."""
        against = [(index, name) for index, stage in enumerate(self.stages) for name in stage.against]
        names = [name for _, name in against]
        for index, name in against:
            if names.count(name) > 1 and (self.is_sorted or (self.final and "stages" in self.final.kind)):
                raise LocatedError(
                    f"process '{name}' is the background of more than one stage; control.assign 'sorter' and "
                    "final.kind 'stages' need each process in one stage at most",
                    "stages",
                    index,
                    "against",
                )
        return self

    @model_validator(mode="after")
    def _enough_folds(self) -> Self:
        trained = [stage.bdt for stage in self.stages]
        trained += [self.final.bdt] if self.final else []
        trained += [self.control.bdt] if self.is_sorted else []
        is_stopped = any(bdt.early_stopping_rounds for bdt in trained)
        needed = 2 + is_stopped + (self.mode != "cross_fit")
        if self.folds < needed:
            reason = "early stopping needs a fold of its own" if is_stopped else "a fold held out needs two others"
            cure = ", or early_stopping_rounds to null" if is_stopped else ""
            raise ValueError(f"{reason}: set folds to {needed} or more for mode {self.mode}{cure}")
        return self

    @property
    def is_sorted(self) -> bool:
        """Whether a sorter says which control region a rejected event goes to."""
        return self.control.assign == "sorter"

    @property
    def sorter_features(self) -> tuple[str, ...]:
        """Features that the sorter reads."""
        return self.control.features or tuple(dict.fromkeys(name for stage in self.stages for name in stage.features))

    @property
    def features(self) -> tuple[str, ...]:
        """Every feature that something trains on, each once."""
        used = [stage.features for stage in self.stages]
        used += [self.sorter_features] if self.is_sorted else []
        used += [self.final.features] if self.final else []
        return tuple(dict.fromkeys(name for features in used for name in features))

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions that the stages make."""
        return region_names.names((stage.name, stage.working_point.is_validated) for stage in self.stages)
