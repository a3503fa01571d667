"""A HistFactory workspace in the format of HS3, the statistics serialisation standard.

=================================  ==============================================================================
HistFactory                        HS3
=================================  ==============================================================================
channel                            ``histfactory_dist`` with one axis of unit bins, and ``binned`` data
normfactor, normsys, histosys      the same; constraints are ``Gauss``
lumi                               ``normfactor`` with a ``gaussian_dist``
staterror                          ``shapefactor`` with a ``gaussian_dist`` per bin; errors in the samples, too
shapesys                           ``shapefactor`` with a ``poisson_dist`` per bin
shapefactor                        the same
measurement                        ``analyses``, ``domains`` (bounds), ``parameter_points`` (start values, constants)
=================================  ==============================================================================

HS3 has ``staterror`` and ``shapesys``, but their constraints are not the same in all programs: the numbers of a
``shapesys`` are relative uncertainties in one, absolute ones or counts in others, and HS3's ``staterror`` knows no bins
without errors. Constraints that stand on their own mean the same to all.

References
----------
HS3 0.2, https://hep-statistics-serialization-standard.github.io
"""

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cascadebdt.atomic import write_text
from cascadebdt.errors import FitError
from cascadebdt.inference import check, with_expectation
from cascadebdt.inference.likelihood import Likelihood, objective
from cascadebdt.workspace import blind_regions

VERSION = "0.2"
PER_BIN = ("staterror", "shapesys", "shapefactor")
Json = Mapping[str, Any]


@dataclass(eq=False)
class _Document:
    """An HS3 document that grows.

    Attributes
    ----------
    names : of pyhf's parameters in the document
    constraints, functions : the distributions that constrain parameters, and what they need
    """

    likelihood: Likelihood
    names: dict[str, str]
    constraints: list[dict[str, Any]] = field(default_factory=list)
    functions: list[dict[str, Any]] = field(default_factory=list)

    def gaussian(self, parameter: str) -> str:
        """Add the Gaussian constraint of a parameter of pyhf; return its name."""
        index, name = self.likelihood.index(parameter), f"{self.names[parameter]}_constraint"
        center, width = float(self.likelihood.center[index]), float(self.likelihood.width[index])
        self._add({"name": name, "type": "gaussian_dist", "x": self.names[parameter], "mean": center, "sigma": width})
        return name

    def poisson(self, parameter: str) -> None:
        """Add the Poisson constraint of a parameter of pyhf."""
        cells, index = self.likelihood.cells, self.likelihood.index(parameter)
        place = int(np.flatnonzero(cells.poisson == index)[0])
        name, mean = f"{self.names[parameter]}_constraint", f"{self.names[parameter]}_count"
        count, scale = float(self.likelihood.auxiliary[cells.observed[place]]), float(cells.scale[place])
        self.functions.append({"name": mean, "type": "product", "factors": [self.names[parameter], scale]})
        self._add({"name": name, "type": "poisson_dist", "x": count, "mean": mean})

    def _add(self, constraint: dict[str, Any]) -> None:
        if constraint not in self.constraints:
            self.constraints.append(constraint)


def write_hs3(workspace: Json, path: Path) -> Path:
    """Write a workspace as HS3; see `to_hs3`."""
    return write_text(path, json.dumps(to_hs3(workspace), indent=1) + "\n")


def to_hs3(workspace: Json) -> dict[str, Any]:
    """Return a workspace, its first measurement, as an HS3 document.

    What the open regions predict stands for the data of blind ones.

    Raises
    ------
    FitError
        If the workspace is wrong, or a normsys or histosys has a constraint that is not a unit Gaussian.
    """
    check(workspace)
    metadata: dict[str, Any] = {"hs3_version": VERSION, "packages": [{"name": "cascadebdt", "version": _version()}]}
    if blind := blind_regions(workspace):
        workspace = with_expectation(workspace)
        text = f"the background that the other regions predict stands for the data of {', '.join(blind)}"
        metadata["description"] = f"blind: {text}"
    likelihood = objective(workspace).likelihood
    document = _Document(likelihood, _names(workspace, likelihood))
    channels = [_channel(document, channel) for channel in workspace["channels"]]
    regions = [channel["name"] for channel in workspace["channels"]]
    observed = {item["name"]: item["data"] for item in workspace["observations"]}
    measurement = workspace["measurements"][0]
    return {
        "metadata": metadata,
        "distributions": [*channels, *document.constraints],
        "functions": document.functions,
        "data": [
            {"name": f"observed_{region}", "type": "binned", "axes": [_axis(region, len(observed[region]))],
             "contents": [float(events) for events in observed[region]]}
            for region in regions
        ],
        "likelihoods": [
            {"name": "likelihood", "distributions": regions, "data": [f"observed_{region}" for region in regions],
             "aux_distributions": [constraint["name"] for constraint in document.constraints]}
        ],
        "domains": [{"name": "default_domain", "type": "product_domain", "axes": _bounds(document)}],
        "parameter_points": [{"name": "default_values", "parameters": _start(document)}],
        "analyses": [
            {"name": measurement["name"], "likelihood": "likelihood", "domains": ["default_domain"],
             "init": "default_values", "parameters_of_interest": [measurement["config"]["poi"]]}
        ],
    }  # fmt: skip


