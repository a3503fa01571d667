"""An HS3 document as a HistFactory workspace, if all its distributions are those of HistFactory.

Poisson constraints of parameters that several processes share, which pyhf does not have, become a ``shapefactor`` and
one more region: bins that count what the constraint counts. The likelihood is the same.

References
----------
HS3 0.2, https://hep-statistics-serialization-standard.github.io; ROOT and pyhs3 where the text leaves things open.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.errors import InputError, did_you_mean

INTERPOLATIONS = {"normsys": ("code4", 4, "poly6"), "histosys": ("code4p", 4, "poly6")}
"""What the key `interpolation` may be: 4 and 4p of HistFactory, which HS3 calls ``poly6``."""

LARGEST_DIFFERENCE = 1e-9
WIDE = 10.0
"""Range, in its standard deviations, of a constrained factor for which a document states none."""

Json = Mapping[str, Any]


@dataclass(frozen=True)
class _Constraint:
    """Of a parameter: a Gaussian with center and width, or a Poisson count with the expected count per unit."""

    is_poisson: bool
    observed: float
    scale: float


@dataclass(eq=False)
class _Document:
    """An HS3 document, and the workspace that grows from it."""

    where: str
    distributions: dict[str, Json]
    functions: dict[str, Json]
    values: dict[str, float]
    constants: set[str]
    bounds: dict[str, tuple[float, float]]
    constraints: dict[str, _Constraint] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    regions: dict[str, tuple[Json, list[float]]] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def error(self, text: str) -> InputError:
        """Return an error that names the file."""
        return InputError(f"{self.where}: {text}")

    def number(self, value: Any, what: str) -> float:
        """Return a number, or the value of the parameter of that name."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, str) and value in self.values:
            return self.values[value]
        raise self.error(f"{what}: expected a number, or a parameter with a value, got {value!r}")


def is_hs3(content: Json) -> bool:
    """Return whether a JSON object is an HS3 document."""
    return "distributions" in content and "channels" not in content


def from_hs3(content: Json, *, where: str = "HS3", analysis: str | None = None) -> dict[str, Any]:
    """Return an HS3 document as a workspace that is not checked yet.

    Parameters
    ----------
    content : the document
    where : its place, for messages
    analysis : name of the one to use; the first if not given

    Raises
    ------
    InputError
        If the document is incomplete, or has what HistFactory cannot express.
    """
    try:
        return _workspace(content, where, analysis)
    except KeyError as error:
        raise InputError(f"{where}: not a complete HS3 document, {error} is missing") from None
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{where}: not an HS3 document, a value has the wrong type or size ({text})") from None


def _workspace(content: Json, where: str, analysis: str | None) -> dict[str, Any]:
    """Return the workspace of a document whose parts are there and have the right types."""
    chosen = _chosen(content, where, analysis)
    likelihood = _by_name(content, "likelihoods", where)
    if not likelihood:
        raise InputError(f"{where}: an HS3 document without likelihoods")
    name = str(chosen.get("likelihood", next(iter(likelihood))))
    if name not in likelihood:
        raise InputError(f"{where}: no likelihood '{name}'{did_you_mean(name, likelihood)}")
    pairs = likelihood[name]
    document = _document(content, where, chosen)
    data = _by_name(content, "data", where)
    _find_constraints(document, pairs.get("aux_distributions") or document.distributions)
    channels = [_channel(document, str(region)) for region in pairs["distributions"]]
    observed = [_observed(document, data, reference) for reference in pairs["data"]]
    poi = (chosen.get("parameters_of_interest") or [None])[0]
    extra = document.regions
    return {
        "channels": [*channels, *(channel for channel, _ in extra.values())],
        "observations": [
            *({"name": c["name"], "data": events} for c, events in zip(channels, observed, strict=True)),
            *({"name": region, "data": events} for region, (_, events) in extra.items()),
        ],
        "measurements": [
            {
                "name": str(chosen.get("name", "hs3")),
                "config": {"poi": poi, "parameters": [{"name": n, **s} for n, s in document.settings.items()]},
            }
        ],
        "version": "1.0.0",
    }


def _chosen(content: Json, where: str, name: str | None) -> Json:
    """Return an analysis, an empty one if the document has none."""
    analyses = _by_name(content, "analyses", where)
    if name is not None and name not in analyses:
        raise InputError(f"{where}: no analysis '{name}'{did_you_mean(name, analyses)}")
    return analyses[name] if name is not None else next(iter(analyses.values()), {})


