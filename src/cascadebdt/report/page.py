"""The page as a whole: what it tells first, its sections, and their tables in LaTeX."""

import gc
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cascadebdt.atomic import write_text
from cascadebdt.cascade import Cascade
from cascadebdt.plots.appearance import PLAIN, Appearance
from cascadebdt.plots.style import significant
from cascadebdt.products import Products, figures
from cascadebdt.products.cutflow import CutflowReport
from cascadebdt.products.results import Applied, Inferred
from cascadebdt.records import read_json
from cascadebdt.report import doubts, drawings, headlines, latex
from cascadebdt.report.doubts import Doubt, Rank
from cascadebdt.report.results import Results
from cascadebdt.report.sections import SECTIONS
from cascadebdt.report.studies import StudyAnswer, answers
from cascadebdt.report.training import percent

TABLE = re.compile(r"<table.*?</table>", re.DOTALL)


def write(
    products: Products,
    *,
    cascade: Cascade,
    applied: Applied,
    inferred: Inferred,
    n_features: int | None = None,
    appearance: Appearance = PLAIN,
) -> Path:
    """Draw every figure and write the page; return its path.

    Parameters
    ----------
    products : where figures and page go
    cascade, applied, inferred : what the other steps made
    n_features : features drawn of every stage and region, the most important first; if not given a few of every stage
    appearance : of all figures
    """
    workspace = read_json(products.json("workspace")) if products.has("workspace") else None
    results = Results(cascade, applied, inferred, workspace=workspace)
    with _uncollected():
        saved = appearance.saved(drawings.drawn(results, appearance, n_features=n_features), products.plots)
    figures.replace(products, [path for paths in saved.values() for path in paths])
    page = build(
        cascade=cascade,
        applied=applied,
        inferred=inferred,
        figures={n: png for n, (png, _) in saved.items()},
        studies=answers(products, applied.manifest.config_hash),
    )
    return write_text(products.report, page)


def build(
    *,
    cascade: Cascade,
    applied: Applied,
    inferred: Inferred,
    figures: Mapping[str, Path | bytes],
    warnings: Sequence[str] = (),
    studies: tuple[StudyAnswer, ...] = (),
) -> str:
    """Return the page.

    Parameters
    ----------
    cascade, applied, inferred : what the other steps made
    figures : PNG files or their bytes; those that `drawings` names have their place, others stand at the end
    warnings : sentences to show before those found here
    studies : answers of studies of the same configuration
    """
    results = Results(cascade, applied, inferred, studies)
    templates = environment()
    shared = {
        "figures": drawings.placed(figures),
        "is_asimov": results.summary.data == "asimov",
        "blind": results.summary.fit.blind and results.summary.data != "asimov",
    }
    shown = []
    for section in SECTIONS:
        content = section.content(results)
        if content is not None:
            text = templates.get_template(f"sections/{section.name}.html.j2").render(**shared, **content)
            shown.append({"name": section.name, "title": section.title, "text": Markup(TABLE.sub(_with_latex, text))})
    return templates.get_template("report.html.j2").render(
        **shared,
        summary=results.summary,
        manifest=results.manifest,
        cards=headlines.cards(results.summary),
        assumed=headlines.assumed(results),
        warnings=_warnings(results, warnings),
        sections=shown,
    )


def environment() -> Environment:
    """Return what renders pages."""
    made = Environment(
        loader=PackageLoader("cascadebdt.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "value": lambda pair: significant(pair[0], pair[1]),
        "uncertainty": lambda pair: significant(pair[1], pair[1]),
        "number": significant,
        "percent": percent,
        "count": lambda number: f"{number:,}",
    }
    return made


def findings(*, cascade: Cascade, cutflow: CutflowReport, inferred: Inferred) -> list[str]:
    """List what a reader should know before believing the result, the gravest first."""
    return [doubt.text for doubt in doubts.findings(cascade=cascade, cutflow=cutflow, inferred=inferred)]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave garbage for a while: to look for it among the artists of figures is a sixth of the time to draw them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _warnings(results: Results, more: Sequence[str]) -> list[Doubt]:
    """Return all warnings, the gravest first."""
    own = doubts.findings(cascade=results.cascade, cutflow=results.applied.cutflow, inferred=results.inferred)
    given = [Doubt(Rank.NOTABLE, text) for text in (*more, *results.manifest.warnings)]
    return sorted([*given, *own], key=lambda doubt: doubt.rank)


def _with_latex(match: re.Match[str]) -> str:
    """Let a wide table scroll, and put the same in LaTeX below it."""
    source = Markup.escape(latex.table(match.group()))
    return (
        f'<div class="scroll" tabindex="0">{match.group()}</div>\n'
        f'<details class="latex"><summary>LaTeX</summary><pre>{source}</pre></details>'
    )
