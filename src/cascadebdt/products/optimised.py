"""What an optimisation found: ``optimise.json``."""

from dataclasses import dataclass, field
from typing import Literal

from cascadebdt.records import ABSENT, Record

Objective = Literal["limit", "significance", "sigma_mu"]
"""What the fits of an optimisation are compared by."""


@dataclass(frozen=True)
class Sensitivity(Record):
    """What a fit is expected to say.

    Attributes
    ----------
    sigma_mu : uncertainty of the signal strength, without signal
    limit : median upper limit on the signal strength
    significance : median, for the signal strength 1
    """

    sigma_mu: float
    limit: float
    significance: float

    def over(self, other: "Sensitivity") -> "Sensitivity":
        """Return the ratios to another."""
        return Sensitivity(
            self.sigma_mu / other.sigma_mu, self.limit / other.limit, self.significance / other.significance
        )


@dataclass(frozen=True)
class Choice(Record):
    """A configuration.

    Attributes
    ----------
    stages : in their order
    thresholds : stage -> score from which on events pass; 0 where a stage cuts nothing
    efficiencies : stage -> share of the signal that reaches it and passes
    n_signal, n_control : bins of the signal region and of each control region, at most
    complexity : number of stages that cut, and of numbers of bins that are not those configured
    """

    stages: tuple[str, ...]
    thresholds: dict[str, float]
    efficiencies: dict[str, float]
    n_signal: int
    n_control: int
    complexity: int


@dataclass(frozen=True)
class Finalist(Record):
    """A configuration that was fitted.

    Attributes
    ----------
    surrogate : uncertainty of the signal strength that the search saw
    claimed : on the events of the search
    """

    choice: Choice
    surrogate: float
    claimed: Sensitivity


@dataclass(frozen=True)
class Variant(Record):
    """A cascade that was trained anew, with another order of stages or other features.

    Attributes
    ----------
    name : what was changed
    surrogate : uncertainty of the signal strength of the best setting found for it
    ratio, standard_error : to the best before, by a paired bootstrap of events
    is_taken : whether it is better by more than three standard errors
    """

    name: str
    surrogate: float
    ratio: float
    standard_error: float
    is_taken: bool


@dataclass(frozen=True)
class Optimised(Record):
    """The outcome of an optimisation.

    Attributes
    ----------
    objective : what the fits were compared by
    best : the configuration that is proposed
    claimed, held_out : its sensitivity on the events of the search and on those held out, each of which stand for all
    ratio : held out over claimed
    start_claimed, start_held_out : the same of the configuration as it was
    gain_claimed, gain_held_out : best over start, on the same events
    luckiest_gain_claimed, luckiest_gain_held_out : the same for the setting of the smallest uncertainty of all trials,
        which is not proposed: what a search without standard errors would claim and keep
    trials : number of settings that the surrogate judged
    sigmas : (trials,) what it said, in the order of the search; None where a floor was not met
    finalists : that were fitted
    variants : cascades that were trained anew
    retrained_claimed, retrained_held_out : of the proposal after its own training, if that was asked for
    """

    objective: Objective
    best: Choice
    claimed: Sensitivity
    held_out: Sensitivity
    ratio: Sensitivity
    start_claimed: Sensitivity
    start_held_out: Sensitivity
    gain_claimed: Sensitivity
    gain_held_out: Sensitivity
    luckiest_gain_claimed: Sensitivity
    luckiest_gain_held_out: Sensitivity
    trials: int
    sigmas: tuple[float | None, ...]
    finalists: tuple[Finalist, ...]
    variants: tuple[Variant, ...] = ()
    retrained_claimed: Sensitivity | None = field(default=None, metadata=ABSENT)
    retrained_held_out: Sensitivity | None = field(default=None, metadata=ABSENT)
