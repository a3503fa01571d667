"""The data that a fit may see: all, or while blind those of open regions, and an expectation for the others."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cascadebdt.inference.likelihood import Likelihood, Objective, objective
from cascadebdt.inference.minimise import Minimum
from cascadebdt.inference.search import explored, global_minimum
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.workspace import Workspace, blind_regions


@dataclass(frozen=True, eq=False)
class Target:
    """The -2 ln L to fit.

    Parameters
    ----------
    visible : of the open regions alone
    is_blind : whether some region is blind
    declared : upper bound of the parameter of interest in the model, which is not applied; see `prepare`
    """

    visible: Objective
    is_blind: bool
    declared: float

    @property
    def likelihood(self) -> Likelihood:
        """The model."""
        return self.visible.likelihood

    @functools.cached_property
    def background(self) -> Minimum:
        """The minimum of `visible` without signal."""
        return global_minimum(self.visible, fixed={self.likelihood.poi: 0.0})

    @functools.cached_property
    def best(self) -> Minimum:
        """The minimum of `everything`."""
        return global_minimum(self.everything)

    @functools.cached_property
    def everything(self) -> Objective:
        """The -2 ln L of all bins; in blind regions the data are the background that the open regions predict."""
        if not self.is_blind:
            return self.visible
        data = self.visible.data.copy()
        hidden = np.flatnonzero(self.visible.weights == 0)
        data[hidden] = self.likelihood.asimov(self.background.theta)[hidden]
        return Objective(self.likelihood, data, self.likelihood.fillable.astype(np.float64))

    @functools.cached_property
    def without_signal(self) -> tuple[Objective, Minimum]:
        """The Asimov data without signal; see `asimov`."""
        return self.asimov(0.0)

    def asimov(self, mu: float) -> tuple[Objective, Minimum]:
        """Return the -2 ln L of the Asimov data of a signal strength, and its minimum.

        The nuisance parameters, auxiliary data included, are those that fit the visible data best at this `mu`.

        References
        ----------
        Cowan, Cranmer, Gross, Vitells, arXiv:1007.1727, section 3.2.
        """
        poi = self.likelihood.poi
        fitted = self.background if mu == 0 else global_minimum(self.visible, fixed={poi: mu})
        data = self.likelihood.asimov(fitted.theta)
        asimov = Objective(self.likelihood, data, self.likelihood.fillable.astype(np.float64))
        # No other point describes these data better, but other minima may, once the signal strength is another.
        best = Minimum(fitted.theta, asimov.value(fitted.theta))
        return asimov, explored(asimov, best, others=fitted.modes)


def prepare(workspace: Mapping[str, Any]) -> Target:
    """Return what a fit of this workspace may see.

    Bounds of parameters hold in every question, except for the upper one of the parameter of interest: it is a range to
    search in, which an excess may leave and in which a limit may not lie. Fits, intervals, limits and significances
    therefore all leave it open.

    Raises
    ------
    FitError
        If the workspace cannot be fitted.
    """
    model = objective(workspace)
    return remembered(_Data(model), is_blind=bool(blind_regions(workspace)))


class _Data:
    """The -2 ln L of a data set; two are equal if model and numbers are."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self._key = (id(objective.likelihood), objective.data.tobytes(), objective.weights.tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Data) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@functools.lru_cache(maxsize=4)
def remembered(data: _Data, *, is_blind: bool) -> Target:
    """Return the target of a data set, whose minima all questions share; those seen lately are remembered."""
    model = data.objective
    upper = model.likelihood.upper.copy()
    declared = float(upper[model.likelihood.poi])
    upper[model.likelihood.poi] = np.inf
    opened = replace(model, likelihood=replace(model.likelihood, upper=upper))
    return Target(opened, is_blind=is_blind, declared=declared)


@on_one_thread
def with_expectation(workspace: Mapping[str, Any]) -> Workspace:
    """Return the workspace with the background that the open regions predict as observation of the blind ones.

    The prediction is that of the fit without signal to the open regions alone. It is for programs that need an
    observation in every region; nothing in the workspace tells it from data any more.
    """
    target = prepare(workspace)
    expected = [
        {"name": region, "data": target.everything.data[target.likelihood.regions[region]].tolist()}
        for region in blind_regions(workspace)
    ]
    notes = workspace.notes if isinstance(workspace, Workspace) else None
    return Workspace({**workspace, "observations": [*workspace["observations"], *expected]}, notes=notes)
