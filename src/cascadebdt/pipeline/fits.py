"""Everything that is asked of a workspace, and the products with the answers."""

from dataclasses import dataclass, replace
from pathlib import Path

from cascadebdt import inference
from cascadebdt.inference import Limits, Lint
from cascadebdt.interchange import read_workspace
from cascadebdt.products import Products
from cascadebdt.products.results import Answers
from cascadebdt.workspace import Workspace


def fit_workspace(model: Workspace) -> Answers:
    """Lint and fit a workspace, and ask it for limits, ranking and scan.

    Parameters
    ----------
    model : any HistFactory workspace; its blind regions are not looked at

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

    Raises
    ------
    InputError, FitError
        If a file is wrong, or a fit is not to be trusted.
    """
    from cascadebdt import plots

    model = read_workspace(
        path, patch=question.patch, measurement=question.measurement, poi=question.poi, blind=question.blind
    )
    answers = fit_workspace(model)
    answers.write(products)
    for name, figure in plots.fitted(answers.fit, answers.ranking, answers.scan):
        plots.save(figure, products.plots / name)
    return answers
