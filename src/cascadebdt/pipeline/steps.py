"""The steps that read and score events: each takes values, returns values and writes its products."""

import logging
from dataclasses import replace

from cascadebdt import training
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.corrections import Corrections
from cascadebdt.events import Events, StoredEvents
from cascadebdt.events.loading import require_trainable
from cascadebdt.histograms import contents
from cascadebdt.pipeline import filling
from cascadebdt.pipeline.provenance import provenance, remarks
from cascadebdt.pipeline.totals import Totals
from cascadebdt.products import Products
from cascadebdt.products.cutflow import CutflowReport
from cascadebdt.products.manifest import Manifest
from cascadebdt.products.results import Applied
from cascadebdt.progress import Progress, silent
from cascadebdt.training.kept import NOTHING, Kept

logger = logging.getLogger(__name__)


def train(
    config: Config,
    products: Products,
    events: Events,
    *,
    kept: Kept = NOTHING,
    jobs: int = 1,
    progress: Progress = silent,
) -> Cascade:
    """Train the cascade and write it; models that are kept are not trained again.

    Raises
    ------
    TrainingError
        If a process has too few events, or a stage cannot be trained.
    """
    trained = train_models(config, events, kept=kept, jobs=jobs, progress=progress)
    cascade = replace(trained, provenance=provenance(config, trained))
    cascade.save(products.cascade)
    return cascade


def train_models(config: Config, events: Events, *, kept: Kept, jobs: int = 1, progress: Progress = silent) -> Cascade:
    """Train the models that `kept` wants; with all others it has, they are a cascade.

    Raises
    ------
    TrainingError
        As `train`.
    Unfinished
        If models are missing that `kept` does not want.
    """
    require_trainable(events, config)
    return training.train(events, config.cascade, seed=config.seed, jobs=jobs, kept=kept, progress=progress)


def apply(
    config: Config, products: Products, events: Events | StoredEvents, cascade: Cascade, *, jobs: int = 1
) -> Applied:
    """Score the events; fill the regions and count what the cuts left.

    Simulation that took part in training where there is a holdout is left out, and accounted for.

    Raises
    ------
    InputError
        If a feature has one value in all data, but not in the simulation that trained.
    """
    totals, corrections = filling.fill(events, cascade, config, jobs=jobs)
    account = events if isinstance(events, Events) else events.account
    return applied(config, products, account, cascade, totals, corrections)


def applied(
    config: Config, products: Products, account: Events, cascade: Cascade, totals: Totals, corrections: Corrections
) -> Applied:
    """Write what the filled regions and the account of the events give.

    Parameters
    ----------
    account : everything about the events but their rows
    totals : with all events
    corrections : whose weights are in it

    Raises
    ------
    InputError
        As `apply`.
    """
    histograms = totals.histograms
    warnings = (*remarks(cascade, config), *contents.thin_bins(histograms.regions, config.cascade.signal))
    for warning in warnings:
        logger.warning("%s", warning)
    made = Applied(
        histograms=histograms,
        migrations=totals.migrations,
        cutflow=CutflowReport.of_analysis(
            totals.visible,
            account,
            totals.flow,
            processes={sample.name: sample.process for sample in config.samples},
            has_holdout=bool(cascade.cuts),
        ),
        manifest=Manifest.of(
            config,
            account,
            missing=totals.missing,
            used_in_training=totals.cutflow.used_in_training,
            warnings=warnings,
        ),
        corrections=corrections,
        inputs=totals.inputs,
    )
    made.write(products)
    return made
