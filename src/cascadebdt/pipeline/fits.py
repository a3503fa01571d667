"""Everything that is asked of a workspace, and the products with the answers."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cascadebdt import inference
from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.interchange import read_workspace
from cascadebdt.products import Products
from cascadebdt.workspace import Workspace


def fit_workspace(model: Workspace, products: Products) -> dict[str, Any]:
    """Lint and fit a workspace; write the findings, the fit, the limits, the ranking and the scan.

    Parameters
    ----------
    model : any HistFactory workspace; its blind regions are not looked at

    Returns
    -------
    The entries ``fit``, ``limit`` and ``significance`` of ``summary.json``

    Raises
    ------
    FitError
        If the workspace cannot be fitted, or a fit is not to be trusted.
    """
    findings = inference.lint(model)
    counts = Counter(finding.check for finding in findings)
    products.write("lint", {"counts": dict(counts), "findings": [asdict(finding) for finding in findings]})
    result, limit, significance = inference.fit(model), inference.limit(model), inference.significance(model)
    intervals = {name: list(ends) for name, ends in inference.intervals(model).items()}
    products.write("fit", {**result.to_json(), "intervals": intervals})
    products.write("limits", {"limit": limit.to_json(), "significance": significance.to_json()})
    products.write("ranking", inference.ranking(model).to_json())
    products.write("scan", inference.scan(model, result.poi).to_json())
    return {
        "fit": {
            "mu": list(result.mu),
            "normalisation": {name: list(value) for name, value in result.normalisation.items()},
            "goodness_of_fit": result.goodness_of_fit,
            "blind": result.blind,
        },
        "limit": {"expected": list(limit.expected), "observed": limit.observed},
        "significance": {"expected": significance.expected, "observed": significance.observed},
    }


@dataclass(frozen=True)
class Question:
    """What to fit of a workspace file.

    Parameters
    ----------
    patch : JSON patch to apply, or ``FILE:NAME`` of a patch set
    measurement, poi : names; the first measurement and its parameter of interest if not given
    blind : regions whose data are not to be looked at
    """

    patch: str | None = None
    measurement: str | None = None
    poi: str | None = None
    blind: tuple[str, ...] = ()


def fit_file(path: Path, products: Products, question: Question) -> dict[str, Any]:
    """Fit a workspace file of any program: write what `fit_workspace` writes, and the figures.

    The workspace of a blind run of this package stays blind.

    Returns
    -------
    The entries ``fit``, ``limit`` and ``significance`` of ``summary.json``

    Raises
    ------
    InputError, FitError
        If a file is wrong, or a fit is not to be trusted.
    """
    from cascadebdt import plots

    blind = question.blind or ((SIGNAL_REGION,) if _is_of_blind_run(path) else ())
    model = read_workspace(path, patch=question.patch, measurement=question.measurement, poi=question.poi, blind=blind)
    summary = fit_workspace(model, products)
    contents = {
        role: products.read(name, made_by="fit")
        for role, name in (("result", "fit"), ("impacts", "ranking"), ("profile", "scan"))
    }
    for name, figure in plots.fitted(**contents, validated={"regions": {}}):
        plots.save(figure, products.plots / name)
    return summary


def _is_of_blind_run(path: Path) -> bool:
    """Return whether a workspace lies beside the manifest of a blind run, whose signal region holds no data."""
    manifest = path.with_name("manifest.json")
    if path.name not in ("workspace.json", "workspace_validation.json") or not manifest.exists():
        return False
    content = json.loads(manifest.read_text())
    return "unblind" in content and content["unblind"] is None
