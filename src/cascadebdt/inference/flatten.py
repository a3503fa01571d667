"""A pyhf model -> the flat form whose likelihood our kernels compute with exact derivatives.

pyhf reads the model and names, orders and constrains its parameters; its rates are computed both ways at two points,
and a model on which they differ is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.errors import FitError
from cascadebdt.inference import histfactory
from cascadebdt.inference.histfactory import Cells

Json = Mapping[str, Any]

LARGEST_DIFFERENCE = 1e-9
EMPTY = 1e-6
"""Events that stand for none in an empty bin, in units of the expected events where these are fewer than one. They
change -2 ln L by about 1e-5, and let a fit that prefers a negative rate approach zero smoothly, where the likelihood
without them would end in a wall."""

BINNED = ("staterror", "shapesys", "shapefactor")

# (value and first two derivatives at +1 and -1) -> coefficients of alpha to alpha^6.
POLYNOMIAL = np.linalg.inv(
    [
        [side**n * factor for n, factor in enumerate(factors, start=1)]
        for factors, side in (
            ([1] * 6, 1.0),
            ([1] * 6, -1.0),
            (range(1, 7), 1.0),
            ([-n for n in range(1, 7)], -1.0),
            ([n * (n - 1) for n in range(1, 7)], 1.0),
            ([n * (n - 1) for n in range(1, 7)], -1.0),
        )
    ]
)


def flatten(model: Any, channels: Sequence[Json]) -> Cells:
    """Return the flat form of a pyhf model.

    Parameters
    ----------
    model : pyhf.Model with its default interpolations
    channels : what it was built from

    Raises
    ------
    FitError
        If a modifier occurs twice in one sample, or the rates are not those of pyhf.
    """
    collected = _Collected(model)
    for name in model.config.channels:
        channel = next(channel for channel in channels if channel["name"] == name)
        samples = sorted(channel["samples"], key=lambda sample: model.config.samples.index(sample["name"]))
        for bin_index in range(model.config.channel_nbins[name]):
            for sample in samples:
                collected.add(name, sample, bin_index)
            collected.end_bin()
    cells = collected.cells()
    _compare(model, cells)
    typical = np.add.reduceat(histfactory.rates(np.array(model.config.suggested_init()), cells), cells.first_cell[:-1])
    return cells._replace(floor=EMPTY * np.where(typical > 0, np.minimum(typical, 1.0), 1.0))


class _Collected:
    """Grows cell by cell."""

    def __init__(self, model: Any) -> None:
        self._config = model.config
        self._nominal: list[float] = []
        self._first: dict[str, list[int]] = {"cell": [0], "factor": [0], "shift": [0]}
        self._factors: list[int] = []
        self._log_normal: dict[tuple[int, float, float], int] = {}
        self._shifts: list[tuple[int, float, float]] = []
        self._binned = dict(self._bins_of_parameters(model))

    def _bins_of_parameters(self, model: Any) -> Iterator[tuple[str, dict[tuple[str, int], int]]]:
        """Yield the parameters that have one component per bin: (channel, bin) -> parameter."""
        for name, kind in self._config.modifiers:
            if kind in BINNED:
                start = self._config.par_slice(name).start
                places = [
                    (channel, index)
                    for channel in self._config.channels
                    if any(
                        (modifier["name"], modifier["type"]) == (name, kind)
                        for sample in self._samples(model, channel)
                        for modifier in sample["modifiers"]
                    )
                    for index in range(self._config.channel_nbins[channel])
                ]
                if kind == "shapefactor":  # one per bin number, shared by its channels
                    yield name, {place: start + place[1] for place in places}
                else:
                    yield name, {place: start + number for number, place in enumerate(places)}

    @staticmethod
    def _samples(model: Any, name: str) -> list[Json]:
        return next(channel["samples"] for channel in model.spec["channels"] if channel["name"] == name)

    def add(self, channel: str, sample: Json, bin_index: int) -> None:
        """Add a cell."""
        seen = set()
        self._nominal.append(float(sample["data"][bin_index]))
        for modifier in sample["modifiers"]:
            if (key := (modifier["name"], modifier["type"])) in seen:
                raise FitError(f"region '{channel}', process '{sample['name']}': modifier '{key[0]}' appears twice")
            seen.add(key)
            self._modify(channel, modifier, bin_index)
        self._first["factor"].append(len(self._factors))
        self._first["shift"].append(len(self._shifts))

    def _modify(self, channel: str, modifier: Json, bin_index: int) -> None:
        """Add a factor or a shift of the last cell."""
        name, kind, data = modifier["name"], modifier["type"], modifier["data"]
        if kind in BINNED:
            self._factors.append(self._binned[name][channel, bin_index])
            return
        parameter = self._config.par_slice(name).start
        if kind == "normsys":
            key = (parameter, float(data["hi"]), float(data["lo"]))
            self._factors.append(self._config.npars + self._log_normal.setdefault(key, len(self._log_normal)))
        elif kind == "histosys":
            up, down = float(data["hi_data"][bin_index]), float(data["lo_data"][bin_index])
            self._shifts.append((parameter, up - self._nominal[-1], self._nominal[-1] - down))
        else:
            self._factors.append(parameter)

    def end_bin(self) -> None:
        """Note that the next cell belongs to the next bin."""
        self._first["cell"].append(len(self._nominal))

    def cells(self) -> Cells:
        """Return the arrays."""
        owner, up, down = np.array(list(self._log_normal), dtype=np.float64).reshape(-1, 3).T.copy()
        shifts = np.array(self._shifts, dtype=np.float64).reshape(-1, 3)
        return Cells(
            nominal=np.array(self._nominal),
            first_cell=np.array(self._first["cell"], dtype=np.int64),
            first_factor=np.array(self._first["factor"], dtype=np.int64),
            factors=np.array(self._factors, dtype=np.int64),
            owner=np.concatenate([np.arange(self._config.npars), owner.astype(np.int64)]),
            up=up,
            down=down,
            polynomial=_polynomial(up, down),
            first_shift=np.array(self._first["shift"], dtype=np.int64),
            shift_owner=shifts[:, 0].astype(np.int64),
            shift_half=0.5 * (shifts[:, 1] + shifts[:, 2]),
            shift_bend=0.0625 * (shifts[:, 1] - shifts[:, 2]),
            floor=np.full(len(self._first["cell"]) - 1, EMPTY),
            **_constraints(self._config),
        )


def _polynomial(up: FloatArray, down: FloatArray) -> FloatArray:
    """Return the (n, 6) coefficients that continue log-normal factors smoothly into (-1, 1)."""
    log_up, log_down = np.log(up), np.log(down)
    edges = [up - 1, down - 1, log_up * up, -log_down * down, log_up**2 * up, log_down**2 * down]
    return np.ascontiguousarray((POLYNOMIAL @ np.array(edges).reshape(6, -1)).T)


def _constraints(config: Any) -> dict[str, Any]:
    """Return the constrained parameters, where their auxiliary data are, and widths or scales."""
    rows: dict[str, list[tuple[int, int, float]]] = {"normal": [], "poisson": []}
    position = 0
    for name in config.auxdata_order:
        parameters, start = config.param_set(name), config.par_slice(name).start
        is_poisson = parameters.pdf_type == "poisson"
        sizes = parameters.factors if is_poisson else getattr(parameters, "sigmas", [1.0] * parameters.n_parameters)
        for offset, size in enumerate(sizes):
            rows[parameters.pdf_type].append((start + offset, position + offset, float(size)))
        position += parameters.n_parameters
    columns = {kind: np.array(found, dtype=np.float64).reshape(-1, 3).T for kind, found in rows.items()}
    (normal, center, width), (poisson, observed, scale) = columns["normal"], columns["poisson"]
    return {
        "normal": normal.astype(np.int64),
        "center": center.astype(np.int64),
        "width": width.copy(),
        "poisson": poisson.astype(np.int64),
        "observed": observed.astype(np.int64),
        "scale": scale.copy(),
    }


def _compare(model: Any, cells: Cells) -> None:
    """Require that the rates are those of pyhf, where the model starts and at a point beside."""
    start = np.array(model.config.suggested_init(), dtype=np.float64)
    for theta in (start, start + np.linspace(-0.3, 1.3, len(start))):
        ours = np.add.reduceat(histfactory.rates(theta, cells), cells.first_cell[:-1])
        theirs = np.asarray(model.main_model.expected_data(theta))
        if not np.allclose(ours, theirs, rtol=LARGEST_DIFFERENCE, atol=LARGEST_DIFFERENCE, equal_nan=True):
            raise FitError("workspace: its expected rates differ from those of pyhf; a modifier is not understood")
