"""Every figure of a fit."""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from cascadebdt.inference import Breakdown, FitResult, Limits, Ranking, Scan, ToyAnswers, Validation
from cascadebdt.plots.breakdown import breakdown
from cascadebdt.plots.inference import fit
from cascadebdt.plots.profiles import correlations, scan
from cascadebdt.plots.ranking import ranking
from cascadebdt.plots.toys import toy_limit
from cascadebdt.plots.validation import validation


def fitted(
    result: FitResult,
    impacts: Ranking,
    profile: Scan,
    validated: Validation | None = None,
    *,
    parts: Breakdown | None = None,
    contours: Sequence[Scan] = (),
    toys: ToyAnswers | None = None,
    limits: Limits | None = None,
) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure, one at a time.

    Parameters
    ----------
    result : the fit
    impacts : of the nuisance parameters on the signal strength
    profile : of the signal strength
    validated : the validation regions, if there are any
    parts : of the uncertainty of the signal strength
    contours : profiles in two parameters
    toys : what pseudo-experiments say, beside the limits of asymptotic formulas
    limits : these
    """
    yield "fit", fit(result)
    if impacts.impacts:
        yield "ranking", ranking(impacts)
    if parts is not None:
        yield "breakdown", breakdown(parts)
    yield "correlations", correlations(*result.grouped_correlation())
    yield "scan", scan(profile, uncertainty=result.mu[1])
    for plane in contours:
        yield f"contour_{'_'.join(plane.parameters)}", scan(plane)
    if toys is not None and toys.limit is not None:
        yield "toys", toy_limit(toys.limit, limits)
    if validated is not None and validated.regions:
        yield "validation", validation(validated)
