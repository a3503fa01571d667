"""Tables of yields for papers and for HEPData.

The folder holds, for the yields before and after the fit, ``yields_<when>.csv`` (every bin of every process, and the
sums), ``covariance_<when>.csv`` (of the totals of all bins), ``yields_<when>.tex`` (sums of the regions; with booktabs)
and ``hepdata/``, a submission.

References
----------
HEPData submission format, https://hepdata-submission.readthedocs.io
"""

import csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from cascadebdt.arrays import FloatArray
from cascadebdt.atomic import write_text
from cascadebdt.inference import Prediction, Predictions, RegionYields

WHEN = {"prefit": "before the fit", "postfit": "after the fit"}
COLUMNS = 4
"""Regions side by side in a table of LaTeX."""

NAME_LENGTH = 64
"""Longest name of a table of HEPData."""

ESCAPES = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    c: f"\\{c}" for c in "&%$#_{}"
}
Json = dict[str, Any]


def write_tables(predictions: Predictions, folder: Path) -> list[Path]:
    """Write all tables; return their paths.

    Parameters
    ----------
    predictions : see `inference.predictions`
    folder : is made if missing
    """
    written = []
    for when, prediction in (("prefit", predictions.prefit), ("postfit", predictions.postfit)):
        written.append(write_text(folder / f"yields_{when}.csv", _csv(_yield_rows(prediction))))
        written.append(write_text(folder / f"covariance_{when}.csv", _csv(_covariance_rows(prediction))))
        written.append(write_text(folder / f"yields_{when}.tex", _latex(prediction, when)))
    return written + _write_hepdata(predictions, folder / "hepdata")


