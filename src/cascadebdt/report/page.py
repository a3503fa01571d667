"""The page as a whole: its numbers, figures and warnings."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from cascadebdt import plots
from cascadebdt.atomic import write_text
from cascadebdt.cascade import Cascade
from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.histograms.contents import purity_matrix
from cascadebdt.inference import FitResult, Validation
from cascadebdt.plots.inference import SIMULATION_STATISTICS
from cascadebdt.plots.style import significant
from cascadebdt.products import Products, figures
from cascadebdt.products.cutflow import CutflowReport
from cascadebdt.products.results import Applied, Inferred
from cascadebdt.products.summary import Summary
from cascadebdt.report import tables, training
from cascadebdt.report.training import percent

MAX_PURITY_OF_WARNING = 0.5
MAX_P_VALUE_OF_WARNING = 0.05
MAX_PULL = 2.0


def write(products: Products, *, cascade: Cascade, applied: Applied, inferred: Inferred, signal: str) -> Path:
    """Draw every figure and write the page; return its path.

    Parameters
    ----------
    products : where figures and page go
    cascade, applied, inferred : what the other steps made
    signal : name of the signal process
    """
    saved = {
        name: plots.save(figure, products.plots / name) for name, figure in _figures(cascade, applied, inferred, signal)
    }
    figures.replace(products, [path for paths in saved.values() for path in paths])
    page = build(cascade=cascade, applied=applied, inferred=inferred, figures={n: png for n, (png, _) in saved.items()})
    return write_text(products.report, page)


def build(
    *,
    cascade: Cascade,
    applied: Applied,
    inferred: Inferred,
    figures: Mapping[str, Path | bytes],
    warnings: Sequence[str] = (),
) -> str:
    """Return the page.

    Parameters
    ----------
    cascade, applied, inferred : what the other steps made
    figures : PNG files or their bytes; names starting with ``regions``, ``region_``, ``fit``, ``flow``, ``scores_``,
        ``quality_`` and ``correction_`` have their place, others stand at the end
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
    summary, manifest, classifiers = inferred.summary, applied.manifest, training.classifiers(cascade)
    return environment.get_template("report.html.j2").render(
        summary=summary,
        manifest=manifest,
        cascade=cascade,
        cutflow=applied.cutflow,
        luminosity_fb=manifest.config.get("luminosity_fb"),
        cards=_cards(summary),
        warnings=[
            *warnings,
            *manifest.warnings,
            *findings(cascade=cascade, cutflow=applied.cutflow, inferred=inferred),
        ],
        figures=_placed(figures),
        normalisations=tables.normalisations(inferred.answers.fit),
        parts=tables.parts(inferred.answers.breakdown),
        exclusions=tables.exclusions(inferred.answers.limits),
        toys=tables.toys(inferred.answers.toys),
        noticeable=tables.noticeable(inferred.answers.fit),
        agreement=abs(inferred.answers.fit.agreement),
        lint=inferred.answers.lint,
        validated=tables.validated(inferred.validation),
        processes=list(dict.fromkeys(name for region in summary.regions.values() for name in region.yields)),
        signal_region=SIGNAL_REGION,
        systematics=tables.systematics(inferred.treatment),
        edited_bins=inferred.treatment.bins,
        merged=inferred.treatment.merged,
        corrections=tables.corrections(applied.corrections),
        migrations=tables.migrations(applied.migrations),
        stages=[training.overview(classifier, point, cascade.signal) for classifier, point in classifiers],
        sculpting=training.sculpting(cascade),
        quality=[training.quality(classifier) for classifier, _ in classifiers],
        negative_weights=[row for classifier, _ in classifiers for row in training.negative_weights(classifier)],
        effective_events={classifier.name: training.effective_events(classifier) for classifier, _ in classifiers},
    )


def findings(*, cascade: Cascade, cutflow: CutflowReport, inferred: Inferred) -> list[str]:
    """List what a reader should know before believing the result."""
    return [
        *_doubts_of_files(cutflow),
        *_doubts_of_yields(inferred.summary),
        *_doubts_of_fit(inferred.answers.fit),
        *training.doubts(cascade),
        *_doubts_of_validation(inferred.validation),
    ]


def _doubts_of_files(cutflow: CutflowReport) -> Iterator[str]:
    for file in cutflow.skipped:
        name = file.file.rpartition("/")[2]
        yield f"Sample {file.sample} was normalised without {name}, which was skipped: {file.reason}."


def _doubts_of_yields(summary: Summary) -> Iterator[str]:
    if summary.events.lost:
        yield f"{summary.events.lost:,} events were lost while reading the input files."
    for name, region in summary.regions.items():
        if name != SIGNAL_REGION and region.purity is not None and region.purity < MAX_PURITY_OF_WARNING:
            yield f"Region {name}: only {percent(region.purity)} of it are the processes it is made for."


def _doubts_of_fit(fit: FitResult) -> Iterator[str]:
    probability = fit.goodness_of_fit
    if probability is not None and probability < MAX_P_VALUE_OF_WARNING:
        yield f"The fit describes the data badly: its p-value is {probability:.2g}."
    for name in fit.at_bound:
        yield f"Parameter {name} is at its bound: {fit.measured(name)}."
    for combination in fit.degenerate:
        yield f"The data do not determine {' and '.join(combination)}, which have no numbers here."
    for name, (pull, _) in fit.pulls.items():
        if abs(pull) > MAX_PULL and not name.startswith(SIMULATION_STATISTICS):
            yield f"Parameter {name} is pulled by {pull:.1f} standard deviations of its constraint."


