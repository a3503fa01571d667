"""Studies: questions asked of whole pipelines, on expected data alone.

Examples
--------
>>> answer = cb.studies.compare(config, "results/tiny", strategies=["multiclass", "cascade"], toys=5)
>>> answer.strategies["cascade"].bootstrap.ratio_to
'multiclass'
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cascadebdt.config import Config
from cascadebdt.products import Products
from cascadebdt.products.comparison import Comparison
from cascadebdt.products.optimised import Objective as OptimisedBy
from cascadebdt.products.optimised import Optimised
from cascadebdt.products.ranking import FeatureRanking
from cascadebdt.products.tuning import Tuning
from cascadebdt.progress import Progress, silent
from cascadebdt.studies import compare_runs, optimise_runs, rank_runs, tune_runs
from cascadebdt.studies.compare_judge import N_TOYS, TILT, Question
from cascadebdt.studies.stage_trials import Objective
from cascadebdt.studies.strategies import Strategy
from cascadebdt.studies.tune_space import Sampler

__all__ = ["Comparison", "FeatureRanking", "Optimised", "Tuning", "compare", "optimise", "rank", "tune"]


def compare(
    config: Config,
    output: str | Path,
    *,
    strategies: Sequence[str] = (),
    own: Mapping[str, Strategy] | None = None,
    judge: Config | None = None,
    variables: Sequence[str] = (),
    tilt: float = TILT,
    toys: int = N_TOYS,
    jobs: int = 1,
    progress: Progress = silent,
) -> Comparison:
    """Compare strategies: the same events, folds, features, systematics, fit and Asimov data for all.

    Parameters
    ----------
    config : the analysis; its data are not read
    output : folder of ``compare.json``, and of what each strategy reached, which is not computed again
    strategies : ``one_bdt``, ``one_bdt_cuts``, ``multiclass``, ``parallel``, ``cascade``; all if not given
    own : name -> function from events to `Scores`, see `Scores.in_regions`; it must not score an event with a model
        that trained on it
    judge : the analysis with other samples, which took no part in training; the events that train, out of fold, if not
        given
    variables : features that backgrounds are tilted along; all that something trains on if not given
    tilt : relative change of a background at either end of a variable
    toys : bootstrap samples of the ratios
    jobs : threads; they do not change the result
    progress : told of long loops

    Returns
    -------
    What each strategy reaches

    Raises
    ------
    CascadeBDTError
        If the configuration, an input file or a fit is not usable.
    """
    question = Question(tuple(strategies), dict(own or {}), judge, tuple(variables), tilt, toys)
    return compare_runs.compare(config, Products(Path(output)), question, jobs=jobs, progress=progress)


def optimise(
    config: Config,
    output: str | Path,
    *,
    objective: OptimisedBy = "limit",
    trials: int = 3000,
    finalists: int = 8,
    orders: int = 0,
    features: Sequence[tuple[str, Sequence[str]]] = (),
    min_purity: float = 0.0,
    retrain: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> Optimised:
    """Find working points, bins, order and features that measure the signal best, and say how much of it is luck.

    Parameters
    ----------
    config : the analysis; its data are not read
    output : folder of ``optimise.json``, ``optimised.yaml`` and of the trained cascade
    objective : what the fits of the finalists are compared by
    trials : settings that the surrogate judges for each training
    finalists : settings that are fitted, at most
    orders : of the stages to train, by exchanging neighbours
    features : stage and other features to train it with, each pair on its own
    min_purity : share of its own background that every control region must have
    retrain : whether to train the proposal, too, and to judge it again
    jobs : threads; they do not change the result
    progress : told of long loops

    Raises
    ------
    CascadeBDTError
        If the configuration, an input file or a fit is not usable, or no setting has what is asked for.
    """
    sets = tuple((stage, tuple(names)) for stage, names in features)
    asked = optimise_runs.Asked(objective, trials, finalists, orders, sets, min_purity, retrain)
    return optimise_runs.optimise(config, Products(Path(output)), asked, jobs=jobs, progress=progress)


def rank(
    config: Config, output: str | Path, *, proposals: bool = True, jobs: int = 1, progress: Progress = silent
) -> FeatureRanking:
    """Return which feature works against which background, and which features a stage can do without.

    Parameters
    ----------
    config : the analysis; its data are not read
    output : folder of ``rank.json`` and of the trained cascade, which is trained if it is not there
    proposals : whether to look for smaller sets of features, which trains each stage many times
    jobs : stages at a time; they do not change the result
    progress : told of long loops

    Raises
    ------
    CascadeBDTError
        If the configuration, an input file or a stage is not usable.
    """
    return rank_runs.rank(config, Products(Path(output)), with_proposals=proposals, jobs=jobs, progress=progress)


def tune(
    config: Config,
    output: str | Path,
    *,
    trials: int = tune_runs.N_TRIALS,
    objective: Objective = "auc",
    sampler: Sampler = "tpe",
    pruning: bool = True,
    jobs: int = 1,
    progress: Progress = silent,
) -> Tuning:
    """Tune the hyperparameters of every stage with Optuna, and say how much of the gain is luck.

    Parameters
    ----------
    config : the analysis; its data are not read
    output : folder of ``tune.json``, ``tuned.yaml``, the trials and the trained cascade
    trials : of each stage
    objective : what is best of scores out of fold
    sampler : how hyperparameters are drawn
    pruning : whether trials end early that are worse than the median
    jobs : stages at a time; they do not change the result
    progress : told of long loops

    Raises
    ------
    CascadeBDTError
        If the configuration, an input file or a stage is not usable, or if Optuna is not installed.
    """
    return tune_runs.tune(
        config,
        Products(Path(output)),
        tune_runs.Wanted(trials, objective, sampler, pruning),
        jobs=jobs,
        progress=progress,
    )
