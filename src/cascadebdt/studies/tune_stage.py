"""The trials of one stage: hyperparameters are drawn, and trained fold by fold until they promise little."""

import json
import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cascadebdt.errors import InputError
from cascadebdt.products.ranking import Estimate
from cascadebdt.products.tuning import StageTuning, TrialRecord
from cascadebdt.studies import tune_space
from cascadebdt.studies.stage_trials import CHOOSING, Merit, Objective, StageTrials
from cascadebdt.studies.tune_space import Sampler, Values
from cascadebdt.training.fitting import Trained
from cascadebdt.training.problem import Problem

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

N_BEFORE_PRUNING = 5  # trials that are finished, whatever they promise
N_MESSAGES = 5  # about the progress of a stage


@dataclass(frozen=True)
class Settings:
    """How a study is done.

    Attributes
    ----------
    n_trials : of each stage
    objective : ``auc``, or ``log_loss``, which counts with a minus sign so that larger is better
    sampler : how hyperparameters are drawn
    pruning : whether a trial ends that is worse, after some of its folds, than the median of those before it
    seed : of the sampler
    """

    n_trials: int
    objective: Objective
    sampler: Sampler
    pruning: bool
    seed: int


def tune(trials: StageTrials, settings: Settings, storage: "optuna.storages.BaseStorage", name: str) -> StageTuning:
    """Tune a stage; trials that are in the storage are not done again.

    Parameters
    ----------
    trials : of the stage
    settings : of the study
    storage : where Optuna keeps trials
    name : of the study there

    Raises
    ------
    InputError
        If the merit of the configured hyperparameters does not exist.
    """
    import optuna

    default = _in_folds_that_choose(trials, trials.problem, settings.objective)
    if not math.isfinite(default.value):
        raise InputError(
            f"tune: {trials.problem.where}: '{settings.objective}' does not exist with the configured hyperparameters; "
            "give the bins of the regions fewer effective events (min_effective_events), or choose another objective"
        )

    pruner = optuna.pruners.MedianPruner(n_startup_trials=N_BEFORE_PRUNING) if settings.pruning else None
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        direction="maximize",
        pruner=pruner or optuna.pruners.NopPruner(),
        load_if_exists=True,
    )
    for abandoned in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        study.tell(abandoned.number, state=optuna.trial.TrialState.FAIL)
    stage, n_finished = trials.problem.name, len(_finished(study))
    for number in range(n_finished, settings.n_trials):
        study.sampler = tune_space.sampler_of(settings.sampler, seed=settings.seed, stage=stage, n_finished=number)
        _try(study, trials, settings)
        if (number + 1) % max(1, settings.n_trials // N_MESSAGES) == 0:
            log.info("stage %s: trial %d of %d", stage, number + 1, settings.n_trials)
    return _judged(trials, settings, default, _finished(study)[: settings.n_trials])


def _finished(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    import optuna

    return study.get_trials(states=[optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED])


def _try(study: "optuna.Study", trials: StageTrials, settings: Settings) -> None:
    """Do a trial, fold by fold."""
    import optuna

    trial = study.ask()
    problem = _with(trials.problem, tune_space.draw(trial, trials.problem.bdt, settings.sampler))
    trained: dict[int, Trained] = {}
    for step, fold in enumerate(CHOOSING):
        trained[fold] = trials.train(problem, fold)
        trial.report(trials.merit(trained, settings.objective).value, step)
        if fold != CHOOSING[-1] and trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return
    study.tell(trial, trials.merit(trained, settings.objective).value)


def _with(problem: Problem, values: Values) -> Problem:
    return replace(problem, bdt=tune_space.with_values(problem.bdt, values))


def _judged(
    trials: StageTrials, settings: Settings, default: Merit, finished: "list[optuna.trial.FrozenTrial]"
) -> StageTuning:
    """Compare the best trial with the configuration, in the folds that chose it and in the one that did not."""
    records = tuple(_record(trial) for trial in finished)
    best = max((record for record in records if not record.is_pruned), key=lambda record: record.merit)
    configured, proposed = trials.problem, _with(trials.problem, best.values)
    chosen = _in_folds_that_choose(trials, proposed, settings.objective)
    claimed = chosen.gain_over(default)
    unseen_default, unseen = (trials.held_out(one, settings.objective) for one in (configured, proposed))
    held_out = unseen.gain_over(unseen_default)
    is_changed = claimed.value > claimed.uncertainty
    return StageTuning(
        hyperparameters=(proposed if is_changed else configured).bdt.model_dump(),
        is_changed=is_changed,
        default=default.estimate,
        best=chosen.estimate,
        claimed=claimed,
        held_out=held_out,
        optimism=Estimate(claimed.value - held_out.value, float(np.hypot(claimed.uncertainty, held_out.uncertainty))),
        trials=records,
    )


def _record(trial: "optuna.trial.FrozenTrial") -> TrialRecord:
    """Return what is told of a trial; Optuna keeps the merit after each fold, and the value of a finished trial."""
    last = trial.intermediate_values[max(trial.intermediate_values)]
    return TrialRecord(dict(trial.params), float(last), is_pruned=trial.state.name == "PRUNED")


def _in_folds_that_choose(trials: StageTrials, problem: Problem, objective: Objective) -> Merit:
    return trials.merit({fold: trials.train(problem, fold) for fold in CHOOSING}, objective)


def storage_at(path: Path) -> "optuna.storages.BaseStorage":
    """Return the storage of trials in a file.

    Raises
    ------
    InputError
        If Optuna is not installed, or the file is damaged.
    """
    try:
        import optuna
    except ImportError:
        raise InputError("tune: Optuna is not installed; install it with pip install 'cascadebdt[studies]'") from None
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except (json.JSONDecodeError, KeyError, UnicodeDecodeError):
        raise InputError(f"{path}: the trials cannot be read; remove it to begin again") from None
