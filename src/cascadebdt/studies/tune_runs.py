"""Hyperparameters of every stage, tuned on scores of models that never saw the event: ``tune.json``.

The best of many trials looks better than it is. Therefore one fold takes no part in the choice, and says what the gain
over the configured hyperparameters is on events that nothing was chosen on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from cascadebdt import plots
from cascadebdt.atomic import write_text
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.errors import ConfigError, did_you_mean
from cascadebdt.events import Events
from cascadebdt.pipeline.plan import Plan
from cascadebdt.pipeline.provenance import load_cascade
from cascadebdt.products import Products, sealed
from cascadebdt.products.keys import Origin, digest
from cascadebdt.products.tuning import StageTuning, Tuning
from cascadebdt.progress import Progress, silent
from cascadebdt.studies import stage_trials, tune_space, tune_stage
from cascadebdt.studies.keeping import EventsOf, events_for, kept, origin_of
from cascadebdt.studies.side_by_side import of_each
from cascadebdt.studies.stage_trials import Objective, StageTrials
from cascadebdt.studies.tune_space import Sampler
from cascadebdt.studies.tune_stage import Settings
from cascadebdt.training.boosting import resolve_device

if TYPE_CHECKING:
    import optuna

FOLDER = ".tune"  # with the trials of every stage, and what came of them
CONFIGURATION = "tuned.yaml"
N_TRIALS = 30  # of each stage, unless asked for others
PACKAGES = ("optuna",)  # whose versions the result depends on


@dataclass(frozen=True)
class Wanted:
    """What is tuned, and how.

    Attributes
    ----------
    n_trials : of each stage; the grid has `tune_space.N_GRID` at most
    objective : area under the ROC curve, logarithmic loss, or expected uncertainty of the signal strength
    sampler : how hyperparameters are drawn: by Optuna's tree-structured Parzen estimator, at random, or on a grid
    pruning : whether trials that promise little end early
    """

    n_trials: int = N_TRIALS
    objective: Objective = "auc"
    sampler: Sampler = "tpe"
    pruning: bool = True


def tune(config: Config, products: Products, wanted: Wanted, *, jobs: int = 1, progress: Progress = silent) -> Tuning:
    """Tune the stages of an analysis in a folder, and write the configuration that results; see `keeping.kept`.

    Finished trials are kept in a file; a study that was interrupted, or is asked for more trials, goes on with them.

    Parameters
    ----------
    config : the analysis
    products : where the cascade, the trials and the result go
    wanted : what is tuned, and how
    jobs : stages at a time; they do not change the result
    progress : told of every stage

    Raises
    ------
    InputError
        If Optuna is not installed, or the file of trials is damaged.
    TrainingError
        If a stage cannot be trained on the folds of the study.
    """
    study = Study.of(config, products, wanted)

    def make(events: Events, cascade: Cascade, origin: Origin) -> tuple[Tuning, list[Path]]:
        trials = study.trials(events, cascade, jobs=jobs)

        def tune_stage_of(stage: str) -> StageTuning:
            return study.tuned(trials[stage], origin)

        results = of_each(tune_stage_of, list(trials), "tuning stages", jobs=jobs, progress=progress)
        tuning = Tuning(wanted.objective, wanted.sampler, dict(zip(trials, results, strict=True)))
        written = write_text(products.directory / CONFIGURATION, tuned(config, tuning).text(products.directory))
        return tuning, [written]

    return kept(
        "tune",
        Tuning,
        make,
        figures,
        config,
        products,
        settings=asdict(study.settings),
        packages=PACKAGES,
        events_of=study.events_of,
        jobs=jobs,
        progress=progress,
    )


def tune_one(
    config: Config, products: Products, wanted: Wanted, stage: str, *, jobs: int = 1, progress: Progress = silent
) -> StageTuning | None:
    """Tune one stage of a trained cascade, and leave the result for `tune`; several may be tuned at a time.

    Parameters
    ----------
    stage : its name
    config, products, wanted, jobs, progress : as for `tune`

    Returns
    -------
    None for a stage that had too few events to be trained

    Raises
    ------
    ConfigError
        If there is no such stage.
    InputError
        If the cascade is not trained, or as `tune`.
    """
    known = [one.name for one in config.cascade.stages]
    if stage not in known:
        raise ConfigError(f"--stage: unknown stage '{stage}'{did_you_mean(stage, known)}")
    study = Study.of(config, products, wanted)
    plan = Plan.of(config, products.directory, jobs=jobs)
    plan.require("train")
    settings, read = asdict(study.settings), study.events_of
    origin = origin_of("tune", config, plan, settings=settings, packages=PACKAGES, events_of=read)
    events = events_for(config, read, jobs=jobs, progress=progress)
    trials = study.trials(events, load_cascade(config, products.cascade), jobs=jobs)
    return study.tuned(trials[stage], origin) if stage in trials else None


@dataclass(frozen=True)
class Study:
    """How the stages of an analysis are tuned, and where their trials are kept.

    Attributes
    ----------
    config : the analysis
    settings : of the trials
    folder : of the files of trials, and of the results of stages
    storages : stage -> where Optuna keeps its trials
    """

    config: Config
    settings: Settings
    folder: Path
    storages: "Mapping[str, optuna.storages.BaseStorage]"

    @classmethod
    def of(cls, config: Config, products: Products, wanted: Wanted) -> "Study":
        """Open the files of trials."""
        n_trials = min(wanted.n_trials, tune_space.N_GRID if wanted.sampler == "grid" else wanted.n_trials)
        settings = Settings(n_trials, wanted.objective, wanted.sampler, wanted.pruning, config.seed)
        folder = products.directory / FOLDER
        names = [stage.name for stage in config.cascade.stages]
        storages = {name: tune_stage.storage_at(folder / f"{name}.journal") for name in names}
        return cls(config, settings, folder, storages)

    @property
    def events_of(self) -> EventsOf:
        """The step whose events are needed."""
        return "apply" if self.settings.objective == "sigma_mu" else "train"

    def trials(self, events: Events, cascade: Cascade, *, jobs: int) -> dict[str, StageTrials]:
        """Return what is tried of every stage that is trained."""
        config = self.config.cascade
        chosen = stage_trials.unseen_simulation(events, cascade)
        device, threads = resolve_device(config.device), max(1, jobs // len(cascade.stages))
        trials = stage_trials.of_stages(chosen, cascade, config, seed=self.config.seed, device=device, jobs=threads)
        if self.settings.objective == "sigma_mu":
            return stage_trials.with_sensitivity(trials, events, cascade, self.config, jobs=jobs)
        return trials

    def tuned(self, trials: StageTrials, origin: Origin) -> StageTuning:
        """Tune a stage, unless the result is there."""
        stage = trials.problem.name
        path = self.folder / f"{stage}_{origin.key[:24]}.json"
        if (before := sealed.read(path, StageTuning)) is not None:
            return before
        named = {name: value for name, value in asdict(self.settings).items() if name != "n_trials"}
        key = digest({"settings": named, "versions": origin.parts["versions"], **origin.inputs})
        result = tune_stage.tune(trials, self.settings, self.storages[stage], f"{stage} {key}")
        sealed.write(path, result)
        return result


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
