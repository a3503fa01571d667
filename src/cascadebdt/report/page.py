"""The page as a whole: its numbers, figures and warnings."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from cascadebdt import plots
from cascadebdt.atomic import write_text
from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.plots.inference import SIMULATION_STATISTICS, Fit
from cascadebdt.plots.style import significant
from cascadebdt.products import Products
from cascadebdt.report import tables, training
from cascadebdt.report.training import percent

Json = Mapping[str, Any]


def write(products: Products, *, signal: str) -> Path:
    """Draw every figure and write the page, from the products of the other steps alone.

    Parameters
    ----------
    products : where they are, and where figures and page go
    signal : name of the signal process

    Raises
    ------
    InputError
        If a product is missing; the message names the command that makes it.
    """
    fit = products.read("fit", made_by="fit")
    validation = products.read("validation", made_by="fit") if products.has("validation") else {"regions": {}}
    cutflow = products.read("cutflow", made_by="apply")
    cascade = products.read("cascade/cascade", made_by="train")
    saved = {
        name: plots.save(figure, products.plots / name)
        for name, figure in _figures(products, cascade, cutflow, _drawn(fit, validation), validation, signal)
    }
    products.replace_figures([path for paths in saved.values() for path in paths])
    figures = {name: png for name, (png, _) in saved.items()}
    page = build(
        summary=products.read("summary", made_by="fit"),
        manifest=products.read("manifest", made_by="apply"),
        cascade=cascade,
        cutflow=cutflow,
        figures=figures,
        fit=fit,
        lint=products.read("lint", made_by="fit"),
        validation=validation,
        treatment=products.read("treatment", made_by="fit"),
        migration=products.read("migration", made_by="apply"),
    )
    return write_text(products.report, page)


def build(
    *,
    summary: Json,
    manifest: Json,
    cascade: Json,
    cutflow: Json,
    figures: Mapping[str, Path | bytes],
    fit: Json | None = None,
    lint: Json | None = None,
    validation: Json | None = None,
    treatment: Json | None = None,
    migration: Json | None = None,
    warnings: Sequence[str] = (),
) -> str:
    """Return the page.

    Parameters
    ----------
    summary, manifest, cascade, cutflow, fit, lint, validation, treatment, migration : contents of the JSON products of
        these names
    figures : PNG files or their bytes; names starting with ``regions``, ``region_``, ``fit``, ``flow``, ``scores_`` and
        ``quality_`` have their place, others stand at the end
    warnings : sentences to show before those found here
    """
    environment = Environment(
        loader=PackageLoader("cascadebdt.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "value": lambda pair: significant(pair[0], pair[1]),
        "uncertainty": lambda pair: significant(pair[1], pair[1]),
        "number": significant,
        "percent": percent,
        "count": lambda number: f"{number:,}",
    }
    return environment.get_template("report.html.j2").render(
        summary=summary,
        manifest=manifest,
        cascade=cascade,
        cutflow=cutflow,
        luminosity_fb=manifest["config"].get("luminosity_fb"),
        cards=_cards(summary),
        warnings=[
            *warnings,
            *_skipped(cutflow),
            *findings(summary=summary, cascade=cascade, fit=fit),
            *_doubts_of_validation(validation or {"regions": {}}),
        ],
        figures=_placed(figures),
        normalisations=tables.normalisations(summary, fit or {}),
        lint=lint or {"counts": {}, "findings": []},
        validated=tables.validated(validation or {"regions": {}}),
        processes=list(dict.fromkeys(name for region in summary["regions"].values() for name in region["yields"])),
        signal_region=SIGNAL_REGION,
        systematics=tables.systematics(treatment or {}),
        edited_bins=tables.edited_bins(treatment or {}),
        merged=(treatment or {}).get("merged", {}),
        migrations=tables.migrations(migration or {}),
        stages=[training.overview(stage, cascade["signal"]) for stage in training.classifiers(cascade)],
        sculpting=training.sculpting(cascade),
        quality=[training.quality(stage) for stage in training.classifiers(cascade)],
        negative_weights=[row for stage in training.classifiers(cascade) for row in training.negative_weights(stage)],
        effective_events={stage["name"]: training.effective_events(stage) for stage in training.classifiers(cascade)},
    )


def _skipped(cutflow: Json) -> Iterator[str]:
    for record in cutflow.get("skipped", ()):
        name = record["file"].rpartition("/")[2]
        yield f"Sample {record['sample']} was normalised without {name}, which was skipped: {record['reason']}."


def findings(*, summary: Json, cascade: Json, fit: Json | None = None) -> list[str]:
    """List what a reader should know before believing the result.

    Parameters
    ----------
    summary, cascade, fit : contents of the JSON products of these names
    """
    return [*_doubts_of_yields(summary), *_doubts_of_fit(summary, fit or {}), *training.doubts(cascade)]


def _doubts_of_yields(summary: Json) -> Iterator[str]:
    if summary["events"]["lost"]:
        yield f"{summary['events']['lost']:,} events were lost while reading the input files."
    for name, region in summary["regions"].items():
        if name != SIGNAL_REGION and region["purity"] is not None and region["purity"] < 0.5:
            yield f"Region {name}: only {percent(region['purity'])} of it are the processes it is made for."


def _doubts_of_fit(summary: Json, fit: Json) -> Iterator[str]:
    probability = summary["fit"]["goodness_of_fit"]
    if probability is not None and probability < 0.05:
        yield f"The fit describes the data badly: its p-value is {probability:.2g}."
    for name in fit.get("at_bound", ()):
        yield f"Parameter {name} is at its bound, so that its uncertainty means little."
    for name, (pull, _) in fit.get("pulls", {}).items():
        if abs(pull) > 2 and not name.startswith(SIMULATION_STATISTICS):
            yield f"Parameter {name} is pulled by {pull:.1f} standard deviations of its constraint."


def _doubts_of_validation(validation: Json) -> Iterator[str]:
    for name, region in validation["regions"].items():
        if region["p_value"] < 0.05:
            yield (
                f"Region {name}: the other regions predict {significant(region['total'], region['total_uncertainty'])} "
                f"events, {sum(region['data']):,.0f} are seen; the p-value of all its bins is {region['p_value']:.2g}."
            )


def _drawn(fit: Json, validation: Json) -> dict[str, Any]:
    """Return what figures need of a fit, with its predictions in the validation regions."""
    regions = validation["regions"]
    return {
        **fit,
        "postfit": {**fit["postfit"], **{name: region["processes"] for name, region in regions.items()}},
        "total": {**fit["total"], **{name: region["predicted"] for name, region in regions.items()}},
        "total_uncertainty": {
            **fit["total_uncertainty"],
            **{name: region["uncertainty"] for name, region in regions.items()},
        },
    }


def _figures(
    products: Products, cascade: Json, cutflow: Json, result: Json, validation: Json, signal: str
) -> Iterator[tuple[str, Figure]]:
    """Draw every figure, one at a time."""
    yields, scores = products.read_histograms()
    fit = cast(Fit, SimpleNamespace(**result))
    yield "regions", plots.regions(yields, fit, signal=signal)
    yield "regions_before_fit", plots.regions(yields, signal=signal)
    for name, histogram in yields.items():
        fitted = fit if name in fit.postfit else None  # a validation region may be left out of the validation
        yield f"region_{name}", plots.region(histogram, name, fitted, signal=signal)
    impacts, profile = (products.read(name, made_by="fit") for name in ("ranking", "scan"))
    yield from plots.fitted(result=result, impacts=impacts, profile=profile, validated=validation)
    yield "flow", plots.flow(cutflow["cascade"], signal=signal)
    stages = {stage["name"]: stage for stage in training.classifiers(cascade)}
    for name, stage in stages.items():
        if "learning_curves" in stage["training"]:
            yield f"quality_{name}", plots.quality(stage["training"], stage=name)
    for name, histogram in scores.items():
        stage = stages[name]
        yield (
            f"scores_{name}",
            plots.scores(
                histogram,
                stage=name,
                signal=signal,
                against=stage["against"],
                threshold=training.threshold(stage, "threshold"),
                validation_threshold=training.threshold(stage, "validation_threshold"),
                efficiencies=stage.get("efficiencies"),
            ),
        )


def _cards(summary: Json) -> list[dict[str, str]]:
    """Return the headline numbers."""
    fit, limit, significance = summary["fit"], summary["limit"], summary["significance"]
    mu, uncertainty = fit["mu"]
    two_down, one_down, median, one_up, two_up = (significant(value) for value in limit["expected"])
    probability = fit["goodness_of_fit"]
    return [
        {
            "title": "Signal strength",
            "number": f"± {significant(uncertainty)}"
            if fit["blind"]
            else f"{significant(mu, uncertainty)} ± {significant(uncertainty, uncertainty)}",
            "note": "expected uncertainty" if fit["blind"] else "fitted to the data",
        },
        {
            "title": "95 % CL upper limit on the signal strength",
            "number": median if limit["observed"] is None else significant(limit["observed"]),
            "note": f"{'' if limit['observed'] is None else f'observed; expected {median}, '}"
            f"68 %: {one_down} – {one_up}, 95 %: {two_down} – {two_up}",
        },
        {
            "title": "Significance",
            "number": f"{significance['expected' if significance['observed'] is None else 'observed']:.2f} σ",
            "note": "expected for signal strength 1"
            if significance["observed"] is None
            else f"observed; expected {significance['expected']:.2f} σ",
        },
        {
            "title": "Goodness of fit",
            "number": "–"
            if probability is None
            else f"{probability:.2f}"
            if probability >= 0.01
            else f"{probability:.1e}",
            "note": "p-value against the saturated model" + (", control regions" if fit["blind"] else ""),
        },
    ]


def _placed(figures: Mapping[str, Path | bytes]) -> dict[str, list[dict[str, str]]]:
    """Sort the figures into the sections of the page."""
    sections = ("overview", "regions", "fit", "profiles", "validation", "flow", "scores", "quality", "other")
    places: dict[str, list[dict[str, str]]] = {section: [] for section in sections}
    for name, figure in figures.items():
        section, caption = _place(name)
        content = figure if isinstance(figure, bytes) else figure.read_bytes()
        source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        places[section].append({"source": source, "caption": caption})
    return places


def _place(name: str) -> tuple[str, str]:
    """Return section and caption of a figure."""
    known = {
        "regions": (
            "overview",
            "All regions after the fit: yields, composition of the prediction, data over prediction.",
        ),
        "regions_before_fit": ("regions", "All regions before the fit."),
        "fit": ("fit", "Normalisations and pulls; bands: one and two standard deviations of the constraint."),
        "ranking": ("fit", "Impacts on the signal strength, before and after the fit, and pulls, the largest first."),
        "correlations": ("profiles", "Correlations of the parameters that have a noticeable one with any other."),
        "scan": ("profiles", "Profile of the signal strength, with the levels of its 68 % and 95 % intervals."),
        "validation": ("validation", "Validation regions: data, and what the fit to the other regions predicts."),
        "flow": ("flow", "Expected events that reach each stage, and the share of them that passes it."),
    }
    if name in known:
        return known[name]
    sections = (
        ("region_", "regions", "Region"),
        ("scores_", "scores", "Scores of stage"),
        ("quality_", "quality", "Training of stage"),
    )
    for prefix, section, text in sections:
        if name.startswith(prefix):
            return section, f"{text} {name.removeprefix(prefix)}."
    return "other", name
