"""What the page tells first: the numbers of the result, and what was assumed."""

from cascadebdt.plots.style import significant
from cascadebdt.products.summary import Summary
from cascadebdt.report import tables
from cascadebdt.report.results import Results

MODES = {
    "cross_fit": "by models that never saw their fold",
    "nested": "by models that never saw their fold, nor did those that chose what these trained on",
    "holdout": "by one model per stage, only those it never saw",
}


def assumed(results: Results) -> list[tuple[str, str]]:
    """Return what was assumed: titles and sentences."""
    summary, manifest, cascade = results.summary, results.manifest, results.cascade
    luminosity = manifest.config.get("luminosity_fb")
    systematics = manifest.config.get("systematics") or []
    rows = [
        ("Data", _data(summary)),
        (
            "Signal region",
            ""
            if summary.data == "asimov"
            else "blind"
            if summary.fit.blind
            else f"unblinded: {manifest.unblind or 'no reason given'}",
        ),
        ("Luminosity", "" if luminosity is None else f"{luminosity:g} fb⁻¹"),
        ("Events scored", f"{MODES[cascade.mode]}; {cascade.n_folds} folds"),
        ("Systematics", f"{len(systematics)} sources, and the statistics of simulation"),
        ("Versions", f"cascadebdt {manifest.versions.get('cascadebdt', 'unknown')}, {_others(manifest.versions)}"),
    ]
    return [(title, text) for title, text in rows if text]


def _data(summary: Summary) -> str:
    """Return what stands for data, and where it is seen."""
    if summary.data == "asimov":
        return "none: the nominal expectation stands for them (Asimov)"
    where = "of the control regions" if summary.fit.blind else "of all regions"
    return f"weighted simulation, {where}" if summary.data == "simulation" else where


def _others(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {versions[name]}" for name in ("python", "xgboost", "pyhf") if name in versions)


def cards(summary: Summary) -> list[dict[str, str]]:
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
