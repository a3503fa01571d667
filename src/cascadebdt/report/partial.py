"""The page of an analysis that has no fit yet: the figures that exist."""

from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from cascadebdt import plots
from cascadebdt.atomic import write_text
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.histograms.contents import purity_matrix, region_table
from cascadebdt.products import Products, figures
from cascadebdt.products.results import Applied
from cascadebdt.report import training
from cascadebdt.report.drawings import DATA_TITLES, of_inputs, of_scores, of_training, placed
from cascadebdt.report.page import environment


def write(products: Products, *, config: Config, cascade: Cascade, applied: Applied | None, missing: str) -> Path:
    """Draw what there is without a fit and write the page; return its path.

    Parameters
    ----------
    products : where figures and page go
    config : the analysis
    cascade : that was trained
    applied : what `apply` made; None before it
    missing : what has not been done, in words
    """
    appearance = plots.Appearance.of(config)
    drawn = appearance.saved(_figures(config, cascade, applied, appearance), products.plots)
    figures.replace(products, [path for paths in drawn.values() for path in paths])
    page = (
        environment()
        .get_template("partial.html.j2")
        .render(
            analysis=config.analysis,
            missing=missing,
            data=DATA_TITLES.get(config.data),
            warnings=[*(applied.manifest.warnings if applied else ()), *_of_training(cascade)],
            sections={
                section: pictures
                for section, pictures in placed({n: p for n, (p, _) in drawn.items()}).items()
                if pictures
            },
        )
    )
    return write_text(products.report, page)


def _of_training(cascade: Cascade) -> list[str]:
    classifiers = training.classifiers(cascade)
    return [sentence for classifier, _ in classifiers for sentence in training.doubts(classifier, cascade.signal)]


def _figures(
    config: Config, cascade: Cascade, applied: Applied | None, appearance: plots.Appearance
) -> Iterator[tuple[str, Figure]]:
    """Draw every figure, one at a time."""
    if applied is not None:
        yields, signal = applied.histograms.regions, config.cascade.signal
        title = DATA_TITLES.get(config.data)
        yield "regions_before_fit", plots.regions(yields, signal=signal, title=title, appearance=appearance)
        for name, histogram in yields.items():
            figure = plots.region(histogram, name, signal=signal, title=title, appearance=appearance)
            yield f"region_{name}", figure
        against = {stage.name: stage.against for stage in config.cascade.stages}
        matrix = purity_matrix(region_table(yields, against, signal))
        yield "purity", plots.purity(matrix, appearance=appearance)
        yield "flow", plots.flow(applied.cutflow.cascade, signal=signal, appearance=appearance)
        yield from of_inputs(cascade, applied.inputs, None, appearance)
    yield from of_training(cascade)
    if applied is not None:
        yield from of_scores(cascade, applied.histograms.scores, config.cascade.signal, appearance)