def _by_name(content: Json, part: str, where: str) -> dict[str, Json]:
    """Return the objects of a part of the document."""
    items = content.get(part) or []
    if not isinstance(items, Sequence) or not all(isinstance(item, Mapping) and "name" in item for item in items):
        raise InputError(f"{where}: '{part}' must be a list of objects with names")
    return {str(item["name"]): item for item in items}


def _document(content: Json, where: str, analysis: Json) -> _Document:
    """Collect what modifiers refer to."""
    points = _by_name(content, "parameter_points", where)
    point = points.get(str(analysis.get("init")), next(iter(points.values()), {}))
    domains = _by_name(content, "domains", where)
    axes = [axis for name in analysis.get("domains") or domains for axis in domains.get(str(name), {}).get("axes", ())]
    return _Document(
        where,
        _by_name(content, "distributions", where),
        _by_name(content, "functions", where),
        values={str(item["name"]): float(item["value"]) for item in point.get("parameters", ())},
        constants={str(item["name"]) for item in point.get("parameters", ()) if item.get("const")},
        bounds={
            str(axis["name"]): (float(axis["min"]), float(axis["max"])) for axis in axes if {"min", "max"} <= set(axis)
        },
    )


def _find_constraints(document: _Document, names: Any) -> None:
    """Collect the constraints that stand on their own."""
    for name in names:
        item = document.distributions.get(str(name))
        if item is None:
            raise document.error(f"no distribution '{name}'{did_you_mean(str(name), document.distributions)}")
        kind = item.get("type")
        if kind == "gaussian_dist":
            _gaussian(document, item)
        elif kind == "poisson_dist":
            _poisson(document, item)
        elif kind != "histfactory_dist":
            raise document.error(f"distribution '{name}': HistFactory has no '{kind}'")


def _gaussian(document: _Document, item: Json) -> None:
    """Note a Gaussian constraint; parameter and observation may stand on either side."""
    sides = [side for side in (item["x"], item["mean"]) if isinstance(side, str) and side not in document.constants]
    if len(sides) != 1:
        raise document.error(f"distribution '{item['name']}': expected one parameter and one number as x and mean")
    other = item["mean"] if item["x"] == sides[0] else item["x"]
    where = f"distribution '{item['name']}'"
    center, width = document.number(other, where), document.number(item["sigma"], where)
    document.constraints[sides[0]] = _Constraint(False, center, width)


def _poisson(document: _Document, item: Json) -> None:
    """Note a Poisson constraint, whose mean is a parameter or a product of one with a number."""
    mean, where = str(item["mean"]), f"distribution '{item['name']}'"
    product = document.functions.get(mean, {"type": "product", "factors": [mean]})
    factors = product.get("factors", ())
    names = [factor for factor in factors if isinstance(factor, str) and factor not in document.constants]
    if product.get("type") != "product" or len(names) != 1:
        raise document.error(f"{where}: expected a parameter, or its product with a number, as mean")
    scale = float(np.prod([document.number(factor, where) for factor in factors if factor != names[0]]))
    document.constraints[names[0]] = _Constraint(True, document.number(item["x"], where), scale)


def _observed(document: _Document, data: Mapping[str, Json], reference: Any) -> list[float]:
    item = data.get(str(reference))
    if item is None or "contents" not in item:
        raise document.error(f"data '{reference}': expected binned data with contents")
    return [float(events) for events in item["contents"]]


def _channel(document: _Document, name: str) -> dict[str, Any]:
    """Translate a channel."""
    item = document.distributions.get(name)
    if item is None or item.get("type") != "histfactory_dist":
        kind = "absent" if item is None else f"of type '{item.get('type')}'"
        raise document.error(f"distribution '{name}' is {kind}; HistFactory has 'histfactory_dist' only")
    samples = item["samples"]
    return {
        "name": name,
        "samples": [
            {
                "name": str(sample["name"]),
                "data": [float(value) for value in sample["data"]["contents"]],
                "modifiers": [
                    m for item in sample.get("modifiers", ()) for m in _modifier(document, name, samples, sample, item)
                ],
            }
            for sample in samples
        ],
    }


