"""Runs in a folder: each step only where its products are missing or changed, one run at a time.

The single steps refuse products of earlier steps that do not belong to the configuration; `run` makes them anew.
"""

from dataclasses import replace
from pathlib import Path

from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.errors import InputError
from cascadebdt.events import Events, StoredEvents
from cascadebdt.pipeline import answers, steps, stream
from cascadebdt.pipeline.later import cascade_key
from cascadebdt.pipeline.plan import STEPS, Plan
from cascadebdt.pipeline.provenance import load_cascade
from cascadebdt.pipeline.selected import Selection, kept_parts, selected
from cascadebdt.pipeline.stream import Request
from cascadebdt.products import Products, figures
from cascadebdt.products.inventory import Inventory
from cascadebdt.products.keys import Origin, digest
from cascadebdt.products.lock import locked
from cascadebdt.products.models import KeptModels
from cascadebdt.products.partials import FilledParts
from cascadebdt.products.results import Applied, Filled, Inferred
from cascadebdt.progress import Progress, silent
from cascadebdt.resources import Meter


def run(config: Config, products: Products, *, jobs: int = 1, progress: Progress = silent) -> Inferred:
    """Do everything that is missing or changed: select, train, apply, fit, report.

    Where nothing is, no product is touched. Models are trained again only where something that they depend on has
    changed, or where an interrupted training has not come to them.

    Parameters
    ----------
    config : the analysis
    products : where the products go
    jobs : threads; they do not change the result
    progress : told of long loops

    Returns
    -------
    Fit, limits and summary

    Raises
    ------
    CascadeBDTError
        If the configuration, an input file or a fit is not usable, or another process is at work in the folder.

    Examples
    --------
    >>> import cascadebdt as cb
    >>> config = cb.load_config("configs/quick.yaml")
    >>> result = cb.run(config, cb.Products("results/quick"), jobs=2)
    >>> mu, uncertainty = result.summary.fit.mu
    """
    meter = Meter()
    with locked(products.directory):
        plan = Plan.of(config, products.directory, jobs=jobs)
        if not any(map(plan.fault, STEPS)):
            return Inferred.read(products)
        cascade = applied = inferred = None
        if plan.fault("apply"):
            with selected(config, products, plan, jobs=jobs, progress=progress) as events:
                plan, cascade = _train(config, products, plan, events, jobs=jobs, progress=progress)
                plan, applied = _apply(config, products, plan, events.all, cascade, jobs=jobs)
        if plan.fault("fit"):
            inferred = answers.fit(config, products, applied, jobs=jobs, progress=progress)
            plan = plan.done("fit", products.of_fit())
        report_path = answers.report(config, products, cascade=cascade, applied=applied, inferred=inferred)
        plan = plan.done("report", [report_path, *figures.paths(products)])
        if inferred is None:
            return Inferred.read(products)
        used = meter.read()
        resources = {**used, "events_per_s": inferred.summary.events.read / used["wall_s"]}
        measured = replace(inferred, summary=replace(inferred.summary, resources=resources))
        products.write("summary", measured.summary)
        plan.done("fit", products.of_fit())
        return measured


def train(config: Config, products: Products, *, jobs: int = 1, progress: Progress = silent) -> Cascade:
    """Select events and train the cascade, unless it is there."""
    with locked(products.directory):
        plan = Plan.of(config, products.directory, jobs=jobs)
        if plan.fault("train") is None:
            return load_cascade(config, products.cascade)
        with selected(config, products, plan, training_only=True, jobs=jobs, progress=progress) as events:
            return _train(config, products, plan, events, jobs=jobs, progress=progress)[1]


def apply(
    config: Config, products: Products, *, cascade: Path | None = None, jobs: int = 1, progress: Progress = silent
) -> None:
    """Score all events with the trained cascade and fill the regions.

    Parameters
    ----------
    cascade : folder of a cascade that was trained elsewhere

    Raises
    ------
    InputError
        If the cascade was not trained with this configuration (one from elsewhere: for other events), or is damaged.
    """
    folder = cascade or products.cascade
    with locked(products.directory):
        elsewhere = {"cascade": cascade_key(folder)} if cascade else None
        plan = Plan.of(config, products.directory, elsewhere=elsewhere, jobs=jobs)
        if cascade is None:
            plan.require("train")
        model = load_cascade(config, folder)
        with selected(config, products, plan, jobs=jobs, progress=progress) as events:
            _apply(config, products, plan, events.all, model, elsewhere=cascade, jobs=jobs)


