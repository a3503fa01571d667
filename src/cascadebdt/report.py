"""Results -> one HTML page that stands alone: figures are embedded."""

import base64
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from cascadebdt import plots, tables
from cascadebdt.plots.inference import SIMULATION_STATISTICS, Fit
from cascadebdt.plots.style import significant
from cascadebdt.regions import SIGNAL_REGION
from cascadebdt.store import Products, write_text

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
    figures : PNG files or their bytes; names starting with ``regions``, ``region_``, ``fit``, ``flow`` and ``scores_``
        have their place, others stand at the end
    warnings : sentences to show before those found here
    """
    environment = Environment(
        loader=PackageLoader("cascadebdt"),
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
        "percent": _percent,
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
        stages=[_stage(stage, cascade["signal"]) for stage in _classifiers(cascade)],
        negative_weights=[row for stage in _classifiers(cascade) for row in _negative_weights(stage)],
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
    return [*_doubts_of_yields(summary), *_doubts_of_fit(summary, fit or {}), *_doubts_of_training(cascade)]


def _doubts_of_yields(summary: Json) -> Iterator[str]:
    if summary["events"]["lost"]:
        yield f"{summary['events']['lost']:,} events were lost while reading the input files."
    for name, region in summary["regions"].items():
        if name != SIGNAL_REGION and region["purity"] is not None and region["purity"] < 0.5:
            yield f"Region {name}: only {_percent(region['purity'])} of it are the processes it is made for."


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


def _doubts_of_training(cascade: Json) -> Iterator[str]:
    for stage in _classifiers(cascade):
        training = stage["training"]
        last = training.get("hyperparameters", {}).get("n_estimators", math.inf) - 1
        n_full = sum(iteration >= last for iteration in training.get("best_iterations", ()))
        if n_full and training["hyperparameters"].get("early_stopping_rounds"):
            yield (
                f"Stage {stage['name']}: {n_full} of {len(training['best_iterations'])} boosters still improved when "
                f"n_estimators ({last + 1}) ended their training."
            )
        for row in _negative_weights(stage):
            if abs(row["sum_negative"]) > 0.2 * abs(row["sum_true"]):
                share = _percent(abs(row["sum_negative"] / row["sum_true"])) if row["sum_true"] else "all"
                yield f"Stage {stage['name']}: negative weights are {share} of the yield of {row['name']} in training."


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
    stages = {stage["name"]: stage for stage in _classifiers(cascade)}
    for name, histogram in scores.items():
        stage = stages[name]
        yield (
            f"scores_{name}",
            plots.scores(
                histogram,
                stage=name,
                signal=signal,
                against=stage["against"],
                threshold=_threshold(stage, "threshold"),
                validation_threshold=_threshold(stage, "validation_threshold"),
                efficiencies=stage.get("efficiencies"),
            ),
        )


def _classifiers(cascade: Json) -> list[Json]:
    """List the stages, and the final discriminant if there is one."""
    return [*cascade["stages"], *([cascade["final"]] if cascade.get("final") else [])]


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


def _stage(stage: Json, signal: str) -> dict[str, Any]:
    """Return a row of the cascade's table."""
    efficiencies = stage.get("efficiencies", {})
    iterations = stage["training"].get("best_iterations", [])
    return {
        "name": stage["name"],
        "against": stage["against"],
        "features": stage["features"],
        "threshold": _threshold(stage, "threshold"),
        "validation_threshold": _threshold(stage, "validation_threshold"),
        "signal_kept": efficiencies.get(signal),
        "background_kept": ", ".join(_percent(efficiencies.get(name)) for name in stage["against"])
        if efficiencies
        else "–",
        "auc": stage["training"].get("auc", math.nan),
        "best_iterations": _span(iterations),
    }


def _threshold(stage: Json, key: str) -> float | None:
    return stage[key]["value"] if key in stage else None


def _negative_weights(stage: Json) -> list[dict[str, Any]]:
    """Return rows of the table of negative weights, one per class."""
    training = stage["training"]
    found = dict(training.get("negative_weights", {}))
    policy = found.pop("policy", "–")
    effective = training.get("effective_events", {})
    return [
        {"stage": stage["name"], "name": name, "policy": policy, "effective": effective.get(name, math.nan), **numbers}
        for name, numbers in found.items()
    ]


def _span(numbers: Iterable[int]) -> str:
    found = sorted(numbers)
    if not found:
        return "–"
    return f"{found[0]}" if found[0] == found[-1] else f"{found[0]} – {found[-1]}"


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.{1 if abs(fraction) >= 0.01 else 2}f} %"


def _placed(figures: Mapping[str, Path | bytes]) -> dict[str, list[dict[str, str]]]:
    """Sort the figures into the sections of the page."""
    places: dict[str, list[dict[str, str]]] = {
        section: [] for section in ("overview", "regions", "fit", "profiles", "validation", "flow", "scores", "other")
    }
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
    for prefix, section, text in (("region_", "regions", "Region"), ("scores_", "scores", "Scores of stage")):
        if name.startswith(prefix):
            return section, f"{text} {name.removeprefix(prefix)}."
    return "other", name