def _csv(rows: Iterator[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _yield_rows(prediction: Prediction) -> Iterator[Sequence[Any]]:
    """Yield the rows of all bins and, as bin ``sum``, of the regions."""
    yield "region", "bin", "process", "events", "uncertainty"
    for region, yields in prediction.regions.items():
        for process, events in (*yields.processes.items(), ("total", yields.total)):
            errors = yields.uncertainties.get(process, yields.total_uncertainty)
            for number, (value, error) in enumerate(zip(events.tolist(), errors.tolist(), strict=True)):
                yield region, number, process, value, error
            yield region, "sum", process, *yields.sums.get(process, yields.total_sum)
        if yields.data is not None:
            for number, value in enumerate(yields.data.tolist()):
                yield region, number, "data", value, ""
            yield region, "sum", "data", float(yields.data.sum()), ""


def _bins(prediction: Prediction) -> list[tuple[str, int]]:
    """Return region and number of all bins."""
    return [(region, number) for region, y in prediction.regions.items() for number in range(len(y.total))]


def _covariance_rows(prediction: Prediction) -> Iterator[Sequence[Any]]:
    """Yield the covariance matrix with names of bins on both sides."""
    names = [f"{region}[{number}]" for region, number in _bins(prediction)]
    yield "", *names
    for name, row in zip(names, prediction.covariance.tolist(), strict=True):
        yield name, *row


def escaped(text: str) -> str:
    """Return a name as LaTeX prints it."""
    return "".join(ESCAPES.get(character, character) for character in text)


def _latex(prediction: Prediction, when: str) -> str:
    """Return tables of the sums of regions, some regions beside each other."""
    blocks = [f"% Expected events {WHEN[when]} and data; needs \\usepackage{{booktabs}}"]
    regions = list(prediction.regions.items())
    blocks += [_tabular(dict(regions[first : first + COLUMNS])) for first in range(0, len(regions), COLUMNS)]
    return "\n\n".join(blocks) + "\n"


def _tabular(regions: Mapping[str, RegionYields]) -> str:
    """Return one table."""
    processes = dict.fromkeys(process for yields in regions.values() for process in yields.processes)
    head = " & ".join(["Process", *map(escaped, regions)])
    rows = [
        " & ".join([escaped(process), *(_pair(yields.sums.get(process)) for yields in regions.values())])
        for process in processes
    ]
    total = " & ".join(["Total", *(_pair(yields.total_sum) for yields in regions.values())])
    data = " & ".join(["Data", *(_count(yields.data) for yields in regions.values())])
    return "\n".join(
        [
            f"\\begin{{tabular}}{{l{'r' * len(regions)}}}",
            "\\toprule",
            f"{head} \\\\",
            "\\midrule",
            *(f"{row} \\\\" for row in rows),
            "\\midrule",
            f"{total} \\\\",
            f"{data} \\\\",
            "\\bottomrule",
            "\\end{tabular}",
        ]
    )


def _pair(pair: tuple[float, float] | None) -> str:
    """Write a value with two digits of its uncertainty."""
    if pair is None:
        return "--"
    value, error = pair
    scale = error if error > 0 else abs(value) / 10
    digits = max(0, 1 - int(np.floor(np.log10(scale)))) if scale > 0 else 1
    return f"${value:.{digits}f} \\pm {error:.{digits}f}$"


def _count(data: FloatArray | None) -> str:
    return "blind" if data is None else f"${data.sum():.10g}$"


def _write_hepdata(predictions: Predictions, folder: Path) -> list[Path]:
    """Write a submission: one table per region and one of the covariance after the fit."""
    postfit = predictions.postfit
    tables = {
        region: (
            f"Events in {region}",
            f"Expected events of each process before and after the fit, and data, in the bins of {region}",
            _region_table(predictions.prefit.regions[region], yields),
        )
        for region, yields in postfit.regions.items()
    }
    text = "Covariance of the total expected events after the fit, for all pairs of bins"
    tables |= {"": ("Covariance after the fit", text, _covariance_table(postfit))}
    files = {name: f"table_{number}.yaml" for number, name in enumerate(tables, start=1)}
    names = _table_names([title for title, _, _ in tables.values()])
    documents: list[Json] = [{"comment": "Expected and observed events, made by cascadebdt."}]
    documents += [
        {"name": unique, "description": description, "keywords": [{"name": "observables", "values": ["N"]}],
         "data_file": files[name]}
        for unique, (name, (_, description, _)) in zip(names, tables.items(), strict=True)
    ]  # fmt: skip
    written = [write_text(folder / files[name], _yaml([table])) for name, (_, _, table) in tables.items()]
    return [*written, write_text(folder / "submission.yaml", _yaml(documents))]


def _table_names(titles: Sequence[str]) -> list[str]:
    """Return names of tables that are unique and short enough."""
    return [
        title if len(title) <= NAME_LENGTH else f"{title[: NAME_LENGTH - 6]} ({number})"
        for number, title in enumerate(titles, start=1)
    ]


def _yaml(documents: Sequence[Json]) -> str:
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 100_000  # names are not broken
    yaml.dump_all(documents, text)
    return text.getvalue()


def _region_table(prefit: RegionYields, postfit: RegionYields) -> Json:
    """Return the table of a region."""
    variables = []
    for when, yields in (("before the fit", prefit), ("after the fit", postfit)):
        for process in (*yields.processes, "Total"):
            events = yields.processes.get(process, yields.total)
            errors = yields.uncertainties.get(process, yields.total_uncertainty)
            variables.append(_variable(f"{process}, {when}", events, errors))
    if postfit.data is not None:
        variables.append(_variable("Data", postfit.data, None))
    bins = [{"value": number} for number in range(len(postfit.total))]
    return {"independent_variables": [{"header": {"name": "Bin"}, "values": bins}], "dependent_variables": variables}


def _variable(name: str, events: FloatArray, errors: FloatArray | None) -> Json:
    """Return a column; one of nothing but zeros as errors, which HEPData refuses, has none."""
    values: list[Json] = [{"value": float(value)} for value in events]
    for value, error in zip(values, () if errors is None else errors.tolist(), strict=errors is not None):
        if error > 0:
            value["errors"] = [{"symerror": error, "label": "total"}]
    return {"header": {"name": name}, "values": values}


def _covariance_table(prediction: Prediction) -> Json:
    """Return the covariance as one row per pair of bins."""
    names = [f"{region} bin {number}" for region, number in _bins(prediction)]
    pairs = list(itertools.product(names, names))
    return {
        "independent_variables": [
            {"header": {"name": f"Bin {side + 1}"}, "values": [{"value": pair[side]} for pair in pairs]}
            for side in (0, 1)
        ],
        "dependent_variables": [
            {"header": {"name": "Covariance"}, "values": [{"value": v} for v in prediction.covariance.ravel().tolist()]}
        ],
    }
