"""The steps after the regions are filled: the fit, and the report; each takes values, returns values and writes.

They load nothing that reads ntuples or trains, so that a fit of filled regions starts at once.
"""

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.config.region_names import SIGNAL_REGION, is_validation
from cascadebdt.config.systematics import groups
from cascadebdt.histograms import contents
from cascadebdt.histograms.contents import RegionSummary
from cascadebdt.histograms.yields import Yields
from cascadebdt.products import Products
from cascadebdt.products.results import Applied, Inferred
from cascadebdt.products.summary import Summary
from cascadebdt.products.toys import ToyStore
from cascadebdt.progress import Progress, silent

if TYPE_CHECKING:
    from cascadebdt.inference import Validation
    from cascadebdt.pipeline.fits import Asked
    from cascadebdt.workspace import Workspace


def fit(
    config: Config,
    products: Products,
    applied: Applied | None = None,
    *,
    jobs: int = 1,
    progress: Progress = silent,
) -> Inferred:
    """Fit the histograms of `apply`.

    Validation regions are not fitted: ``workspace_validation.json`` holds them beside the others, and
    ``validation.json`` compares their data with what the control regions predict.

    Parameters
    ----------
    applied : what `apply` made; read from disk if not given
    jobs : processes of pseudo-experiments, if the configuration asks for them; they do not change the result
    progress : told of pseudo-experiments
    """
    from cascadebdt import inference
    from cascadebdt.pipeline.fits import fit_workspace

    applied = applied or Applied.read(products)
    yields_of_regions = applied.histograms.regions
    everything = _workspace(config, applied)
    model = everything.fitted()
    asked = _asked(config, model)
    answers = fit_workspace(model, asked, store=ToyStore(products.toys), jobs=jobs, progress=progress)
    if config.data == "asimov":  # the expectation describes itself
        answers = replace(answers, fit=replace(answers.fit, goodness_of_fit=None))
    regions = _region_summaries(yields_of_regions, config)
    inferred = Inferred(
        answers=answers,
        treatment=everything.notes,
        validation=_validated(everything, config, products),
        summary=Summary.of(
            config,
            applied.cutflow.events,
            regions,
            answers.fit,
            answers.limits,
            answers.breakdown,
            floors=everything.notes.floors,
        ),
        predictions=None if answers.fit.degenerate else inference.predictions(model),
    )
    products.write("workspace", model)
    inferred.write(products)
    return inferred


def toys(config: Config, products: Products, *, part: int, of: int, jobs: int = 1, progress: Progress = silent) -> None:
    """Make a part of the pseudo-experiments of `fit`, which finds them.

    Parameters
    ----------
    part, of : the part, from 1 to the number of parts
    jobs : processes; they do not change the result
    progress : told of pseudo-experiments
    """
    from cascadebdt.inference import Share
    from cascadebdt.pipeline.fits import toy_part

    model = _workspace(config, Applied.read(products)).fitted()
    store = ToyStore(products.toys)
    toy_part(model, _asked(config, model), Share(part, of), store=store, jobs=jobs, progress=progress)


def _workspace(config: Config, applied: Applied) -> "Workspace":
    """Return the workspace of all regions."""
    from cascadebdt import workspace

    return workspace.build(
        applied.histograms.regions,
        applied.corrections.added_to(config),
        shapes=applied.histograms.shapes,
        with_validation=True,
    )


def _asked(config: Config, model: "Workspace") -> "Asked":
    """Return what a configuration asks of the fitted workspace."""
    from cascadebdt.pipeline.fits import Asked

    return Asked(
        level=round(1 - config.fit.confidence_level, 12),
        mus=config.fit.test_mu,
        contours=config.fit.contours,
        groups=_groups(config, model),
        toys=config.fit.toys,
        seed=config.seed,
    )


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
    n_features: int | None = None,
) -> Path:
    """Draw the figures and write the HTML page; return its path.

    Parameters
    ----------
    n_features : features drawn of every stage and region, the most important first; if not given a few of every stage
    cascade, applied, inferred : what the other steps made; read from disk if not given
    """
    from cascadebdt import plots
    from cascadebdt import report as page

    return page.write(
        products,
        cascade=cascade or Cascade.load(products.cascade),
        applied=applied or Applied.read(products),
        inferred=inferred or Inferred.read(products),
        n_features=n_features,
        appearance=plots.Appearance.of(config),
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
