"""What a branch with one number per event is for, by its name and by what it holds."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum

import numpy as np

from cascadebdt.arrays import AnyArray


class Role(Enum):
    """What a branch is for; only features may train."""

    FEATURE = "feature"
    WEIGHT = "weight"
    IDENTITY = "identity"
    TRUTH = "truth"
    CONSTANT = "constant"


IDENTITIES = (  # run, luminosity block, event; lower case without underscores
    ("run", "runnumber", "runnr", "runno"),
    ("luminosityblock", "lumiblock", "lumi", "ls", "lumisection"),
    ("event", "eventnumber", "evt", "evtnumber", "eventno", "eventid", "evtid", "evtnr", "evtno"),
)
COUNTERS = {"entry", "index", "idx", "id", "eventindex", "uid", "bcid", "bunchcrossing", "orbit", "orbitnumber"}
NOMINAL_WEIGHTS = (  # the most telling first
    *(
        "weight",
        "eventweight",
        "totalweight",
        "evtweight",
        "finalweight",
        "weightnominal",
        "nominalweight",
        "evtwt",
        "w",
    ),
    *("genweight", "mcweight", "wmc", "mcw", "weightmc", "mceventweight", "mcsf", "wgt", "wt", "scale1fb"),
)
WEIGHT = re.compile(  # a `w` alone may be a W boson
    r"weight|wgt|(^|_)(sf|xs|xsec|crosssection|cross_section|scale1fb|kfactor|genfiltereff|lumi)(_|$)|"
    r"^w_(mc|gen|nom|nominal|total|pu|pileup|lumi|sf|b?tag\w*|trig\w*|id|iso|reco)(_|$)|^wt_|_wt$",
    re.IGNORECASE,
)
TRUTH = re.compile(
    r"[tT]ruth|TRUTH|[pP][dD][gG]|(^|_)(true|gen|mc|lhe|htxs|label|labels|target|y_true|class|dsid|process|sample|"
    r"is_?(signal|sig|bkg|background|data|mc|real|fake))(_|\d|$)|^mc[A-Z]|^MC|^(Gen|LHE|HTXS|is[A-Z]\w*(Sig|Bkg|MC|Data))|"
    r"^(sample|process)_?(id|name|type|number)|channel_?number|^gen[A-Z]|^(hadron|parton)Flavour",
)
SIDE = re.compile(r"_*(up|down|1up|1down)$", re.IGNORECASE)
SENTINELS = (-99.0, -999.0, -9999.0, -99999.0, -999999.0)
MOMENTA = {"pt", "et", "met", "ht"}  # words of names
MASSES = {"m", "mass"}
ENERGIES = MOMENTA | MASSES | {"e", "energy", "px", "py", "pz", "mt", "mll", "mjj"}
NO_ENERGIES = {"phi", "eta", "n", "charge", "sig", "significance", "sf", "id", "iso", "type"}
MIN_MEV = 3000.0  # a typical momentum is larger in MeV, and smaller in GeV
MIN_UNIQUE = 100  # values that are all different, to be a counter


def plain(name: str) -> str:
    """Return a name as the lists here write it."""
    return name.lower().replace("_", "").replace(".", "")


def by_name(name: str) -> Role:
    """Return what a branch is for as far as its name tells; a feature if it tells nothing."""
    if plain(name) in COUNTERS or any(plain(name) in names for names in IDENTITIES):
        return Role.IDENTITY
    if plain(SIDE.sub("", name)) in NOMINAL_WEIGHTS or WEIGHT.search(name):
        return Role.WEIGHT
    if TRUTH.search(name):
        return Role.TRUTH
    return Role.FEATURE


def role(name: str, values: AnyArray) -> Role:
    """Return what a branch is for.

    Parameters
    ----------
    name : of the branch
    values : (n_entries,), the first of them
    """
    if (named := by_name(name)) is not Role.FEATURE:
        return named
    known = values[np.isfinite(values)]
    if not len(known) or (known == known[0]).all():
        return Role.CONSTANT
    if values.dtype.kind in "iu" and len(values) >= MIN_UNIQUE and len(np.unique(values)) == len(values):
        return Role.IDENTITY
    sizes = np.unique(np.abs(known))
    if values.dtype.kind == "f" and len(sizes) == 1:  # one size and two signs, as generators weigh
        return Role.WEIGHT
    return Role.FEATURE


def nominal_weight(names: Sequence[str]) -> str | None:
    """Return the most likely weight of the event among branches that are weights; None among none."""
    nominal = [name for name in names if not SIDE.search(name)]
    ranked = {plain(name): name for name in reversed(nominal)}
    return next((ranked[known] for known in NOMINAL_WEIGHTS if known in ranked), next(iter(nominal), None))


def identity(names: Sequence[str]) -> list[str]:
    """Return the branches of run, luminosity block and event that are there; nothing without the event."""
    by_plain = {plain(name): name for name in reversed(names)}
    parts = [next((by_plain[known] for known in options if known in by_plain), "") for options in IDENTITIES]
    return [name for name in parts if name] if parts[-1] else []


def variations(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return base name -> branches of the weights up and down, of those that have both."""
    sides: dict[str, dict[str, str]] = {}
    for name in names:
        if match := SIDE.search(name):
            side = "up" if match[1].lower().endswith("up") else "down"
            sides.setdefault(name[: match.start()], {})[side] = name
    return {base: (found["up"], found["down"]) for base, found in sides.items() if found.keys() == {"up", "down"}}


def sentinels(columns: Mapping[str, AnyArray]) -> list[float]:
    """Return the numbers that stand for a missing value: one of the usual ones, below everything else in a column."""
    found = set()
    for values in columns.values():
        known = values[np.isfinite(values)]
        lowest = float(known.min()) if len(known) else 0.0
        if lowest in SENTINELS and (known > lowest / 2).any() and not ((known > lowest) & (known < lowest / 2)).any():
            found.add(lowest)
    return sorted(found)


def in_mev(columns: Mapping[str, AnyArray]) -> list[str]:
    """Return the energies, momenta and masses of a file if it has them in MeV, which the size of momenta tells.

    Parameters
    ----------
    columns : branch -> its numbers in the first entries
    """
    sizes = {name: size for name, values in columns.items() if (size := _typical(values)) is not None}
    energies = {name: words for name in sizes if (words := _words(name)) & ENERGIES and not words & NO_ENERGIES}
    if not any(words & MOMENTA and sizes[name] > MIN_MEV for name, words in energies.items()):
        return []
    return [name for name, words in energies.items() if words & MASSES or sizes[name] > MIN_MEV / 10]


def _words(name: str) -> set[str]:
    """Return the words of a name, which underscores, capitals and digits divide, in lower case."""
    return {word.lower() for word in re.findall(r"[a-z]?[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def _typical(values: AnyArray) -> float | None:
    """Return the median size of floating-point numbers but sentinels; None without any."""
    known = values[np.isfinite(values) & ~np.isin(values, SENTINELS)] if values.dtype.kind == "f" else values[:0]
    return float(np.median(np.abs(known))) if len(known) else None
