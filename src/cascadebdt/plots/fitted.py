"""Every figure of a fit, from the contents of its products."""

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

from matplotlib.figure import Figure

from cascadebdt.plots.inference import Fit, fit
from cascadebdt.plots.profiles import Scan, correlations, scan
from cascadebdt.plots.ranking import Impact, Ranking, ranking
from cascadebdt.plots.validation import ValidatedRegion, validation

Json = Mapping[str, Any]


def fitted(*, result: Json, impacts: Json, profile: Json, validated: Json) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure, one at a time.

    Parameters
    ----------
    result, impacts, profile, validated : contents of ``fit.json``, ``ranking.json``, ``scan.json``,
        ``validation.json``
    """
    yield "fit", fit(cast(Fit, SimpleNamespace(**result)))
    rows = [cast(Impact, SimpleNamespace(**row)) for row in impacts["impacts"]]
    if rows:
        yield "ranking", ranking(cast(Ranking, SimpleNamespace(impacts=rows)))
    yield "correlations", correlations(result["parameters"], result["correlation"])
    yield "scan", scan(cast(Scan, SimpleNamespace(**profile)), uncertainty=result["mu"][1])
    if validated["regions"]:
        regions = {name: cast(ValidatedRegion, SimpleNamespace(**r)) for name, r in validated["regions"].items()}
        yield "validation", validation(regions)
