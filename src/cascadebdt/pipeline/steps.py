"""The steps of the chain: each takes values, returns values and writes its products."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cascadebdt import corrections, features, training
from cascadebdt.cascade import BLINDED, Cascade, Scores
from cascadebdt.config import NOMINAL, Config
from cascadebdt.config.region_names import SIGNAL_REGION, is_validation
from cascadebdt.corrections import Corrections, normalisation
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from cascadebdt.events.loading import require_trainable
from cascadebdt.events.selection import Cutflow
from cascadebdt.histograms import contents, migration, yields
from cascadebdt.histograms.contents import Histograms, RegionSummary
from cascadebdt.histograms.migration import MigrationTable
from cascadebdt.histograms.yields import Yields
from cascadebdt.products import Products
from cascadebdt.products.cutflow import CutflowReport
from cascadebdt.products.manifest import Manifest, versions
from cascadebdt.products.results import Applied, Inferred
from cascadebdt.products.summary import Summary
from cascadebdt.progress import Progress, silent
from cascadebdt.training.inputs import data_ranges, require_alive
from cascadebdt.training.kept import NOTHING, Kept

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
    require_trainable(events, config)
    cascade = training.train(events, config.cascade, seed=config.seed, jobs=jobs, kept=kept, progress=progress)
    provenance = {
        "config_hash": config.hash,
        "seed": config.seed,
        "versions": versions(),
        "event_id": list(config.ntuples.event_id),
        "samples": [sample.name for sample in config.samples if not sample.is_data],
        "features": features.definition(cascade.features, features=config.features, objects=config.objects),
    }
    cascade.save(products.cascade, provenance=provenance)
    return cascade


def load_cascade(config: Config, folder: Path) -> Cascade:
    """Read a trained cascade for events that this configuration selects.

    Raises
    ------
    InputError
        If it is damaged, if a feature has another definition now, if the identity of events would give them other
        folds, so that models score events that they trained on, or if the configuration makes other regions.
    """
    cascade = Cascade.load(folder)
    kept = cascade.provenance.get("features")
    change = features.difference(kept, features=config.features, objects=config.objects) if kept else None
    change = change or _other_folds(cascade, config)
    if change is None and cascade.regions != config.cascade.regions:
        change = f"the regions were {', '.join(cascade.regions)} and are {', '.join(config.cascade.regions)}"
    if change is None and (cascade.sorter is not None) != config.cascade.is_sorted:
        change = f"cascade.control.assign has become '{config.cascade.control.assign}'"
    if change is not None:
        raise InputError(
            f"{folder / 'cascade.json'}: {change} since the cascade was trained; undo that, or train it again: "
            "'cascadebdt train'"
        )
    return cascade


def _other_folds(cascade: Cascade, config: Config) -> str | None:
    """Return in words why events would be in other folds than in the training; None if they are not.

    The fold follows from the branches that identify an event and, for simulation, the name of its sample.
    """
    before, now = cascade.provenance.get("event_id"), list(config.ntuples.event_id)
    if before is not None and before != now:
        return f"ntuples.event_id was {before} and is {now}"
    trained = cascade.provenance.get("samples", ())
    names = [sample.name for sample in config.samples if not sample.is_data]
    gone, new = ([name for name in one if name not in other] for one, other in ((trained, names), (names, trained)))
    return f"the sample '{gone[0]}' is gone and '{new[0]}' is new" if gone and new else None


def apply(config: Config, products: Products, events: Events, cascade: Cascade, *, jobs: int = 1) -> Applied:
    """Score the events; fill the regions and count what the cuts left.

    Simulation that took part in training where there is a holdout is left out, and accounted for.

    Raises
    ------
    InputError
        If a feature has one value in all data, but not in the simulation that trained.
    """
    events = cascade.unseen(events)
    require_alive(data_ranges(events, cascade.features), cascade.repetition)
    scores = cascade.score(events, unblind=bool(config.fit.unblind), jobs=jobs)
    learnt = learn_corrections(config, events, scores)
    events = learnt.applied(events, scores)
    applied = Applied(
        histograms=Histograms(
            without(yields.fill(events, scores, config.regions), cascade.empty_regions),
            contents.score_histograms(events, scores),
        ),
        migrations=MigrationTable(migration.table(events, scores, config.systematics)),
        cutflow=CutflowReport.of_analysis(
            visible_cutflow(events, scores),
            events,
            contents.flow(events, scores),
            processes={sample.name: sample.process for sample in config.samples},
            has_holdout=bool(cascade.cuts),
        ),
        manifest=Manifest.of(config, events),
        corrections=learnt,
    )
    applied.write(products)
    return applied


def learn_corrections(config: Config, events: Events, scores: Scores) -> Corrections:
    """Learn the weights that a configuration asks for from the data of control regions."""
    if not config.corrections:
        return Corrections({})
    plain = replace(events, weights={NOMINAL: events.weights[NOMINAL]})
    normalisations = normalisation.fit(yields.fill(plain, scores, config.regions), config.fit.free)
    return corrections.learn(events, scores, config.corrections, normalisations, seed=config.seed)


def without(filled: Yields, regions: Sequence[str]) -> Yields:
    """Return the yields without some regions."""
    return {name: histogram for name, histogram in filled.items() if name not in regions}


def visible_cutflow(events: Events, scores: Scores) -> Cutflow:
    """Return the cutflow without the data of the signal region that were dropped while blind.

    Otherwise the selected data less the data of the control regions would tell how many there are.
    """
    cutflow = events.cutflow
    hidden = (scores.region == BLINDED) & events.is_nominal
    for code in np.unique(events.sample[hidden]):
        cutflow = cutflow.without(events.samples[code], int((hidden & (events.sample == code)).sum()))
    return cutflow


def fit(config: Config, products: Products, applied: Applied | None = None) -> Inferred:
    """Fit the histograms of `apply`.

    Validation regions are not fitted: ``workspace_validation.json`` holds them beside the others, and
    ``validation.json`` compares their data with what the control regions predict.

    Parameters
    ----------
    applied : what `apply` made; read from disk if not given
    """
    from cascadebdt import inference, workspace
    from cascadebdt.pipeline.fits import fit_workspace

    applied = applied or Applied.read(products)
    yields_of_regions = applied.histograms.regions
    everything = workspace.build(yields_of_regions, applied.corrections.added_to(config), with_validation=True)
    model = inference.conditioned(everything.fitted())
    answers = fit_workspace(model)
    regions = _region_summaries(yields_of_regions, config)
    inferred = Inferred(
        answers=answers,
        treatment=everything.notes,
        validation=_validated(everything.observing(model), products),
        summary=Summary.of(config.analysis, applied.cutflow.events, regions, answers.fit, answers.limits),
    )
    products.write("workspace", model)
    inferred.write(products)
    return inferred


def _region_summaries(regions: Yields, config: Config) -> dict[str, RegionSummary]:
    """Summarise every region, without the data of the signal region while blind."""
    against = {stage.name: stage.against for stage in config.cascade.stages}
    table = contents.region_table(regions, against, config.cascade.signal)
    if not config.fit.unblind:
        table[SIGNAL_REGION] = replace(table[SIGNAL_REGION], data=None)
    return table


def _validated(everything: "Workspace", products: Products) -> "Validation | None":
    """Return what the control regions predict in the validation regions, and keep the workspace with the data there."""
    from cascadebdt import inference, workspace

    products.discard("workspace_validation")
    regions = [channel["name"] for channel in everything["channels"] if is_validation(channel["name"])]
    if not regions:
        return None
    products.write("workspace_validation", everything)
    return inference.validate(workspace.Workspace(everything, blind=(SIGNAL_REGION,)), regions)


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
