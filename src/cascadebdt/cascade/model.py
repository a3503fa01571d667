"""A trained cascade: its stages, how it scores events, and how it lies on disk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from cascadebdt.arrays import EVENT_ID, FEATURE, REGION, AnyArray, FeatureArray, IdArray, IntArray, RegionArray
from cascadebdt.cascade import holdout, sorter, storage
from cascadebdt.cascade.discriminant import Discriminant
from cascadebdt.cascade.multiclass import Multiclass
from cascadebdt.cascade.scores import BLINDED, Scores
from cascadebdt.cascade.stage import Classifier, Stage, require_distinct
from cascadebdt.cascade.working_point import WorkingPoint
from cascadebdt.config import Mode, region_names
from cascadebdt.errors import InputError, did_you_mean
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.events.selection import UNSEEN
from cascadebdt.forest.borders import RegionBorders
from cascadebdt.forest.evaluator import Evaluator, compile_members
from cascadebdt.forest.target import Target


@dataclass(frozen=True)
class Cascade:
    """Trained stages in order, with the number of folds and, optionally, the final discriminant and the sorter.

    `final` is a BDT, the signal against all backgrounds. Where there is a `discriminant`, its mean of several parts is
    the final discriminant instead. Where there is a `sorter`, it says which control region a rejected event goes to.

    In mode ``holdout`` one model per stage scores all events; simulation of other folds than 0 took part in its
    training. `provenance` is what a saved cascade says about its making.

    Examples
    --------
    Scores of NumPy columns, without a configuration:

    >>> cascade.save("cascade")
    >>> alone = cb.Cascade.load("cascade").score(dict(events.columns), events.event_id)
    >>> tighter = cascade.with_working_points({"zee": 0.6})
    """

    signal: str
    n_folds: int
    stages: tuple[Stage, ...]
    final: Classifier | None = None
    mode: Mode = "cross_fit"
    sorter: Multiclass | None = None
    discriminant: Discriminant | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        require_distinct([stage.name for stage in self.stages])

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied and pickled: not the compiled models, which are for this machine."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions: what each stage rejects, then the signal region."""
        return region_names.names(
            (stage.name, stage.working_point.validation_threshold is not None) for stage in self.stages
        )

    @property
    def empty_regions(self) -> tuple[str, ...]:
        """Regions of stages that everything passes, because there was too little to train them with."""
        untrained = [stage.name for stage in self.stages if not stage.classifier.is_trained]
        return tuple(name for name in self.regions if region_names.stage_of(name) in untrained)

    @property
    def classifiers(self) -> tuple[Classifier, ...]:
        """The classifiers of the stages in order, then the final discriminant if there is one."""
        return (*(stage.classifier for stage in self.stages), *([self.final] if self.final else []))

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
        shares: dict[str, float] = {}
        for classifier in self.classifiers:
            shares |= classifier.summary.repetition or {}
        for model in self._multiclass:
            shares |= model.summary["repetition"]
        return shares

    @property
    def _multiclass(self) -> tuple[Multiclass, ...]:
        """The multiclass BDTs: the sorter, and those of the final discriminant."""
        ratios = self.discriminant.ratios if self.discriminant else ()
        return (*([self.sorter] if self.sorter else []), *(ratio.model for ratio in ratios))

    @property
    def _models(self) -> tuple[Classifier | Multiclass, ...]:
        """Everything that was trained, the stages first."""
        further = self.discriminant.binary[1:] if self.discriminant else ()
        return (*self.classifiers, *further, *self._multiclass)

    def unseen(self, events: Events) -> Events:
        """Return the events that models may be judged on: all, or with a holdout those that took no part in training.

        In other modes these are all events, as every event is scored by models that never saw it. With a holdout the
        weights of the simulation that is left stand for all of it; see `holdout.unseen`.
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
        """Return the scores and the region of each event.

        Parameters
        ----------
        events : `Events`, or a mapping of feature name -> (n_events,) array, read where it lies if it is float32
        event_id : (n_events,) uint64 from `cascadebdt.events.identify`, with plain columns only
        unblind : keep the scores of data in the signal region, with `Events` only: plain columns are never blinded
        jobs : threads; they do not change the result

        Raises
        ------
        InputError
            If a feature is missing, columns differ in length, or plain columns come without `event_id`; with a holdout,
            if `Events` took part in the training (plain columns are all scored, as they do not tell simulation from
            data).
        """
        columns, identity = self._columns(events, event_id)
        evaluation = self._evaluator.run(columns, identity, self._borders, jobs=jobs, with_margins=True)
        n_stages = len(self.stages)
        margins, final = evaluation.margins[:n_stages].T, evaluation.margins[n_stages] if self.final else None
        region, sorted_as = self._sorted(columns, identity, evaluation.region)
        if self.discriminant is not None:
            final = self._discriminant_of(columns, identity, region, margins=margins, binary=final)
        scores = Scores(margins, final, region, self.regions, self.signal, sorted_as)
        return scores if unblind or not isinstance(events, Events) else scores.blinded(events.is_data)

    def classify(
        self,
        events: Events | Mapping[str, AnyArray],
        event_id: IdArray | None = None,
        *,
        unblind: bool = False,
        jobs: int = 1,
    ) -> RegionArray:
        """Return the regions alone, ``(n_events,) int8`` as in `Scores`, without memory for margins; see `score`."""
        columns, identity = self._columns(events, event_id)
        region = self._evaluator.run(columns, identity, self._borders, jobs=jobs, with_margins=False).region
        region, _ = self._sorted(columns, identity, region)
        if isinstance(events, Events) and not unblind:
            region[events.is_data & (region == len(self.regions) - 1)] = BLINDED
        return region

    def _sorted(
        self, columns: Mapping[str, AnyArray], event_id: IdArray, region: RegionArray
    ) -> tuple[RegionArray, FeatureArray | None]:
        """Return the regions and, with a sorter, the probability of the background it chose; see `sorter.assign`."""
        if self.sorter is None:
            return region, None
        control = [self.regions.index(f"{region_names.CONTROL}{stage.name}") for stage in self.stages]
        return sorter.assign(self.sorter, columns, self._model_of(event_id), region, np.array(control, REGION))

    def _discriminant_of(
        self,
        columns: Mapping[str, AnyArray],
        event_id: IdArray,
        region: RegionArray,
        *,
        margins: FeatureArray,
        binary: FeatureArray | None,
    ) -> FeatureArray | None:
        """Return the discriminant of the events in the signal region, ``(n_events,)``, NaN elsewhere."""
        if self.discriminant is None:
            return None
        rows = np.flatnonzero(region == len(self.regions) - 1)
        values = np.full(len(region), np.nan, FEATURE)
        values[rows] = self.discriminant.margin(
            columns,
            self._model_of(event_id),
            rows,
            stages=margins[rows],
            binary=None if binary is None else binary[rows],
        )
        return values

    def _model_of(self, event_id: IdArray) -> IntArray:
        """Return which of the models of a fold scores each event, ``(n_events,)``."""
        return fold_of(event_id, 1 if self.mode == "holdout" else self.n_folds)

    def with_normalisations(self, factors: Mapping[str, float]) -> Self:
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
        changed = replace(self, discriminant=self.discriminant.with_normalisations(factors))
        return changed._evaluated_by(self._evaluator)

    def with_working_points(
        self, thresholds: Mapping[str, float], *, validation: Mapping[str, float] | None = None
    ) -> Self:
        """Return the cascade with other thresholds, at once: the models stay as they were trained.

        The new working points know no efficiencies, as those depend on the events. Stages after a changed one were
        trained on the survivors of the old threshold.

        Parameters
        ----------
        thresholds : stage name -> score in [0, 1] from which on events pass; other stages keep theirs. For a signal
            efficiency take `threshold_at` of the scores of events that the models never saw
        validation : stage name -> score from which on rejected events are in the validation region; only of stages
            that have one

        Raises
        ------
        InputError
            If there is no such stage, nothing was trained for it, or a threshold does not fit.

        Examples
        --------
        >>> tighter = cascade.with_working_points({"ttbar": 0.9})  # doctest: +SKIP
        """
        validation = validation or {}
        names = [stage.name for stage in self.stages]
        for name in (*thresholds, *validation):
            if name not in names:
                raise InputError(f"with_working_points: no stage '{name}'{did_you_mean(name, names)}")
        stages = [_at(stage, thresholds.get(stage.name), validation.get(stage.name)) for stage in self.stages]
        changed = replace(self, stages=tuple(stages))
        return changed._evaluated_by(self._evaluator)

    @cached_property
    def _evaluator(self) -> Evaluator:
        """The models compiled, when they are first needed; thresholds have no part in it."""
        return self._compile(None)

    @cached_property
    def _borders(self) -> RegionBorders:
        """The thresholds as margins; the final discriminant, a last member, rejects nothing."""
        thresholds = [stage.working_point.thresholds for stage in self.stages]
        return RegionBorders.at([*thresholds, *([None] if self.final else [])])

    def compiled(self, choose_target: Callable[[int], Target] | None = None) -> Self:
        """Return the cascade compiled, so that the first events need not wait for it.

        Parameters
        ----------
        choose_target : returns the target of the kernels for a depth of trees (`cascadebdt.forest.target`); the fastest
            that this CPU can run if not given
        """
        return replace(self)._evaluated_by(self._compile(choose_target))

    def _compile(self, choose_target: Callable[[int], Target] | None) -> Evaluator:
        n_folds = 1 if self.mode == "holdout" else self.n_folds
        members = [classifier.member for classifier in self.classifiers]
        return compile_members(members, n_folds, choose_target=choose_target)

    def _evaluated_by(self, evaluator: Evaluator) -> Self:
        """Set the compiled models of a new cascade, which has none yet, and return it."""
        self.__dict__["_evaluator"] = evaluator  # where cached_property looks; the dataclass itself is frozen
        return self

    def save(self, directory: Path | str) -> None:
        """Write ``cascade.json`` and one ``.ubj`` file per booster.

        Models that an earlier cascade left in the directory are removed.

        Parameters
        ----------
        directory : of the cascade alone
        """
        directory = Path(directory)
        content = {
            "signal": self.signal,
            "mode": self.mode,
            "folds": self.n_folds,
            "regions": list(self.regions),
            "stages": [storage.save_stage(stage, directory) for stage in self.stages],
            "final": storage.save_classifier(self.final, directory) if self.final else None,
            "sorter": storage.save_multiclass(self.sorter, directory) if self.sorter else None,
            "discriminant": storage.save_discriminant(self.discriminant, directory) if self.discriminant else None,
            "provenance": dict(self.provenance),
        }
        storage.write_content(directory, content)

    @classmethod
    def load(cls, directory: Path | str) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If a file is missing, damaged, or not the one that was saved.
        """
        directory = Path(directory)
        content = storage.read_content(directory)
        try:
            final = storage.load_classifier(content["final"], directory) if content["final"] else None
            discriminant = content["discriminant"]
            return cls(
                signal=content["signal"],
                n_folds=content["folds"],
                stages=tuple(storage.load_stage(entry, directory) for entry in content["stages"]),
                final=final,
                mode=content["mode"],
                sorter=storage.load_multiclass(content["sorter"], directory) if content["sorter"] else None,
                discriminant=storage.load_discriminant(discriminant, final, directory) if discriminant else None,
                provenance=content["provenance"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
            raise InputError(
                f"{directory / storage.FILE_NAME}: damaged ({reason}); train it again: 'cascadebdt train'"
            ) from error

    def _columns(
        self, events: Events | Mapping[str, AnyArray], event_id: IdArray | None
    ) -> tuple[Mapping[str, AnyArray], IdArray]:
        """Return columns and identities to score."""
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


def _at(stage: Stage, threshold: float | None, validation: float | None) -> Stage:
    """Return a stage with other thresholds; None keeps one."""
    if threshold is None and validation is None:
        return stage
    where, old = f"with_working_points: stage '{stage.name}'", stage.working_point
    if not stage.classifier.is_trained:
        raise InputError(f"{where} was not trained and gives all events the same score, expected a trained stage")
    if validation is not None and old.validation_threshold is None:
        raise InputError(f"{where} has no validation region, expected no validation threshold for it")
    tight = old.threshold if threshold is None else np.float32(threshold)
    loose = old.validation_threshold if validation is None else np.float32(validation)
    if not 0 <= tight <= 1:
        raise InputError(f"{where}: threshold {tight:g}, expected a score in [0, 1]")
    if loose is not None and not 0 <= loose < tight:
        raise InputError(
            f"{where}: validation threshold {loose:g}, expected a score in [0, {tight:g}), below the threshold; give "
            "both if both are to change"
        )
    return replace(stage, working_point=WorkingPoint(tight, None, {}, loose))
