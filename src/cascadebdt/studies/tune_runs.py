"""Hyperparameters of every stage, tuned on scores of models that never saw the event: ``tune.json``.

The best of many trials looks better than it is. Therefore one fold takes no part in the choice, and says what the gain
over the configured hyperparameters is on events that nothing was chosen on.
"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure

from cascadebdt import plots
from cascadebdt.atomic import write_text
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.events import Events
from cascadebdt.products import Products
from cascadebdt.products.keys import Origin, digest
from cascadebdt.products.tuning import StageTuning, Tuning
from cascadebdt.progress import Progress, silent
from cascadebdt.studies import stage_trials, tune_space, tune_stage
from cascadebdt.studies.keeping import kept
from cascadebdt.studies.side_by_side import of_each
from cascadebdt.studies.stage_trials import Objective
from cascadebdt.studies.tune_space import Sampler
from cascadebdt.studies.tune_stage import Settings
from cascadebdt.training.boosting import resolve_device

STORAGE = "tune.journal"
CONFIGURATION = "tuned.yaml"
N_TRIALS = 30  # of each stage, unless asked for others


def tune(
    config: Config,
    products: Products,
    *,
    n_trials: int = N_TRIALS,
    objective: Objective = "auc",
    sampler: Sampler = "tpe",
    pruning: bool = True,
    jobs: int = 1,
    progress: Progress = silent,
) -> Tuning:
    """Tune the stages of an analysis in a folder, and write the configuration that results; see `keeping.kept`.

    Finished trials are kept in a file; a study that was interrupted, or is asked for more trials, goes on with them.

    Parameters
    ----------
    config : the analysis
    products : where the cascade, the trials and the result go
    n_trials : of each stage; the grid has `tune_space.N_GRID` at most
    objective : area under the ROC curve, logarithmic loss, or expected uncertainty of the signal strength
    sampler : how hyperparameters are drawn: by Optuna's tree-structured Parzen estimator, at random, or on a grid
    pruning : whether trials that promise little end early
    jobs : stages at a time; they do not change the result
    progress : told of every stage

    Raises
    ------
    InputError
        If Optuna is not installed, or the file of trials is damaged.
    TrainingError
        If a stage cannot be trained on the folds of the study.
    """
    limit = tune_space.N_GRID if sampler == "grid" else n_trials
    settings = Settings(min(n_trials, limit), objective, sampler, pruning, config.seed)
    storage = tune_stage.storage_at(products.directory / STORAGE)

    def make(events: Events, cascade: Cascade, origin: Origin) -> tuple[Tuning, list[Path]]:
        named = {name: value for name, value in asdict(settings).items() if name != "n_trials"}
        key = digest({"settings": named, "versions": origin.parts["versions"], **origin.inputs})
        chosen = stage_trials.unseen_simulation(events, cascade)
        device, n_stages = resolve_device(config.cascade.device), len(cascade.stages)
        trials = stage_trials.of_stages(
            chosen, cascade, config.cascade, seed=config.seed, device=device, jobs=max(1, jobs // n_stages)
        )
        if objective == "sigma_mu":
            trials = stage_trials.with_sensitivity(trials, events, cascade, config, jobs=jobs)

        def tune_stage_of(stage: str) -> StageTuning:
            return tune_stage.tune(trials[stage], settings, storage, f"{stage} {key}")

        results = of_each(tune_stage_of, list(trials), "tuning stages", jobs=jobs, progress=progress)
        tuning = Tuning(objective, sampler, dict(zip(trials, results, strict=True)))
        saved = [plots.save(figure, products.plots / name) for name, figure in figures(tuning)]
        written = write_text(products.directory / CONFIGURATION, tuned(config, tuning).text(products.directory))
        return tuning, [written, *(path for paths in saved for path in paths)]

    return kept(
        "tune",
        Tuning,
        make,
        config,
        products,
        settings=asdict(settings),
        packages=("optuna",),
        events_of="apply" if objective == "sigma_mu" else "train",
        jobs=jobs,
        progress=progress,
    )


def tuned(config: Config, tuning: Tuning) -> Config:
    """Return the configuration with the hyperparameters that tuning proposes."""
    for name, stage in tuning.stages.items():
        if stage.is_changed:
            config = config.replace(f"cascade.stages.{name}.bdt", stage.hyperparameters)
    return config


def figures(tuning: Tuning) -> Iterator[tuple[str, Figure]]:
    """Draw the figure: name, figure."""
    yield "tune", plots.tuning({name: _trials(stage) for name, stage in tuning.stages.items()})


def _trials(stage: StageTuning) -> plots.Trials:
    return plots.Trials(
        gain=[trial.merit - stage.default.value for trial in stage.trials],
        is_pruned=[trial.is_pruned for trial in stage.trials],
        claimed=(stage.claimed.value, stage.claimed.uncertainty),
        held_out=(stage.held_out.value, stage.held_out.uncertainty),
    )