def _doubts_of_validation(validation: Validation | None) -> Iterator[str]:
    for name, region in validation.regions.items() if validation else ():
        if region.p_value < MAX_P_VALUE_OF_WARNING:
            yield (
                f"Region {name}: the other regions predict {significant(region.total, region.total_uncertainty)} "
                f"events, {sum(region.data):,.0f} are seen; the p-value of all its bins is {region.p_value:.2g}."
            )


def _with_validation(fit: FitResult, validation: Validation | None) -> FitResult:
    """Return the fit with its predictions in the validation regions, for figures of all regions."""
    regions = validation.regions if validation else {}
    return replace(
        fit,
        postfit=fit.postfit | {name: region.processes for name, region in regions.items()},
        total=fit.total | {name: region.predicted for name, region in regions.items()},
        total_uncertainty=fit.total_uncertainty | {name: region.uncertainty for name, region in regions.items()},
    )


def _figures(cascade: Cascade, applied: Applied, inferred: Inferred, signal: str) -> Iterator[tuple[str, Figure]]:
    """Draw every figure, one at a time."""
    yields, answers = applied.histograms.regions, inferred.answers
    fit = _with_validation(answers.fit, inferred.validation)
    yield "regions", plots.regions(yields, fit, signal=signal)
    yield "regions_before_fit", plots.regions(yields, signal=signal)
    for name, histogram in yields.items():
        fitted = fit if name in fit.postfit else None  # a validation region may be left out of the validation
        yield f"region_{name}", plots.region(histogram, name, fitted, signal=signal)
    for process, correction in applied.corrections.processes.items():
        yield f"correction_{process}", plots.corrections(correction.closure, process)
    yield "purity", plots.purity(purity_matrix(inferred.summary.regions))
    yield from plots.fitted(
        answers.fit,
        answers.ranking,
        answers.scan,
        inferred.validation,
        parts=answers.breakdown,
        contours=answers.contours.scans,
        toys=answers.toys,
        limits=answers.limits,
    )
    yield "flow", plots.flow(applied.cutflow.cascade, signal=signal)
    classifiers = {classifier.name: (classifier, point) for classifier, point in training.classifiers(cascade)}
    for name, (classifier, _) in classifiers.items():
        if classifier.summary.learning_curves:
            yield f"quality_{name}", plots.quality(classifier.summary, stage=name)
    for name, histogram in applied.histograms.scores.items():
        # A final discriminant that is no binary BDT has no classifier; it separates the signal from all backgrounds.
        backgrounds = tuple(process for process in histogram.axes["process"] if process != signal)
        against = classifiers[name][0].against if name in classifiers else backgrounds
        point = classifiers[name][1] if name in classifiers else None
        yield (
            f"scores_{name}",
            plots.scores(
                histogram,
                stage=name,
                signal=signal,
                against=against,
                threshold=None if point is None else float(point.threshold),
                validation_threshold=training.validation_threshold(point),
                efficiencies=None if point is None else point.efficiencies,
            ),
        )


def _cards(summary: Summary) -> list[dict[str, str]]:
    """Return the headline numbers."""
    fit, limit, significance = summary.fit, summary.limit, summary.significance
    mu, uncertainty = fit.mu
    total, statistical, systematic = (
        " ".join(tables.ends(ends)) for ends in (fit.total, fit.statistical, fit.systematic)
    )
    two_down, one_down, median, one_up, two_up = (significant(value) for value in limit.expected)
    observed = "" if limit.observed is None else f"observed; expected {median}, "
    return [
        {
            "title": "Signal strength",
            "number": total if fit.blind else f"{significant(mu, uncertainty)} {total}",
            "note": f"{'expected uncertainty' if fit.blind else 'fitted to the data'}; "
            f"statistical {statistical}, systematic {systematic}",
        },
        {
            "title": f"{100 * (1 - limit.level):g} % CL upper limit on the signal strength",
            "number": median if limit.observed is None else significant(limit.observed),
            "note": f"{observed}68 %: {one_down} – {one_up}, 95 %: {two_down} – {two_up}",
        },
        {
            "title": "Significance",
            "number": f"{significance.expected if significance.observed is None else significance.observed:.2f} σ",
            "note": "expected for signal strength 1"
            if significance.observed is None
            else f"observed; expected {significance.expected:.2f} σ",
        },
        {
            "title": "Goodness of fit",
            "number": _probability(fit.goodness_of_fit),
            "note": "p-value against the saturated model" + (", control regions" if fit.blind else ""),
        },
    ]


def _probability(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if value >= 0.01 else f"{value:.1e}"


def _placed(figures: Mapping[str, Path | bytes]) -> dict[str, list[dict[str, str]]]:
    """Sort the figures into the sections of the page."""
    sections = (
        "overview", "regions", "fit", "profiles", "validation", "corrections", "flow", "scores", "quality", "other",
    )  # fmt: skip
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
        "purity": ("regions", "What every region is made of: share of each process in the prediction."),
        "fit": ("fit", "Normalisations and pulls; bands: one and two standard deviations of the constraint."),
        "ranking": ("fit", "Impacts on the signal strength, before and after the fit, and pulls, the largest first."),
        "toys": ("profiles", "CLs of pseudo-experiments against the signal strength, with its expected bands."),
        "breakdown": (
            "fit",
            "Parts of the uncertainty of the signal strength, and their shares in the sum of squares.",
        ),
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
        ("contour_", "profiles", "68 % and 95 % contours of"),
        ("correction_", "corrections", "Data less other backgrounds over the simulation of"),
    )
    for prefix, section, text in sections:
        if name.startswith(prefix):
            return section, f"{text} {name.removeprefix(prefix)}."
    return "other", name
