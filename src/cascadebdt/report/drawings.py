"""The figures of a page, and where they stand."""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from cascadebdt import plots
from cascadebdt.cascade import Cascade
from cascadebdt.histograms.contents import purity_matrix
from cascadebdt.histograms.inputs import Inputs
from cascadebdt.histograms.yields import Histogram
from cascadebdt.plots.appearance import Appearance
from cascadebdt.plots.inputs import most_important, regions_to_show
from cascadebdt.report import training
from cascadebdt.report.results import Results

PLACES: Mapping[str, tuple[str, str]] = {
    "regions": (
        "overview",
        "All regions after the fit: yields, composition of the prediction, data over prediction.",
    ),
    "regions_before_fit": ("regions", "All regions before the fit."),
    "purity": ("regions", "What every region is made of: share of each process in the prediction."),
    "fit": ("fit", "Normalisations and pulls; bands: one and two standard deviations of the constraint."),
    "ranking": ("fit", "Impacts on the signal strength, before and after the fit, and pulls, the largest first."),
    "toys": ("profiles", "CLs of pseudo-experiments against the signal strength, with its expected bands."),
    "breakdown": ("fit", "Parts of the uncertainty of the signal strength, and their shares in the sum of squares."),
    "correlations": ("profiles", "Correlations of the parameters that have a noticeable one with any other."),
    "scan": ("profiles", "Profile of the signal strength, with the levels of its 68 % and 95 % intervals."),
    "validation": ("validation", "Validation regions: data, and what the fit to the other regions predicts."),
    "limits": ("limits", "The upper limit, with the bands that hold 68 % and 95 % of experiments without a signal."),
    "systematics": (
        "systematics",
        "The largest effects of systematics found from events: dotted as filled, solid as fitted.",
    ),
    "pruning": ("systematics", "What is left of every systematic in every region and process after the treatment."),
    "flow": ("flow", "Expected events that reach each stage, and the share of them that passes it."),
}
"""Name of a figure -> its place on the page, and its caption."""
PREFIXES = (
    ("region_", "regions", "Region"),
    (
        "inputs_",
        "inputs",
        "The most important features, before the fit, with statistical and systematic uncertainties, in region",
    ),
    ("separation_", "separation", "The most important features of what reaches stage"),
    ("scores_", "scores", "Scores of stage"),
    ("quality_", "quality", "Training of stage"),
    ("contour_", "profiles", "68 % and 95 % contours of"),
    ("correction_", "corrections", "Data less other backgrounds over the simulation of"),
)
"""Beginning of the name of a figure, its place, and the caption before the rest of the name."""
OTHER = "other"
N_FEATURES = 4  # drawn of every stage where no number is asked for
DATA_TITLES = {"asimov": "Asimov data", "simulation": "Simulation as data"}
"""What figures say of data that are no recorded ones."""


def drawn(results: Results, appearance: Appearance, *, n_features: int | None) -> Iterator[tuple[str, Figure]]:
    """Draw every figure, one at a time; of features only so many of a stage and of a region."""
    applied, inferred = results.applied, results.inferred
    yield from of_regions(results, appearance)
    for process, correction in applied.corrections.processes.items():
        yield f"correction_{process}", plots.corrections(correction.closure, process)
    yield "purity", plots.purity(purity_matrix(inferred.summary.regions), appearance=appearance)
    answers = inferred.answers
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
    if answers.limits.limit is not None:
        yield "limits", plots.limits({results.summary.analysis: answers.limits.limit})
    yield from of_systematics(results)
    yield from of_inputs(results.cascade, applied.inputs, n_features, appearance)
    yield "flow", plots.flow(applied.cutflow.cascade, signal=results.signal, appearance=appearance)
    yield from of_training(results.cascade)
    yield from of_scores(results.cascade, applied.histograms.scores, results.signal, appearance)


