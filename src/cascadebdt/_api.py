"""The public functions that take a whole configuration; each calls the room that does the work with its part of it."""

from pathlib import Path

from cascadebdt import pipeline, training
from cascadebdt.cascade import Cascade, Scores
from cascadebdt.config import Config
from cascadebdt.events import Events
from cascadebdt.histograms import yields
from cascadebdt.histograms.yields import Yields
from cascadebdt.products import Products
from cascadebdt.products.results import Inferred
from cascadebdt.progress import Progress, silent


def train(events: Events, config: Config, *, jobs: int = 1, progress: Progress = silent) -> Cascade:
    """Train the cascade of a configuration on selected events.

    Each stage is trained with one booster per fold, on the events of the other folds that the earlier stages passed by
    scores of models that never saw them. Only nominal simulation trains; data and variations are ignored.

    Parameters
    ----------
    events : selected events in any order
    config : ``config.cascade`` and ``config.seed`` are used
    jobs : folds trained at a time; it does not change the result
    progress : told of every stage, the final discriminant included

    Returns
    -------
    The trained stages with their working points

    Raises
    ------
    TrainingError
        If a class has too few effective events at a stage, weights that cannot train, or a feature that never varies.
    ConfigError
        If the device asked for is not available.

    Examples
    --------
    >>> config = cb.load_config("configs/wh_dark_photon.yaml")
    >>> events = cb.select(config)
    >>> cascade = cb.train(events, config, jobs=2)
    >>> cascade.save("cascade")
    """
    return training.train(events, config.cascade, seed=config.seed, jobs=jobs, progress=progress)


def fill(events: Events, scores: Scores, config: Config) -> Yields:
    """Fill the histograms of all regions.

    Every event counts in exactly one region, in the outermost bins if it lies outside the edges. Data of the signal
    region that were dropped while blind are in none.

    Parameters
    ----------
    events : selected events
    scores : of the same events
    config : ``config.regions`` is used: observables and bins

    Returns
    -------
    region -> histogram with the axes ``process``, ``variation`` and the region's observable; ``.values()`` are sums of
    weights, events at the configured luminosity, ``.variances()`` sums of squared weights

    Raises
    ------
    YieldError
        If an observable has no value for an event of its region.

    Examples
    --------
    >>> yields = cb.fill(events, cascade.score(events), config)
    >>> expected = yields["SR"][{"process": "signal", "variation": "nominal"}].values()
    """
    return yields.fill(events, scores, config.regions)


def run(config: Config, output: str | Path, *, jobs: int = 1, progress: Progress = silent) -> Inferred:
    """Do everything: select, train, apply, fit, report.

    Parameters
    ----------
    config : the analysis
    output : folder of the products; ``report.html`` there shows them
    jobs : threads; they do not change the result
    progress : told of long loops

    Returns
    -------
    ``summary`` is the result in short, ``answers`` has fit, limits, ranking, scan and lint

    Raises
    ------
    CascadeBDTError
        If the configuration, an input file or a fit is not usable.

    Examples
    --------
    >>> result = cb.run(config, "results/wh_dark_photon", jobs=2)
    >>> mu, uncertainty = result.summary.fit.mu
    """
    return pipeline.run(config, Products(Path(output)), jobs=jobs, progress=progress)
