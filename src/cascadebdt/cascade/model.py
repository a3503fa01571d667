"""A trained cascade: its stages, how it scores events, and how it lies on disk."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cascadebdt.arrays import EVENT_ID, FEATURE, REGION, AnyArray, FeatureArray, IdArray, IntArray, RegionArray
from cascadebdt.atomic import write_text
from cascadebdt.cascade import holdout, sorter, storage
from cascadebdt.cascade.discriminant import Discriminant
from cascadebdt.cascade.multiclass import Multiclass
from cascadebdt.cascade.scores import BLINDED, Scores
from cascadebdt.cascade.stage import Classifier, Stage, WorkingPoint
from cascadebdt.config import Mode, region_names
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.events.selection import UNSEEN
from cascadebdt.forest import scorer
from cascadebdt.forest.engines import Member
from cascadebdt.forest.logistic import margin_cut
from cascadebdt.forest.scorer import Scorer
from cascadebdt.forest.source import Level

FORMAT = 3
SLICE = 1 << 20  # events whose margins are held at a time where only regions are wanted


@dataclass(frozen=True)
class Cascade:
    """Trained stages in order, with the number of folds and, optionally, the final discriminant and the sorter.

    `final` is a BDT, the signal against all backgrounds. Where there is a `discriminant`, its mean of several parts is
    the final discriminant instead. Where there is a `sorter`, it says which control region a rejected event goes to.

    In mode ``holdout`` one model per stage scores all events; simulation of other folds than 0 took part in its
    training. `provenance` is what a saved cascade says about its making.
    """

    signal: str
    n_folds: int
    stages: tuple[Stage, ...]
    final: Classifier | None = None
    mode: Mode = "cross_fit"
    sorter: Multiclass | None = None
    discriminant: Discriminant | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions: what each stage rejects, then the signal region."""
        return region_names.names(
            (stage.name, stage.working_point.validation_threshold is not None) for stage in self.stages
        )

    @property
    def empty_regions(self) -> tuple[str, ...]:
        """Regions of stages that everything passes, because there was too little to train them with."""
        untrained = [stage.name for stage in self.stages if "untrained" in stage.classifier.summary]
        return tuple(name for name in self.regions if region_names.stage_of(name) in untrained)

    @property
    def features(self) -> tuple[str, ...]:
        """Every feature needed to score, each once."""
        return tuple(dict.fromkeys(name for model in self._models for name in model.features))

    @property
    def cuts(self) -> tuple[str, ...]:
        """Names of the cuts that `unseen` makes."""
        return (UNSEEN,) if self.mode == "holdout" else ()

    @property
    def repetition(self) -> dict[str, float]:
        """Share of the most frequent value of each feature in the events that trained, see `inputs.repetition`."""
        return {name: share for model in self._models for name, share in model.summary.get("repetition", {}).items()}

    @property
    def _models(self) -> list[Classifier | Multiclass]:
        """Everything that was trained, the stages first."""
        models: list[Classifier | Multiclass] = [stage.classifier for stage in self.stages]
        models += [model for model in (self.final, self.sorter) if model is not None]
        if self.discriminant is not None:
            models += [*self.discriminant.binary[1:], *(ratio.model for ratio in self.discriminant.ratios)]
        return models

    def unseen(self, events: Events) -> Events:
        """Return the events whose yields may be believed: all, or with a holdout those that did not train.

        The weights of the simulation that is left then stand for all of it; see `holdout.unseen`.
        """
        return holdout.unseen(events, self.n_folds) if self.mode == "holdout" else events

    def score(
        self,
        events: Events | Mapping[str, AnyArray],
        event_id: IdArray | None = None,
        *,
        unblind: bool = False,
        jobs: int = 1,
    ) -> Scores:
        """Score events and say in which region each lands.

        Parameters
        ----------
        events : `Events`, or a mapping of feature name -> (n_events,) array, read where it lies if it is float32
        event_id : (n_events,) uint64 from `cascadebdt.events.identify`, with plain columns only
        unblind : keep what `Events` say is data in the signal region
        jobs : threads; they do not change the result

        Raises
        ------
        InputError
            If a feature is missing, columns differ in length, or plain columns come without `event_id`; with a holdout,
            if `Events` took part in the training (of plain columns it is not known what is simulation: all are scored).
        """
        columns, identity = self._columns(events, event_id)
        found = self._scorer.run(columns, identity, jobs=jobs, with_margins=True)
        n_stages = len(self.stages)
        stages, final = found.margins[:n_stages].T, found.margins[n_stages] if self.final else None
        region, sorted_as = self._sorted(columns, identity, self._codes(found.region, found.margins))
        if self.discriminant is not None:
            final = self._discriminant(self.discriminant, columns, identity, region, stages, final)
        scores = Scores(stages, final, region, self.regions, self.signal, sorted_as)
        return scores if unblind or not isinstance(events, Events) else scores.blinded(events.is_data)

    def classify(
        self,
        events: Events | Mapping[str, AnyArray],
        event_id: IdArray | None = None,
        *,
        unblind: bool = False,
        jobs: int = 1,
    ) -> RegionArray:
        """Return the regions alone, ``(n_events,) int8`` as in `Scores`, without memory for scores; see `score`."""
        columns, identity = self._columns(events, event_id)
        region = self._region(columns, identity, jobs)
        if isinstance(events, Events) and not unblind:
            region[events.is_data & (region == len(self.regions) - 1)] = BLINDED
        return region

    def _sorted(
        self, columns: Mapping[str, AnyArray], event_id: IdArray, region: RegionArray
    ) -> tuple[RegionArray, FeatureArray | None]:
        """Return the regions and, with a sorter, the probability of the background it chose; see `sorter.assign`."""
        if self.sorter is None:
            return region, None
        return sorter.assign(self.sorter, columns, self._model_of(event_id), region, self._control)

    def _discriminant(
        self,
        discriminant: Discriminant,
        columns: Mapping[str, AnyArray],
        event_id: IdArray,
        region: RegionArray,
        stages: FeatureArray,
        binary: FeatureArray | None,
    ) -> FeatureArray:
        """Return the discriminant of the events in the signal region, ``(n_events,)``, NaN elsewhere."""
        rows = np.flatnonzero(region == len(self.regions) - 1)
        margins = np.full(len(region), np.nan, FEATURE)
        margins[rows] = discriminant.margin(
            columns,
            self._model_of(event_id),
            rows,
            stages=stages[rows],
            binary=None if binary is None else binary[rows],
        )
        return margins

    def _model_of(self, event_id: IdArray) -> IntArray:
        """Return which of the models scores each event, ``(n_events,)``."""
        return fold_of(event_id, 1 if self.mode == "holdout" else self.n_folds)

    @cached_property
    def _control(self) -> RegionArray:
        """The code of the control region of each stage, ``(n_stages,)``."""
        return np.array([self.regions.index(f"{region_names.CONTROL}{stage.name}") for stage in self.stages], REGION)

    def _region(self, columns: Mapping[str, AnyArray], event_id: IdArray, jobs: int) -> RegionArray:
        """Return the regions; validation regions need margins, which are held for some events at a time."""
        if len(self.regions) == len(self.stages) + 1:
            region = self._scorer.run(columns, event_id, jobs=jobs, with_margins=False).region
            return self._sorted(columns, event_id, region)[0]
        region = np.empty(len(event_id), REGION)
        for start in range(0, len(event_id), SLICE):
            some = slice(start, start + SLICE)
            part = {name: np.asarray(columns[name])[some] for name in self.features if name in columns}
            found = self._scorer.run(part, event_id[some], jobs=jobs, with_margins=True)
            region[some] = self._sorted(part, event_id[some], self._codes(found.region, found.margins))[0]
        return region

    def _codes(self, rejected: RegionArray, margins: FeatureArray) -> RegionArray:
        """Return the codes of the regions.

        Parameters
        ----------
        rejected : (n_events,) the stage that rejects an event, or the number of stages
        margins : (n_members, n_events)
        """
        if len(self.regions) == len(self.stages) + 1:
            return rejected
        control = self._control
        codes = np.array([*control, len(self.regions) - 1], REGION)[rejected]
        for k, stage in enumerate(self.stages):
            if stage.working_point.validation_threshold is not None:
                near = margins[k] >= margin_cut(stage.working_point.validation_threshold)
                codes[(rejected == k) & near] = control[k] + 1
        return codes

    @cached_property
    def _scorer(self) -> Scorer:
        """The cascade compiled, when it first scores."""
        return self.compiled()

    def compiled(self, level: Callable[[int], Level] | None = None) -> Scorer:
        """Return the cascade compiled for scoring, at the fastest level of this CPU unless another is asked for."""
        members = [
            Member(stage.name, stage.classifier.features, stage.classifier.boosters, stage.working_point.threshold)
            for stage in self.stages
        ]
        if self.final:
            members.append(Member("final", self.final.features, self.final.boosters, None))
        return scorer.build(members, 1 if self.mode == "holdout" else self.n_folds, level=level)

    def with_normalisations(self, factors: Mapping[str, float]) -> "Cascade":
        """Return the cascade with other expected yields in its final discriminant, such as those of a fit.

        Parameters
        ----------
        factors : background process -> factor on its expected yield

        Raises
        ------
        InputError
            If the final discriminant takes no yields: if it is a binary BDT alone.
        """
        if self.discriminant is None or self.discriminant.parts == ("binary",):
            raise InputError(
                "with_normalisations: the final discriminant is a binary BDT, which takes no yields; train it with "
                "final.kind 'multiclass' or 'stages'"
            )
        return replace(self, discriminant=self.discriminant.with_normalisations(factors))

    def save(self, directory: Path | str, *, provenance: Mapping[str, Any] | None = None) -> None:
        """Write ``cascade.json`` and one ``.ubj`` file per booster; `provenance` is kept in the JSON file."""
        directory = Path(directory)
        content = {
            "format": FORMAT,
            "signal": self.signal,
            "mode": self.mode,
            "folds": self.n_folds,
            "regions": list(self.regions),
            "stages": [
                {**storage.save_classifier(s.classifier, directory), **_working_point(s.working_point)}
                for s in self.stages
            ],
            "final": storage.save_classifier(self.final, directory) if self.final else None,
            "sorter": storage.save_multiclass(self.sorter, directory) if self.sorter else None,
            "discriminant": storage.save_discriminant(self.discriminant, directory) if self.discriminant else None,
            "provenance": dict(provenance or {}),
        }
        write_text(directory / "cascade.json", json.dumps(content, indent=2) + "\n")

    @classmethod
    def load(cls, directory: Path | str) -> "Cascade":
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If a file is missing or is not the one that was saved.
        """
        directory = Path(directory)
        try:
            content = json.loads((directory / "cascade.json").read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"{directory / 'cascade.json'}: not a saved cascade: {error}") from error
        if content.get("format") != FORMAT:
            raise InputError(f"{directory / 'cascade.json'}: format {content.get('format')}, expected {FORMAT}")
        final = storage.load_classifier(content["final"], directory) if content["final"] else None
        discriminant = content["discriminant"]
        return cls(
            signal=content["signal"],
            n_folds=content["folds"],
            stages=tuple(
                Stage(storage.load_classifier(entry, directory), _read_working_point(entry))
                for entry in content["stages"]
            ),
            final=final,
            mode=content["mode"],
            sorter=storage.load_multiclass(content["sorter"], directory) if content["sorter"] else None,
            discriminant=storage.load_discriminant(discriminant, final, directory) if discriminant else None,
            provenance=content["provenance"],
        )

    def _columns(
        self, events: Events | Mapping[str, AnyArray], event_id: IdArray | None
    ) -> tuple[Mapping[str, AnyArray], IdArray]:
        """Return the columns and the identity of what is to be scored."""
        if not isinstance(events, Events):
            return events, _checked_identity(events, event_id)
        if self.mode == "holdout":
            holdout.require_unseen(events, self.n_folds)
        return events.columns, events.event_id


def _checked_identity(columns: Mapping[str, AnyArray], event_id: IdArray | None) -> IdArray:
    if event_id is None:
        raise InputError("score: plain columns need event_id, (n_events,) uint64; see cascadebdt.events.identify")
    if np.asarray(event_id).dtype != EVENT_ID:
        raise InputError(
            f"score: event_id must be uint64, got {np.asarray(event_id).dtype}; a float loses large numbers"
        )
    for name, column in columns.items():
        if np.shape(column) != np.shape(event_id):
            raise InputError(f"score: column '{name}' has shape {np.shape(column)}, expected {np.shape(event_id)}")
    return event_id


def _working_point(point: WorkingPoint) -> dict[str, Any]:
    looser = point.validation_threshold
    return {
        "threshold": _exact(point.threshold),
        "signal_efficiency": point.signal_efficiency,
        "efficiencies": dict(point.efficiencies),
        **({} if looser is None else {"validation_threshold": _exact(looser)}),
    }


def _exact(threshold: np.float32) -> dict[str, Any]:
    return {"value": float(threshold), "hex": float(threshold).hex()}


def _read_working_point(entry: Mapping[str, Any]) -> WorkingPoint:
    looser = entry.get("validation_threshold")
    return WorkingPoint(
        _read_exact(entry["threshold"]),
        entry["signal_efficiency"],
        entry["efficiencies"],
        None if looser is None else _read_exact(looser),
    )


def _read_exact(threshold: Mapping[str, Any]) -> np.float32:
    return np.float32(float.fromhex(threshold["hex"]))
