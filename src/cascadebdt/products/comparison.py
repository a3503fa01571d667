"""What strategies reach on the same events: ``compare.json``."""

from dataclasses import dataclass
from typing import Any

from cascadebdt.records import Record


@dataclass(frozen=True)
class Ratio(Record):
    """The uncertainty of the signal strength over that of another strategy, in a paired bootstrap.

    Attributes
    ----------
    ratio_to : the other strategy
    mean, std : over the bootstrap samples
    """

    ratio_to: str
    mean: float
    std: float


@dataclass(frozen=True)
class Spurious(Record):
    """The spurious signal of tilts that no nuisance parameter knows, in units of sigma(mu).

    Attributes
    ----------
    rms, max : over all tilts, of absolute values
    largest : which tilt that is, ``process.variable``; empty without tilts
    processes : process -> rms of the tilts of this background
    """

    rms: float
    max: float
    largest: str
    processes: dict[str, float]


@dataclass(frozen=True)
class StrategyResult(Record):
    """What one strategy reaches.

    Attributes
    ----------
    limit : upper limit on the signal strength, at -2, -1, 0, +1, +2 standard deviations of the background
    significance : median for the signal strength 1, in standard deviations
    sigma_mu, sigma_mu_no_mcstat : uncertainty of the signal strength, and without that of the statistics of simulation
    normalisation : process -> uncertainty of its free normalisation
    purity : region -> share of what it is made for
    bins : region -> number of bins
    bootstrap, spurious : see there
    notes : what had to be left out
    wall_s : of training, scoring and judging
    """

    limit: tuple[float, float, float, float, float]
    significance: float
    sigma_mu: float
    sigma_mu_no_mcstat: float
    normalisation: dict[str, float]
    purity: dict[str, float]
    bins: dict[str, int]
    bootstrap: Ratio
    spurious: Spurious
    notes: tuple[str, ...]
    wall_s: float


@dataclass(frozen=True)
class Comparison(Record):
    """The comparison of strategies.

    Attributes
    ----------
    asimov : the data that all are judged on, in words
    events : numbers of simulated events that trained and that judged, and whether the latter took no part in any
        training or choice
    budget : what each strategy may choose, in words
    strategies : name -> what it reaches
    """

    asimov: str
    events: dict[str, Any]
    budget: str
    strategies: dict[str, StrategyResult]