def apply_files(
    config: Config,
    products: Products,
    request: Request,
    *,
    cascade: Path | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> Filled:
    """Score the events of chosen files with the trained cascade, chunk by chunk; the products go to ``applied``.

    Parameters
    ----------
    request : the files
    cascade : folder of a cascade that was trained elsewhere

    Raises
    ------
    InputError, ConfigError
        As `apply` and `stream.apply_files`.
    """
    folder, target = cascade or products.cascade, products.applied
    with locked(target.directory):
        model = load_cascade(config, folder)
        chosen = {sample.name: sample.files for sample in stream.requested(config, request)}
        elsewhere = {"cascade": cascade_key(folder)}
        plan = Plan.of(config, target.directory, elsewhere=elsewhere, files=chosen, jobs=jobs)
        if reference := _reference(request.reference, plan.steps["apply"], elsewhere["cascade"]):
            apply = replace(plan.steps["apply"], inputs={**elsewhere, "reference": reference})
            plan = replace(plan, steps={**plan.steps, "apply": apply})
        filled = stream.apply_files(config, target, model, request, jobs=jobs, progress=progress)
        manifest = replace(filled.manifest, cascade=str(folder.resolve()), is_part=True)
        scores = [target.scores(name) for name in chosen if target.scores(name).is_file()]
        plan.done("apply", [*target.of_apply(), *scores], about=manifest.to_json())
        return filled


def _reference(folder: Path, wanted: Origin, cascade: str) -> str | None:
    """Return the key of the bins and corrections of an earlier `apply`; None if there was none.

    It read all files, and it may be blind where this is not: its bins and corrections depend on no data of the signal
    region.

    Raises
    ------
    InputError
        If they are altered, of another configuration, or of another cascade.
    """
    inventory = Inventory.read(folder)
    earlier = inventory.steps.get("apply")
    if earlier is None:
        if Products(folder).has("histograms"):
            raise InputError(f"{folder}: histograms.json is of unknown origin; remove it, or do 'cascadebdt apply'")
        return None
    used = [name for name in ("histograms.json", "corrections.json") if name in inventory.products]
    change = _common(wanted).change_since(_common(earlier))
    fault = f"{change} since 'apply'" if change else next(filter(None, map(inventory.alteration, used)), None)
    own = inventory.products.get("cascade/cascade.json")
    if fault is None and earlier.inputs.get("cascade", own.sha256 if own else None) != cascade:
        fault = "another cascade was applied"
    if fault:
        raise InputError(f"{folder}: {fault}, so that its bins do not serve these files; do 'cascadebdt apply' again")
    return digest({name: inventory.products[name].sha256 for name in used})


def _common(origin: Origin) -> Origin:
    parts = {name: part for name, part in origin.parts.items() if name not in ("files", "unblind")}
    return replace(origin, parts=parts, inputs={})


def _train(
    config: Config,
    products: Products,
    plan: Plan,
    events: Selection,
    *,
    jobs: int,
    progress: Progress,
) -> tuple[Plan, Cascade]:
    """Return the cascade, trained where it is not there already, and the plan after it."""
    if plan.fault("train") is None:
        return plan, load_cascade(config, products.cascade)
    kept = KeptModels(plan.inventory, plan.models)
    model = steps.train(config, products, events.training(), kept=kept, jobs=jobs, progress=progress)
    about = {"config": config.model_dump(mode="json", by_alias=True), "directory": str(config.directory)}
    plan = plan.done("train", products.of_train(), about=about)
    kept.forget()
    return plan, model


def _apply(
    config: Config,
    products: Products,
    plan: Plan,
    events: Events | StoredEvents,
    cascade: Cascade,
    *,
    elsewhere: Path | None = None,
    jobs: int,
) -> tuple[Plan, Applied]:
    applied = steps.apply(config, products, events, cascade, jobs=jobs)
    manifest = replace(applied.manifest, cascade=str(elsewhere.resolve()) if elsewhere else None)
    plan = plan.done("apply", products.of_apply(), about=manifest.to_json())
    kept_parts(config, products, plan).forget()
    FilledParts(products.directory, plan.steps["apply"]).forget()
    return plan, applied
