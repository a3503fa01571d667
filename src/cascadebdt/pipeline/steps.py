"""The steps of the chain, each writing its products: what the command line and batch jobs call."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cascadebdt import features, training
from cascadebdt.cascade import BLINDED, Cascade, Scores
from cascadebdt.config import Config, RegionsConfig
from cascadebdt.config.region_names import SIGNAL_REGION, is_validation
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from cascadebdt.events.loading import require_trainable, select
from cascadebdt.events.selection import Cutflow
from cascadebdt.histograms import contents, migration, yields
from cascadebdt.histograms.yields import Histogram, Yields
from cascadebdt.products import Products
from cascadebdt.products.contents import cutflow_content, yields_content
from cascadebdt.products.manifest import manifest, versions
from cascadebdt.progress import Progress, silent
from cascadebdt.resources import Meter
from cascadebdt.training.inputs import data_ranges, require_alive

if TYPE_CHECKING:
    from cascadebdt.workspace import Workspace

log = logging.getLogger(__name__)


def run(config: Config, products: Products, *, jobs: int = 1, progress: Progress = silent) -> dict[str, Any]:
    """Do everything: select, train, apply, fit, report.

    Returns
    -------
    The content of ``summary.json``
    """
    meter = Meter()
    events = select(config, jobs=jobs, progress=progress)
    model = train(config, products, events, jobs=jobs, progress=progress)
    apply(config, products, events, model, jobs=jobs)
    summary = fit(config, products)
    report(config, products)
    used = meter.read()
    summary["resources"] = {**used, "events_per_s": events.cutflow.read / used["wall_s"]}
    products.write("summary", summary)
    return summary


def train(config: Config, products: Products, events: Events, *, jobs: int = 1, progress: Progress = silent) -> Cascade:
    """Train the cascade and write it."""
    require_trainable(events, config)
    model = training.train(events, config.cascade, seed=config.seed, jobs=jobs, progress=progress)
    provenance = {
        "config_hash": config.hash,
        "seed": config.seed,
        "versions": versions(),
        "features": features.definition(model.features, features=config.features, objects=config.objects),
    }
    model.save(products.cascade, provenance=provenance)
    return model


def load_cascade(config: Config, folder: Path) -> Cascade:
    """Read a trained cascade for events that this configuration selects.

    Raises
    ------
    InputError
        If it is damaged, if a feature has another definition now, or if the configuration makes other regions.
    """
    model = Cascade.load(folder)
    kept = model.provenance.get("features")
    change = features.difference(kept, features=config.features, objects=config.objects) if kept else None
    if change is None and model.regions != config.cascade.regions:
        change = f"the regions were {', '.join(model.regions)} and are {', '.join(config.cascade.regions)}"
    if change is not None:
        raise InputError(
            f"{folder / 'cascade.json'}: {change} since the cascade was trained; undo that, or train it again: "
            "'cascadebdt train'"
        )
    return model


def apply(config: Config, products: Products, events: Events, model: Cascade, *, jobs: int = 1) -> None:
    """Score the events; write the manifest, the cutflow, the yields, the migrations and the histograms.

    Simulation that took part in training where there is a holdout is left out, and accounted for.

    Raises
    ------
    InputError
        If a feature has one value in all data, but not in the simulation that trained.
    """
    events = model.unseen(events)
    require_alive(data_ranges(events, model.features), model.repetition)
    scores = model.score(events, unblind=bool(config.fit.unblind), jobs=jobs)
    filled = without(yields.fill(events, scores, config.regions), model.empty_regions)
    cutflow = visible_cutflow(events, scores)
    lost = sum(file.entries for sample in cutflow.samples for file in events.files[sample]) - events.cutflow.read
    products.write("manifest", manifest(config, events))
    products.write(
        "cutflow",
        {
            **cutflow_content(cutflow, {sample.name: sample.process for sample in config.samples}),
            "cascade": contents.flow(events, scores),
            "events": {
                "read": cutflow.read,
                "selected": cutflow.selected,
                "lost": lost,
                **({"used_in_training": sum(cutflow.used_in_training.values())} if model.cuts else {}),
            },
            "skipped": [
                {"sample": record.sample, "file": record.location, "reason": record.skipped}
                for record in events.ledger
                if record.skipped
            ],
        },
    )
    products.write("yields", yields_content(filled))
    products.write("migration", migration.content(migration.table(events, scores, config.systematics)))
    products.write_histograms(filled, contents.score_histograms(events, scores))


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


def fit(config: Config, products: Products) -> dict[str, Any]:
    """Fit the histograms of `apply`; write the workspaces, what `fit_workspace` finds and the summary.

    Validation regions are not fitted: ``workspace_validation.json`` holds them beside the others, and
    ``validation.json`` compares their data with what the control regions predict.

    Returns
    -------
    The content of ``summary.json``, without the resources

    Raises
    ------
    InputError
        If the fit is to be unblinded, but the histograms were filled blind.
    """
    from cascadebdt import inference, workspace
    from cascadebdt.pipeline.fits import fit_workspace

    filled, _ = products.read_histograms()
    _require_unblinded(config, products)
    everything = workspace.build(filled, config, with_validation=True)
    model = inference.conditioned(everything.fitted())
    products.write("workspace", model)
    products.write("treatment", {"merged": _merged(filled, config.regions), **everything.notes.to_json()})
    fitted = fit_workspace(model, products)
    against = {stage.name: stage.against for stage in config.cascade.stages}
    regions = contents.region_table(filled, against, config.cascade.signal)
    if not config.fit.unblind:
        regions[SIGNAL_REGION]["data"] = None
    summary = {
        "analysis": config.analysis,
        "events": products.read("cutflow", made_by="apply")["events"],
        "regions": regions,
        **fitted,
        "resources": {},
    }
    products.write("summary", summary)
    _validate(everything.observing(model), products)
    return summary


def _validate(everything: "Workspace", products: Products) -> None:
    """Write what the control regions predict in the validation regions, beside the data there."""
    from cascadebdt import inference, workspace

    products.discard("workspace_validation", "validation")
    regions = [channel["name"] for channel in everything["channels"] if is_validation(channel["name"])]
    if regions:
        products.write("workspace_validation", everything)
        without_signal_region = workspace.Workspace(everything, blind=(SIGNAL_REGION,))
        products.write("validation", inference.validate(without_signal_region, regions).to_json())


def _merged(filled: Mapping[str, Histogram], config: RegionsConfig) -> dict[str, list[float]]:
    """Return the edges of the regions whose configured bins were merged."""
    edges = {region: histogram.axes[2].edges.tolist() for region, histogram in filled.items()}
    configured = {region: config.binning(region).bins for region in filled}
    return {name: found for name, found in edges.items() if configured[name] not in ("auto", tuple(found))}


def _require_unblinded(config: Config, products: Products) -> None:
    """Require that an unblinded fit finds the signal region's data: filled blind, it would take them for zero."""
    if config.fit.unblind and products.read("manifest", made_by="apply")["unblind"] is None:
        raise InputError(
            f"{products.json('histograms')}: filled while blind, without the data of the signal region; fill them "
            "again with 'cascadebdt apply --unblind REASON' before an unblinded fit"
        )


def report(config: Config, products: Products) -> None:
    """Draw the figures and write the HTML page, from the products of the other steps alone."""
    from cascadebdt import report as page

    page.write(products, signal=config.cascade.signal)
