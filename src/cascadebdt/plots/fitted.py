"""Every figure of a fit."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from cascadebdt.inference import FitResult, Ranking, Scan, Validation
from cascadebdt.plots.inference import fit
from cascadebdt.plots.profiles import correlations, scan
from cascadebdt.plots.ranking import ranking
from cascadebdt.plots.validation import validation


def fitted(
    result: FitResult, impacts: Ranking, profile: Scan, validated: Validation | None = None
) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure, one at a time.

    Parameters
    ----------
    result : the fit
    impacts : of the nuisance parameters on the signal strength
    profile : of the signal strength
    validated : the validation regions, if there are any
    """
    yield "fit", fit(result)
    if impacts.impacts:
        yield "ranking", ranking(impacts)
    yield "correlations", correlations(result.parameters, result.correlation)
    yield "scan", scan(profile, uncertainty=result.mu[1])
    if validated is not None and validated.regions:
        yield "validation", validation(validated)