def _modifier(
    document: _Document, region: str, samples: Sequence[Json], sample: Json, modifier: Json
) -> Iterator[dict[str, Any]]:
    """Yield a modifier."""
    kind = str(modifier.get("type"))
    where = f"region '{region}', process '{sample['name']}', modifier '{modifier.get('name', kind)}'"
    if kind in ("staterror", "shapefactor"):
        yield _per_bin(document, where, region, samples, sample, modifier)
    elif kind == "shapesys":
        text = "programs differ in what the 'vals' of a shapesys are; write a shapefactor with a poisson_dist per bin"
        raise document.error(f"{where}: {text}")
    elif kind in ("normfactor", "normsys", "histosys"):
        name = str(modifier.get("parameter", modifier.get("name")))
        yield {"name": name, "type": _single(document, where, name, modifier), "data": _data(document, where, modifier)}
    else:
        raise document.error(f"{where}: HistFactory has no modifier of type '{kind}'")


def _data(document: _Document, where: str, modifier: Json) -> Any:
    """Return the data of a modifier with one parameter."""
    kind, data = modifier["type"], modifier.get("data") or {}
    if kind == "normfactor":
        return None
    code = data.get("interpolation", modifier.get("interpolation"))
    if code is not None and code not in INTERPOLATIONS[kind]:
        raise document.error(f"{where}: expected the interpolation {INTERPOLATIONS[kind][0]}, got {code!r}")
    if kind == "normsys":
        return {"hi": float(data["hi"]), "lo": float(data["lo"])}
    return {f"{side}_data": [float(value) for value in data[side]["contents"]] for side in ("hi", "lo")}


def _single(document: _Document, where: str, name: str, modifier: Json) -> str:
    """Return pyhf's type of a modifier with one parameter, whose settings are noted."""
    kind, constraint = str(modifier["type"]), document.constraints.get(name)
    setting = _setting(document, [name])
    if kind == "normfactor":
        if constraint is not None:
            if constraint.is_poisson:
                raise document.error(f"{where}: HistFactory has no Poisson constraint of a normfactor")
            reach = WIDE * constraint.scale
            default = {
                "bounds": [[constraint.observed - reach, constraint.observed + reach]],
                "inits": [constraint.observed],
            }
            setting = {**default, **setting, "auxdata": [constraint.observed], "sigmas": [constraint.scale]}
        document.settings[name] = setting
        return "normfactor" if constraint is None else "lumi"
    stated = modifier.get("constraint", modifier.get("constraint_type", "Gauss"))
    if stated not in ("Gauss", "Gaussian") or (constraint is not None and constraint != _Constraint(False, 0.0, 1.0)):
        raise document.error(f"{where}: HistFactory has a unit Gaussian as its constraint")
    document.settings[name] = setting
    return kind


def _setting(document: _Document, names: Sequence[str]) -> dict[str, Any]:
    """Return start values and bounds of parameters that pyhf sees as one, and whether they are constants."""
    setting: dict[str, Any] = {}
    if all(name in document.values for name in names):
        setting["inits"] = [document.values[name] for name in names]
    if all(name in document.bounds for name in names):
        setting["bounds"] = [list(document.bounds[name]) for name in names]
    if all(name in document.constants for name in names):
        setting["fixed"] = True
    return setting


def _per_bin(
    document: _Document, where: str, region: str, samples: Sequence[Json], sample: Json, modifier: Json
) -> dict[str, Any]:
    """Return a modifier with one parameter per bin as pyhf has it, which depends on its constraints."""
    contents = np.array(sample["data"]["contents"], dtype=np.float64)
    names = [str(name) for name in modifier.get("parameters", ())]
    if len(names) != len(contents):
        raise document.error(f"{where}: expected {len(contents)} parameters, one per bin, got {len(names)}")
    sharing = [s for s in samples if any(m.get("parameters") == modifier["parameters"] for m in s.get("modifiers", ()))]
    constraints = _constraints_of_bins(document, where, sharing, modifier, names)
    name = _common_name(document, region, names)
    document.settings[name] = _setting(document, names)
    if not constraints:
        return {"name": name, "type": "shapefactor", "data": None}
    _require_constants(document, where, names, constraints)
    if not any(constraint.is_poisson for constraint in constraints.values()):
        data = _staterror(document, where, sharing, sample, names, constraints)
        return {"name": name, "type": "staterror", "data": data}
    if len(sharing) == 1:
        data = _shapesys(document, where, contents, names, constraints)
        return {"name": name, "type": "shapesys", "data": data}
    _count(document, where, name, names, constraints)
    return {"name": name, "type": "shapefactor", "data": None}


def _common_name(document: _Document, region: str, names: Sequence[str]) -> str:
    """Return what parameters of bins have in common as the name that pyhf has for all of them."""
    name = names[0].rstrip("0123456789").removesuffix("_").removesuffix("_bin") or names[0]
    if document.groups.setdefault(name, tuple(names)) != tuple(names):
        name = f"{name}_{region}"
        document.groups[name] = tuple(names)
    return name


