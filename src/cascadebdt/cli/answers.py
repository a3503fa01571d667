"""The answers of a fit as a few lines of text."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascadebdt.inference import Exclusion, FitResult, Limits, Lint, Projection, ToyAnswers
    from cascadebdt.products.results import Answers

Ends = tuple[float | None, float | None]

N_SHOWN = 8
"""Parameters or groups that a line names."""


DATA_LINES = {
    "asimov": "data             none: the nominal expectation stands for them (Asimov)",
    "simulation": "data             weighted simulation stands for them",
}


def headline(answers: "Answers", data: str = "real") -> str:
    """Return the result in a few lines; `data` is as in the summary."""
    fit = answers.fit
    return "\n".join(
        [
            *filter(None, [DATA_LINES.get(data)]),
            *_strength(answers),
            *_limits(answers.limits),
            *([] if fit.goodness_of_fit is None else [f"goodness of fit  {fit.goodness_of_fit:.3g}"]),
            *_toys(answers.toys),
            *(f"norm {name:12s} {_normalisation(fit, name)}" for name in fit.normalisation),
            *_parameters(fit),
            f"second opinion   MINUIT agrees within {abs(fit.agreement):.1g} in -2 ln L",
            *_warnings(answers.lint),
        ]
    )


def _strength(answers: "Answers") -> Iterator[str]:
    """Yield the lines of the parameter of interest."""
    fit, parts = answers.fit, answers.breakdown
    split = f"statistical {_ends(parts.statistical)}, systematic {_ends(parts.systematic)}"
    if fit.blind:
        yield f"{fit.poi:16s} expected uncertainty {_ends(parts.total)} (blind): {split}"
    elif fit.poi in fit.at_bound:
        yield f"{fit.poi:16s} {fit.measured(fit.poi)}: {split}"
    else:
        yield f"{fit.poi:16s} {fit.mu[0]:.3g} {_ends(parts.total)}: {split}"
    largest = sorted(parts.groups.items(), key=lambda item: -max(end or 0.0 for end in item[1]))
    shown = [f"{name} {_ends(ends)}" for name, ends in largest[:3]]
    if shown:
        yield f"largest parts    {', '.join(shown)}"


def _toys(toys: "ToyAnswers | None") -> Iterator[str]:
    """Yield the lines of pseudo-experiments."""
    if toys is None:
        return
    yield f"toys             {toys.n} of each hypothesis, seed {toys.seed}"
    if toys.limit is not None:
        low, lower, median, higher, high = toys.limit.expected
        band = f"68 %: {lower:.3g} to {higher:.3g}, 95 %: {low:.3g} to {high:.3g}"
        seen = _observed(toys.limit.observed)
        title = f"{100 * (1 - toys.limit.level):g} % CLs limit"
        yield f"  {title:17s}expected {median:.3g} ({band}){seen} +- {toys.limit.uncertainty:.2g}"
    tests = {"significance": toys.significance, "goodness of fit": toys.goodness_of_fit}
    for name, test in tests.items():
        if test is not None:
            yield f"  {name:17s}p = {test.value:.3g} +- {test.uncertainty:.2g}"
    failed = sum(len(found.failures) for found in (*tests.values(), toys.limit) if found is not None)
    if failed:
        yield f"  failed fits      {failed}, see toys.json"


def _ends(ends: Ends) -> str:
    """Return distances below and above."""
    if ends == (None, None):
        return "not limited by the data"
    return " ".join(
        "(to its bound)" if end is None else f"{sign}{end:.3g}" for sign, end in zip("-+", ends, strict=True)
    )


def changed(changes: Mapping[str, Any]) -> list[str]:
    """Return the lines about a model, or data, that are not those of the file."""
    return [f"changed          {name} {_shown(value)}" for name, value in changes.items()]


def _shown(value: Any) -> str:
    """Return the value of a change as text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_shown(inner)}" for name, inner in value.items()) or "at the start of the model"
    if isinstance(value, list):
        return ", ".join(_shown(inner) for inner in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def projected(projection: "Projection") -> str:
    """Return the prediction of a fit to some regions in a few lines."""
    width = max(len(name) for name in projection.regions)
    lines = [f"{'region':{width}s}  {'predicted':>12s}  {'uncertainty':>12s}  {'data':>8s}"]
    for name, region in projection.regions.items():
        data = "blind" if region.data is None else f"{region.data.sum():g}"
        numbers = f"{region.total:12.5g}  {region.total_uncertainty:12.3g}  {data:>8s}"
        lines.append(f"{name:{width}s}  {numbers}{'  fitted' if region.is_fitted else ''}")
    probability = projection.goodness_of_fit
    return "\n".join(lines if probability is None else [*lines, f"goodness of fit  {probability:.3g}"])


def _limits(limits: "Limits") -> list[str]:
    """Return the lines of limit, significance and exclusions."""
    limit, significance = limits.limit, limits.significance
    if limit is None or significance is None:
        return [str(limits.undefined)]
    low, lower, median, higher, high = limit.expected
    band = f"68 %: {lower:.3g} to {higher:.3g}, 95 %: {low:.3g} to {high:.3g}"
    return [
        f"{100 * (1 - limit.level):g} % CLs limit   expected {median:.3g} ({band}){_observed(limit.observed)}",
        f"significance     expected {significance.expected:.3g} for signal strength 1"
        + _observed(significance.observed),
        *(_exclusion(found) for found in limits.exclusions or ()),
    ]


def _exclusion(found: "Exclusion") -> str:
    """Return the line of a tested signal strength."""
    low, lower, median, higher, high = found.expected
    band = f"68 %: {lower:.3g} to {higher:.3g}, 95 %: {low:.3g} to {high:.3g}"
    text = f"CLs at {found.mu:<9.4g} expected {median:.3g} ({band})"
    seen = found.observed
    return text if seen is None else f"{text}, observed {seen.cls:.3g} (CLsb {seen.cl_sb:.3g}, CLb {seen.cl_b:.3g})"


def _normalisation(fit: "FitResult", process: str) -> str:
    """Return value and uncertainty of a normalisation, from its profile if that is known."""
    value, error = fit.normalisation[process]
    name = process if process in fit.parameters else f"norm_{process}"
    if name in fit.at_bound:
        return fit.measured(name)
    low, high = (fit.intervals or {}).get(name, (value - error, value + error))
    return f"{value:.3f} -{value - low:.3f} +{high - value:.3f}"


def _parameters(fit: "FitResult") -> Iterator[str]:
    """Yield what is noticeable of the parameters: beyond one sigma, below one half of the constraint, at bounds."""
    from cascadebdt.inference.likelihood import MC_STATISTICS, is_of_bin

    pulled = {name: f"by {pull:+.2f}" for name, pull in fit.pulled().items()}
    constrained = {name: f"to {part:.2f}" for name, part in fit.constrained().items()}
    for title, found in (("pulled", pulled), ("constrained", constrained)):
        of_bin = [name for name in found if is_of_bin(name)]
        shown = [f"{name} {text}" for name, text in found.items() if name not in of_bin]
        more = [f"{len(shown) - N_SHOWN} more"] if len(shown) > N_SHOWN else []
        words = [*shown[:N_SHOWN], *more, *([f"{len(of_bin)} of the {MC_STATISTICS}"] if of_bin else [])]
        if words:
            yield f"{title:16s} {', '.join(words)}"
    for name in fit.at_bound:
        if name != fit.poi:
            yield f"at bound         {name} {fit.measured(name)}"


def _warnings(lint: "Lint") -> Iterator[str]:
    """Yield how many findings of each kind there are."""
    if lint.counts:
        yield f"warnings         {', '.join(f'{kind} ({n})' for kind, n in lint.counts.items())}; see lint.json"


def _observed(value: float | None) -> str:
    return "" if value is None else f", observed {value:.3g}"