def _version() -> str:
    return importlib.metadata.version("cascadebdt")


def _names(workspace: Json, likelihood: Likelihood) -> dict[str, str]:
    """Return a name of letters, digits and underscores where pyhf has brackets.

    Raises
    ------
    FitError
        If two become equal.
    """
    names = {name: name.replace("[", "_bin_").replace("]", "") for name in likelihood.names}
    taken: dict[str, str] = {channel["name"]: f"region '{channel['name']}'" for channel in workspace["channels"]}
    for old, new in names.items():
        if new in taken:
            raise FitError(f"export: parameter '{old}' and {taken[new]} are both '{new}' in HS3; rename one")
        taken[new] = f"parameter '{old}'"
    return names


def _axis(region: str, n_bins: int) -> dict[str, Any]:
    return {"name": f"bin_{region}", "min": 0.0, "max": float(n_bins), "nbins": n_bins}


def _channel(document: _Document, channel: Json) -> dict[str, Any]:
    """Translate a channel."""
    return {
        "name": channel["name"],
        "type": "histfactory_dist",
        "axes": [_axis(channel["name"], len(channel["samples"][0]["data"]))],
        "samples": [
            {
                "name": sample["name"],
                "data": {"contents": [float(value) for value in sample["data"]], "errors": _errors(sample)},
                "modifiers": [_modifier(document, channel["name"], item) for item in sample["modifiers"]],
            }
            for sample in channel["samples"]
        ],
    }


def _errors(sample: Json) -> list[float]:
    """Return the statistical uncertainties of a sample."""
    squares = [np.square(item["data"]) for item in sample["modifiers"] if item["type"] == "staterror"]
    return [float(error) for error in np.sqrt(np.sum(squares, axis=0))] if squares else [0.0] * len(sample["data"])


def _of_bins(document: _Document, region: str, name: str, kind: str) -> list[str]:
    """Return pyhf's parameters of a modifier with one per bin, in a region.

    A shapefactor has its parameters in common with other regions; those of a staterror are numbered through them.
    """
    cells, likelihood = document.likelihood.cells, document.likelihood
    bins = likelihood.regions[region]
    own = {i for i, parameter in enumerate(likelihood.names) if parameter.startswith(f"{name}[")}
    indices = []
    for number in range(bins.start, bins.stop):
        first, last = cells.first_factor[cells.first_cell[number]], cells.first_factor[cells.first_cell[number + 1]]
        indices += [int(i) for i in dict.fromkeys(cells.factors[first:last].tolist()) if i in own]
    if len(indices) != bins.stop - bins.start:
        raise FitError(f"export: region '{region}': the {kind} '{name}' has {len(indices)} parameters")
    return [likelihood.names[index] for index in indices]


def _modifier(document: _Document, region: str, modifier: Json) -> dict[str, Any]:
    """Translate a modifier."""
    name, kind, data = modifier["name"], modifier["type"], modifier["data"]
    if kind in PER_BIN:
        return _per_bin(document, region, name, kind)
    parameter = document.names[name]
    if kind == "lumi":
        constraint = document.gaussian(name)
        return {"name": name, "type": "normfactor", "parameter": parameter, "constraint_name": constraint}
    if kind == "normfactor":
        return {"name": name, "type": "normfactor", "parameter": parameter}
    index = document.likelihood.index(name)
    if (document.likelihood.center[index], document.likelihood.width[index]) != (0.0, 1.0):
        raise FitError(f"export: region '{region}': HS3 has a unit Gaussian as constraint of the {kind} '{name}'")
    if kind == "normsys":
        content: dict[str, Any] = {"hi": data["hi"], "lo": data["lo"]}
    else:
        content = {side: {"contents": [float(v) for v in data[f"{side}_data"]]} for side in ("hi", "lo")}
    return {"name": name, "type": kind, "parameter": parameter, "constraint": "Gauss", "data": content}


def _per_bin(document: _Document, region: str, name: str, kind: str) -> dict[str, Any]:
    """Translate a modifier with one parameter per bin."""
    parameters = _of_bins(document, region, name, kind)
    names = [document.names[parameter] for parameter in parameters]
    constrained = [p for p in parameters if document.likelihood.constrained[document.likelihood.index(p)]]
    for parameter in constrained:
        if kind == "staterror":
            document.gaussian(parameter)
        elif kind == "shapesys":
            document.poisson(parameter)
    return {"name": name, "type": "shapefactor", "parameters": names}


def _bounds(document: _Document) -> list[dict[str, Any]]:
    """Return the ranges of the parameters."""
    pairs = zip(document.likelihood.names, document.likelihood.lower, document.likelihood.upper, strict=True)
    return [{"name": document.names[name], "min": float(low), "max": float(high)} for name, low, high in pairs]


def _start(document: _Document) -> list[dict[str, Any]]:
    """Return the start values of the parameters, and which are constants."""
    rows: Sequence[tuple[str, float, bool]] = list(
        zip(document.likelihood.names, document.likelihood.start, document.likelihood.fixed, strict=True)
    )
    return [
        {"name": document.names[name], "value": float(value), **({"const": True} if fixed else {})}
        for name, value, fixed in rows
    ]
