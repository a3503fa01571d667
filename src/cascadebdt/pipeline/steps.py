"""The steps of the chain: each takes values, returns values and writes its products."""

import logging
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from cascadebdt import training
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.config.region_names import SIGNAL_REGION, is_validation
from cascadebdt.config.systematics import groups
from cascadebdt.events import Events, StoredEvents
from cascadebdt.events.loading import require_trainable
from cascadebdt.histograms import contents
from cascadebdt.histograms.contents import RegionSummary
from cascadebdt.histograms.yields import Yields
from cascadebdt.pipeline import filling
from cascadebdt.pipeline.provenance import provenance, remarks
from cascadebdt.products import Products
from cascadebdt.products.cutflow import CutflowReport
from cascadebdt.products.manifest import Manifest
from cascadebdt.products.results import Applied, Inferred
from cascadebdt.products.summary import Summary
from cascadebdt.progress import Progress, silent
from cascadebdt.training.kept import NOTHING, Kept

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from cascadebdt.inference import Validation
    from cascadebdt.workspace import Workspace


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
    histograms = totals.histograms
    warnings = (*remarks(cascade, config), *contents.thin_bins(histograms.regions, config.cascade.signal))
    for warning in warnings:
        logger.warning("%s", warning)
    applied = Applied(
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
    )
    applied.write(products)
    return applied


def fit(config: Config, products: Products, applied: Applied | None = None) -> Inferred:
    """Fit the histograms of `apply`.

    Validation regions are not fitted: ``workspace_validation.json`` holds them beside the others, and
    ``validation.json`` compares their data with what the control regions predict.

    Parameters
    ----------
    applied : what `apply` made; read from disk if not given
    """
    from cascadebdt import inference, workspace
    from cascadebdt.pipeline.fits import Asked, fit_workspace

    applied = applied or Applied.read(products)
    yields_of_regions = applied.histograms.regions
    everything = workspace.build(yields_of_regions, applied.corrections.added_to(config), with_validation=True)
    model = everything.fitted()
    asked = Asked(
        level=round(1 - config.fit.confidence_level, 12),
        mus=config.fit.test_mu,
        contours=config.fit.contours,
        groups=_groups(config, model),
    )
    answers = fit_workspace(model, asked)
    if config.data == "asimov":  # the expectation describes itself
        answers = replace(answers, fit=replace(answers.fit, goodness_of_fit=None))
    regions = _region_summaries(yields_of_regions, config)
    inferred = Inferred(
        answers=answers,
        treatment=everything.notes,
        validation=_validated(everything, config, products),
        summary=Summary.of(config, applied.cutflow.events, regions, answers.fit, answers.limits, answers.breakdown),
        predictions=None if answers.fit.degenerate else inference.predictions(model),
    )
    products.write("workspace", model)
    inferred.write(products)
    return inferred


def _groups(config: Config, model: "Workspace") -> dict[str, list[str]]:
    """Return the groups of systematics that have a parameter in the model; effects that are too small are pruned."""
    samples = [sample for channel in model["channels"] for sample in channel["samples"]]
    names = {modifier["name"] for sample in samples for modifier in sample["modifiers"]}
    return {
        group: patterns
        for group, patterns in groups(config.systematics).items()
        if any(fnmatchcase(name, pattern) for name in names for pattern in patterns)
    }


def _region_summaries(regions: Yields, config: Config) -> dict[str, RegionSummary]:
    """Summarise every region, without the data of the signal region while blind."""
    against = {stage.name: stage.against for stage in config.cascade.stages}
    table = contents.region_table(regions, against, config.cascade.signal)
    if not config.fit.unblind:
        table[SIGNAL_REGION] = replace(table[SIGNAL_REGION], data=None)
    return table


def _validated(everything: "Workspace", config: Config, products: Products) -> "Validation | None":
    """Return what the control regions predict in the validation regions, and keep the workspace with the data there.

    Without data there is nothing to compare with.
    """
    from cascadebdt import inference

    products.discard("workspace_validation")
    regions = [channel["name"] for channel in everything["channels"] if is_validation(channel["name"])]
    if not regions or config.data == "asimov":
        return None
    products.write("workspace_validation", everything)
    return inference.validate(everything.blinded(SIGNAL_REGION), regions)


def report(
    config: Config,
    products: Products,
    *,
    cascade: Cascade | None = None,
    applied: Applied | None = None,
    inferred: Inferred | None = None,
) -> Path:
    """Draw the figures and write the HTML page; return its path.

    Parameters
    ----------
    cascade, applied, inferred : what the other steps made; read from disk if not given
    """
    from cascadebdt import report as page

    return page.write(
        products,
        cascade=cascade or Cascade.load(products.cascade),
        applied=applied or Applied.read(products),
        inferred=inferred or Inferred.read(products),
        signal=config.cascade.signal,
    )


def report_without_fit(
    config: Config, products: Products, *, cascade: Cascade, applied: Applied | None, missing: str
) -> Path:
    """Draw the figures that need no fit and write a page of them; return its path.

    Parameters
    ----------
    applied : what `apply` made; None before it
    missing : what has not been done, in words
    """
    from cascadebdt.report import partial

    return partial.write(products, config=config, cascade=cascade, applied=applied, missing=missing)