def of_regions(results: Results, appearance: Appearance) -> Iterator[tuple[str, Figure]]:
    """Draw the regions, together and each."""
    yields, fit, signal = results.applied.histograms.regions, results.fit, results.signal
    title = DATA_TITLES.get(results.summary.data)
    yield "regions", plots.regions(yields, fit, signal=signal, title=title, appearance=appearance)
    yield "regions_before_fit", plots.regions(yields, signal=signal, title=title, appearance=appearance)
    for name, histogram in yields.items():
        fitted = fit if name in fit.postfit else None  # a validation region may be left out of the validation
        figure = plots.region(histogram, name, fitted, signal=signal, title=title, appearance=appearance)
        yield f"region_{name}", figure


def of_systematics(results: Results) -> Iterator[tuple[str, Figure]]:
    """Draw the effects of systematics that are found from events, if there are any."""
    notes = results.inferred.treatment.variations
    yields = results.applied.histograms.regions
    if notes and results.workspace is not None:
        yield "systematics", plots.systematics(yields, results.workspace, notes)
    if any("pruned" in action for note in notes for action in note.actions):
        yield "pruning", plots.pruning(notes)


def of_inputs(
    cascade: Cascade, filled: Inputs, n_asked: int | None, appearance: Appearance
) -> Iterator[tuple[str, Figure]]:
    """Draw the most important features: at every stage, and if a number is asked for in the regions that have data.

    Those of the regions take half as long as all other figures together. Without any data, all regions have them.
    """
    n_shown = n_asked or N_FEATURES
    if not filled.regions:
        return
    everywhere: Counter[str] = Counter()
    for classifier in (stage.classifier for stage in cascade.stages):
        everywhere.update(classifier.summary.importance or {})
        shown = most_important(classifier.summary.importance or {}, filled, n_shown)
        if shown:
            figure = plots.separation(
                filled,
                classifier.name,
                signal=cascade.signal,
                against=classifier.against,
                features=shown,
                appearance=appearance,
            )
            yield f"separation_{classifier.name}", figure
    for region in regions_to_show(filled) if everywhere and n_asked else ():
        shown = most_important(everywhere, filled, n_shown)
        figure = plots.inputs(filled, region, signal=cascade.signal, features=shown, appearance=appearance)
        yield f"inputs_{region}", figure


def of_training(cascade: Cascade) -> Iterator[tuple[str, Figure]]:
    """Draw how every stage was trained."""
    for classifier, _ in training.classifiers(cascade):
        if classifier.summary.learning_curves:
            yield f"quality_{classifier.name}", plots.quality(classifier.summary, stage=classifier.name)


def of_scores(
    cascade: Cascade, scores: Mapping[str, Histogram], signal: str, appearance: Appearance
) -> Iterator[tuple[str, Figure]]:
    """Draw the scores of every stage."""
    classifiers = {classifier.name: (classifier, point) for classifier, point in training.classifiers(cascade)}
    for name, histogram in scores.items():
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
                appearance=appearance,
            ),
        )


def placed(figures: Mapping[str, Path | bytes]) -> dict[str, list[dict[str, str]]]:
    """Return place -> sources and captions of the figures that stand there; every place has a list.

    Parameters
    ----------
    figures : name -> PNG file or its bytes
    """
    known = [place for place, _ in PLACES.values()] + [place for _, place, _ in PREFIXES]
    places: dict[str, list[dict[str, str]]] = {place: [] for place in (*known, OTHER)}
    for name, figure in figures.items():
        place, caption = _place(name)
        content = figure if isinstance(figure, bytes) else figure.read_bytes()
        source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        places[place].append({"source": source, "caption": caption})
    return places


def _place(name: str) -> tuple[str, str]:
    """Return place and caption of a figure."""
    if name in PLACES:
        return PLACES[name]
    for prefix, place, text in PREFIXES:
        if name.startswith(prefix):
            return place, f"{text} {name.removeprefix(prefix)}."
    return OTHER, name
