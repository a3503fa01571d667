"""Everything that is asked of a workspace, and the products with the answers."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from cascadebdt import inference
from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.inference import Limits, Lint
from cascadebdt.inference.breakdown import Groups
from cascadebdt.interchange import read_workspace
from cascadebdt.products import Products
from cascadebdt.products.results import Answers
from cascadebdt.products.summary import FileSummary
from cascadebdt.workspace import Workspace


def fit_workspace(model: Workspace, *, groups: Groups | None = None) -> Answers:
    """Lint and fit a workspace, and ask it for limits, ranking, scan and the parts of the uncertainty.

    Parameters
    ----------
    model : any HistFactory workspace; its blind regions are not looked at
    groups : of parameters; see `inference.breakdown`

    Raises
    ------
    FitError
        If the workspace cannot be fitted, or a fit is not to be trusted.
    """
    lint = Lint.of(inference.lint(model))
    fit = inference.fit(model)
    return Answers(
        lint=lint,
        fit=replace(fit, intervals=inference.intervals(model)),
        limits=Limits.of(model),
        ranking=inference.ranking(model),
        scan=inference.scan(model, fit.poi),
        breakdown=inference.breakdown(model, groups),
    )


@dataclass(frozen=True)
class Question:
    """What to fit of a workspace file.

    Attributes
    ----------
    patch : JSON patch to apply, or ``FILE:NAME`` of a patch set
    measurement, poi : names; the first measurement and its parameter of interest if not given
    blind : regions whose data are not to be looked at
    """

    patch: str | None = None
    measurement: str | None = None
    poi: str | None = None
    blind: tuple[str, ...] = ()


def fit_file(path: Path, products: Products, question: Question) -> Answers:
    """Fit a workspace file of any program; write the answers and their figures.

    The workspace of a blind run of this package stays blind.

    Raises
    ------
    InputError, FitError
        If a file is wrong, or a fit is not to be trusted.
    """
    from cascadebdt import plots

    blind = question.blind or ((SIGNAL_REGION,) if _is_of_blind_run(path) else ())
    model = read_workspace(path, patch=question.patch, measurement=question.measurement, poi=question.poi, blind=blind)
    answers = fit_workspace(model)
    answers.write(products)
    products.write("summary", FileSummary.of(answers.fit, answers.limits, answers.breakdown))
    for name, figure in plots.fitted(answers.fit, answers.ranking, answers.scan, parts=answers.breakdown):
        plots.save(figure, products.plots / name)
    return answers


def _is_of_blind_run(path: Path) -> bool:
    """Return whether a workspace lies beside the manifest of a blind run, whose signal region holds no data."""
    manifest = path.with_name("manifest.json")
    if path.name not in ("workspace.json", "workspace_validation.json") or not manifest.exists():
        return False
    content = json.loads(manifest.read_text())  # of any version, or of another program
    return "unblind" in content and content["unblind"] is None
