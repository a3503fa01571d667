"""The search for working points, bins, order and features that measure the signal best, and an honest account of it.

    cascade -> scores of all stages -> halves -> surrogate -> search -> finalists -> fits -> held-out events

The search sees one half of the simulation. A change of the configuration must gain more than three standard errors;
then the simplest setting that loses less than one is proposed. The other half is looked at once, for the proposal and
for the configuration as it was: what a search claims and does not keep there is luck.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cascadebdt import plots
from cascadebdt.atomic import write_text
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.events import Events
from cascadebdt.products import Products
from cascadebdt.products.inventory import Inventory
from cascadebdt.products.keys import Origin
from cascadebdt.products.optimised import Objective, Optimised, Variant
from cascadebdt.progress import Progress, silent
from cascadebdt.studies.halves import Halves
from cascadebdt.studies.keeping import kept
from cascadebdt.studies.open_scores import OpenScores
from cascadebdt.studies.optimise_choice import Fitted, finalists, fitted, judged, proposal
from cascadebdt.studies.optimise_variants import Explored, Trainer, best_training, changes, explored
from cascadebdt.studies.written import proposed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEP = "optimise"
CONFIGURATION = "optimised.yaml"


@dataclass(frozen=True)
class Asked:
    """What an optimisation is asked for.

    Attributes
    ----------
    objective : of the fits that choose among the finalists; the search itself minimises the uncertainty of the signal
        strength
    n_trials : settings that the surrogate judges for each training
    n_finalists : settings that are fitted, at most
    n_orders : other orders of the stages to train, by exchanging neighbours, the last ones first
    features : stage -> another set of features to train it with
    min_purity : of every control region
    retrain : whether to train the proposal and to judge it again
    """

    objective: Objective = "limit"
    n_trials: int = 3000
    n_finalists: int = 8
    n_orders: int = 0
    features: tuple[tuple[str, tuple[str, ...]], ...] = ()
    min_purity: float = 0.0
    retrain: bool = False


def optimise(
    config: Config, products: Products, asked: Asked = Asked(), *, jobs: int = 1, progress: Progress = silent
) -> Optimised:
    """Find the configuration that is expected to measure the signal best, and write it as ``optimised.yaml``.

    The cascade of the folder is used, and trained where it is not there. Nothing else is trained unless other orders or
    features are asked for; of those the models that do not change are kept. The result of the same question is read,
    not made again. Data are not used.

    Parameters
    ----------
    config : the analysis
    products : where the cascade, ``optimise.json``, the figure and the configuration go
    asked : what to look for
    jobs : threads; they do not change the result
    progress : told of long loops

    Raises
    ------
    InputError
        If no setting has the effective events and the purity that are asked for, or another process is at work in the
        folder.
    CascadeBDTError
        If the configuration, an input file or a fit is not usable.
    """

    def make(events: Events, cascade: Cascade, origin: Origin) -> tuple[Optimised, list[Path]]:
        halves = Halves.of(OpenScores.of(cascade, events, jobs=jobs), config, min_purity=asked.min_purity)
        tried = changes(config, asked.n_orders, asked.features)
        start = explored(halves, n_trials=asked.n_trials, seed=config.seed, progress=progress)
        trainer = Trainer(events, Inventory.read(products.directory), asked.min_purity, jobs, progress)
        best, variants = best_training(start, trainer, tried, n_trials=asked.n_trials, seed=config.seed)
        optimised, chosen = _account(start, best, variants, asked, progress)
        configuration = proposed(best.halves, chosen.setting)
        if asked.retrain:
            optimised = _retrained(optimised, trainer.halves(configuration))
        written = write_text(products.directory / CONFIGURATION, configuration.text(products.directory))
        return optimised, [written]

    # As it comes back from a file, where there are no tuples.
    settings = json.loads(json.dumps(asdict(asked)))
    return kept(
        STEP,
        Optimised,
        make,
        lambda optimised: [(STEP, figure(optimised))],
        config,
        products,
        settings=settings,
        packages=("numpy", "scipy", "iminuit"),
        events_of="apply",
        jobs=jobs,
        progress=progress,
    )


def _account(
    start: Explored, best: Explored, variants: tuple[Variant, ...], asked: Asked, progress: Progress
) -> tuple[Optimised, Fitted]:
    """Fit the finalists, choose one, and judge it and the start on the events held out."""
    among = finalists(best, asked.n_finalists, progress)
    chosen = proposal(among, asked.objective)
    configured = among[-1] if best is start else fitted(start, start.halves.start)
    return judged(start.halves, configured, best, chosen, among, asked.objective, variants), chosen


def _retrained(optimised: Optimised, halves: Halves) -> Optimised:
    """Return the account with what the proposal reaches after its own training."""
    claimed, edges = halves.claimed(halves.start)
    return replace(optimised, retrained_claimed=claimed, retrained_held_out=halves.judged(halves.start, edges))


def figure(optimised: Optimised) -> "Figure":
    """Return the figure of an optimisation: its trials, and what it claims against what it keeps."""
    of_finalists = [(one.choice.complexity, one.claimed.sigma_mu) for one in optimised.finalists]
    return plots.optimisation(
        np.array([np.nan if value is None else value for value in optimised.sigmas]),
        of_finalists,
        start=(optimised.start_claimed.sigma_mu, optimised.start_held_out.sigma_mu),
        best=(optimised.claimed.sigma_mu, optimised.held_out.sigma_mu),
        complexity=optimised.best.complexity,
    )