def _constraints_of_bins(
    document: _Document, where: str, sharing: Sequence[Json], modifier: Json, names: Sequence[str]
) -> dict[str, _Constraint]:
    """Return the constraints of the parameters that are no constants."""
    if any(document.values.get(name, 1.0) != 1.0 for name in names if name in document.constants):
        raise document.error(f"{where}: HistFactory has 1 as the value of constant parameters of bins")
    free = [name for name in names if name not in document.constants]
    if modifier["type"] == "shapefactor":
        return {name: document.constraints[name] for name in free if name in document.constraints}
    stated = modifier.get("constraint", modifier.get("constraint_type"))
    if stated not in ("Gauss", "Gaussian", "Poisson"):
        raise document.error(f"{where}: expected the constraint 'Gauss' or 'Poisson', got {stated!r}")
    errors = dict(zip(names, _relative_errors(sharing).tolist(), strict=True))
    document.constants |= {name for name in free if errors[name] == 0}
    pairs = [(name, errors[name]) for name in free if errors[name] > 0]
    if stated == "Poisson":
        return {name: _Constraint(True, error**-2, error**-2) for name, error in pairs}
    return {name: _Constraint(False, 1.0, error) for name, error in pairs}


def _relative_errors(sharing: Sequence[Json]) -> FloatArray:
    """Return the relative statistical uncertainty of processes in each bin."""
    total = np.sum([sample["data"]["contents"] for sample in sharing], axis=0)
    squares = np.sum([np.square(sample["data"].get("errors") or [0.0] * len(total)) for sample in sharing], axis=0)
    return np.asarray(np.where(total > 0, np.sqrt(squares) / np.where(total > 0, total, 1.0), 0.0))


def _require_constants(
    document: _Document, where: str, names: Sequence[str], constraints: Mapping[str, _Constraint]
) -> None:
    """Require that parameters without constraint are constants, as those of pyhf are; they need no setting."""
    if free := [name for name in names if name not in constraints and name not in document.constants]:
        raise document.error(f"{where}: parameter '{free[0]}' has no constraint, as others of the modifier have")


def _staterror(
    document: _Document, where: str, sharing: Sequence[Json], sample: Json, names: Sequence[str],
    constraints: Mapping[str, _Constraint],
) -> list[float]:  # fmt: skip
    """Return the errors of a staterror: those of the processes, or where they differ, all of the first one."""
    if any(abs(constraint.observed - 1.0) > LARGEST_DIFFERENCE for constraint in constraints.values()):
        raise document.error(f"{where}: expected 1 as the center of Gaussian constraints of bins")
    width = np.array([constraints[name].scale if name in constraints else 0.0 for name in names])
    if np.allclose(_relative_errors(sharing), width, rtol=LARGEST_DIFFERENCE, atol=0.0):
        return [float(error) for error in sample["data"].get("errors", np.zeros(len(names)))]
    if sample is not sharing[0]:
        return [0.0] * len(names)
    total = np.sum([item["data"]["contents"] for item in sharing], axis=0)
    return [float(error) for error in width * total]


def _shapesys(
    document: _Document, where: str, contents: FloatArray, names: Sequence[str], constraints: Mapping[str, _Constraint]
) -> list[float]:
    """Return the errors of a shapesys."""
    errors = []
    for name, content in zip(names, contents, strict=True):
        constraint = constraints.get(name)
        if constraint is not None and (not constraint.is_poisson or constraint.observed != constraint.scale):
            raise document.error(f"{where}: expected as many counts of '{name}' as its constraint expects")
        errors.append(0.0 if constraint is None else float(content / np.sqrt(constraint.scale)))
    return errors


def _count(
    document: _Document, where: str, name: str, names: Sequence[str], constraints: Mapping[str, _Constraint]
) -> None:
    """Add a region whose bins count what Poisson constraints do."""
    if any(not constraint.is_poisson for constraint in constraints.values()):
        raise document.error(f"{where}: bins with Gaussian and with Poisson constraints")
    scales = [constraints[n].scale if n in constraints else 0.0 for n in names]
    events = [constraints[n].observed if n in constraints else 0.0 for n in names]
    region = f"{name}_counts"
    sample = {"name": region, "data": scales, "modifiers": [{"name": name, "type": "shapefactor", "data": None}]}
    document.regions[region] = ({"name": region, "samples": [sample]}, events)
