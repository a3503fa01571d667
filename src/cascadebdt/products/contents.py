"""Contents of JSON products."""

from collections.abc import Mapping
from typing import Any

from cascadebdt.events.selection import Cutflow
from cascadebdt.histograms.yields import Yields, total


def cutflow_content(cutflow: Cutflow, processes: Mapping[str, str]) -> dict[str, Any]:
    """Return a cutflow as JSON content; sums are rounded to 12 digits, since chunks add in any grouping.

    Parameters
    ----------
    processes : sample -> its process
    """
    names = dict.fromkeys(processes[sample] for sample in cutflow.samples)
    rows = {name: [r for r, sample in enumerate(cutflow.samples) if processes[sample] == name] for name in names}
    return {
        "cuts": list(cutflow.cuts),
        "samples": {sample: _cutflow_rows(cutflow, [row]) for row, sample in enumerate(cutflow.samples)},
        "processes": {name: _cutflow_rows(cutflow, of) for name, of in rows.items()},
    }


def _cutflow_rows(cutflow: Cutflow, rows: list[int]) -> dict[str, list[Any]]:
    """Return the sums of some rows of a cutflow."""
    return {
        "entries": cutflow.entries[rows].sum(axis=0).tolist(),
        "sumw": [float(f"{value:.12g}") for value in cutflow.sumw[rows].sum(axis=0)],
        "uncertainty": [float(f"{value:.12g}") for value in cutflow.sumw2[rows].sum(axis=0) ** 0.5],
    }


def yields_content(yields: Yields) -> dict[str, Any]:
    """Return region -> process -> variation -> [sum of weights, statistical uncertainty]."""
    return {
        region: {
            process: {
                variation: list(total(histogram, process, variation))
                for variation in histogram.axes["variation"]
                if process != "data" or variation == "nominal"
            }
            for process in histogram.axes["process"]
        }
        for region, histogram in yields.items()
    }
