"""Parts of the uncertainty of a parameter: statistics of data, systematics, and groups of parameters."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from cascadebdt.arrays import BoolArray
from cascadebdt.errors import FitError
from cascadebdt.inference.blinding import Target, prepare
from cascadebdt.inference.likelihood import MC_STATISTICS, Likelihood
from cascadebdt.inference.minimise import Minimum
from cascadebdt.inference.scan import distances
from cascadebdt.inference.search import explored
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.inference.uncertainty import Ends, spread
from cascadebdt.records import Record

NORMALISATIONS = "normalisations"
OTHERS = "others"
MAX_GROUPS = 12
"""Groups of systematics by name; the smallest beyond these are one."""

Groups = Mapping[str, Sequence[str]]
"""Group -> names of parameters, or patterns such as ``jet_*``."""

PREFIX = re.compile(r"^(alpha|syst|sys)_(?=.)", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Breakdown(Record):
    """Parts of the uncertainty of a parameter: ``breakdown.json``.

    All are distances below and above the best value; None where -2 ln L does not rise by 1 inside the bounds.

    Parameters
    ----------
    parameter : its name
    value : its best value
    total : distances at which the profile of -2 ln L has risen by 1
    statistical : the same with every parameter that has a constraint term held at its best value; free normalisations,
        which the data measure, float
    systematic : sqrt(total^2 - statistical^2)
    data : the same with every other parameter held
    groups : sqrt(total^2 - held^2), where `held` is the distance with the parameters of a group held at their best
        values; because of correlations these do not add up to the total
    members : the parameters of each group

    References
    ----------
    ATLAS and CMS, JHEP 08 (2016) 045: parts are found by holding parameters at their best values, and subtracted in
    quadrature.
    """

    parameter: str
    value: float
    total: Ends
    statistical: Ends
    systematic: Ends
    data: Ends
    groups: dict[str, Ends]
    members: dict[str, tuple[str, ...]]


@on_one_thread
def breakdown(workspace: Mapping[str, Any], groups: Groups | None = None) -> Breakdown:
    """Return the parts of the uncertainty of the parameter of interest.

    Parameters
    ----------
    groups : group -> parameters or patterns; what none of them names is grouped by kind and name: the statistics of
        simulation (parameters with one value per bin and a constraint), the free normalisations, and the others by the
        first word of their names

    Raises
    ------
    FitError
        If a fit fails, the data do not determine the parameter of interest, or no parameter has a name in `groups`.

    Examples
    --------
    >>> from cascadebdt import inference
    >>> below, above = inference.breakdown(workspace).systematic
    """
    target = prepare(workspace)
    likelihood, best = target.likelihood, target.best
    poi = likelihood.poi
    if spread(target.everything, best).undetermined[poi]:
        raise FitError(f"breakdown: the data do not determine {likelihood.names[poi]}")
    masks = grouped(likelihood, groups)
    others = ~likelihood.fixed
    others[poi] = False
    total = distances(target.everything, poi, best)
    statistical = _held(target, best, likelihood.constrained)
    return Breakdown(
        parameter=likelihood.names[poi],
        value=float(best.theta[poi]),
        total=total,
        statistical=statistical,
        systematic=_difference(total, statistical),
        data=_held(target, best, others),
        groups={name: _difference(total, _held(target, best, mask)) for name, mask in masks.items()},
        members={name: tuple(likelihood.names[i] for i in np.flatnonzero(mask)) for name, mask in masks.items()},
    )


def _held(target: Target, best: Minimum, mask: BoolArray) -> Ends:
    """Return the distances with some parameters held at their best values."""
    mask = mask.copy()
    mask[target.likelihood.poi] = False
    objective = target.everything.held(mask, best.theta)
    # The lowest of all minima is also the lowest of those with its own values; other minima may be others then.
    others = [np.where(mask, best.theta, theta) for theta in best.modes]
    lowest = explored(objective, Minimum(best.theta, best.deviance), others=others)
    return distances(objective, target.likelihood.poi, lowest)


def _difference(total: Ends, part: Ends) -> Ends:
    """Return what remains of distances when a part is taken away in quadrature."""
    below, above = (
        None if whole is None or piece is None else float(np.sqrt(max(whole**2 - piece**2, 0.0)))
        for whole, piece in zip(total, part, strict=True)
    )
    return below, above


def grouped(likelihood: Likelihood, groups: Groups | None = None) -> dict[str, BoolArray]:
    """Return the nuisance parameters of each group, (n_parameters,) each; see `breakdown`."""
    movable = ~likelihood.fixed
    movable[likelihood.poi] = False
    names = dict.fromkeys(likelihood.names[i] for i in np.flatnonzero(movable))
    chosen: dict[str, str] = {}
    for group, patterns in (groups or {}).items():
        matching = [name for name in names if any(_matches(name, pattern) for pattern in patterns)]
        if not matching:
            raise FitError(f"group '{group}': no parameter is named {' or '.join(map(repr, patterns))}")
        chosen |= {name: group for name in matching if name not in chosen}
    kinds = ((MC_STATISTICS, likelihood.per_bin), (NORMALISATIONS, ~likelihood.constrained))
    for kind, mask in kinds:
        of_kind = [likelihood.names[i] for i in np.flatnonzero(mask & movable)]
        chosen |= {name: kind for name in of_kind if name not in chosen}
    chosen |= _by_name([name for name in names if name not in chosen])
    order = dict.fromkeys(sorted(chosen.values(), key=lambda group: group in (MC_STATISTICS, NORMALISATIONS)))
    return {group: np.array([chosen.get(name) == group for name in likelihood.names]) for group in order}


def _matches(name: str, pattern: str) -> bool:
    """Return whether a pattern names a parameter, or the set with one per bin that it belongs to."""
    return fnmatchcase(name, pattern) or (name.endswith("]") and fnmatchcase(name.rpartition("[")[0], pattern))


def _by_name(names: Sequence[str]) -> dict[str, str]:
    """Return a group per parameter: the first word of its name if others share it, else its name."""
    words = {name: (WORD.findall(PREFIX.sub("", name)) or [name])[0] for name in names}
    sizes = Counter(words.values())
    groups = {name: word if sizes[word] > 1 else name for name, word in words.items()}
    largest = [group for group, _ in Counter(groups.values()).most_common()]
    kept = set(largest if len(largest) <= MAX_GROUPS else largest[: MAX_GROUPS - 1])
    return {name: group if group in kept else OTHERS for name, group in groups.items()}
