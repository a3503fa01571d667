"""The summary: the result of a run in one small file."""

from dataclasses import dataclass, field

from cascadebdt.errors import FitError
from cascadebdt.histograms.contents import RegionSummary, purity_matrix
from cascadebdt.inference import FitResult, LimitResult, Limits, SignificanceResult
from cascadebdt.products.cutflow import EventCounts
from cascadebdt.records import Record


@dataclass(frozen=True)
class FitSummary(Record):
    """The numbers of a fit that are told first.

    Attributes
    ----------
    mu : signal strength and its uncertainty
    normalisation : process -> normalisation and its uncertainty
    goodness_of_fit : p-value; None without degrees of freedom
    blind : whether the data of some regions were not looked at
    """

    mu: tuple[float, float]
    normalisation: dict[str, tuple[float, float]]
    goodness_of_fit: float | None
    blind: bool

    @classmethod
    def of(cls, fit: FitResult) -> "FitSummary":
        """Take the numbers from a fit."""
        return cls(fit.mu, fit.normalisation, fit.goodness_of_fit, fit.blind)


@dataclass(frozen=True)
class LimitSummary(Record):
    """The upper limit at 95 % confidence level.

    Attributes
    ----------
    expected : at -2, -1, 0, +1, +2 standard deviations of the background
    observed : None while blind
    """

    expected: tuple[float, float, float, float, float]
    observed: float | None

    @classmethod
    def of(cls, limit: LimitResult) -> "LimitSummary":
        """Take the numbers from a limit."""
        return cls(limit.expected, limit.observed)


@dataclass(frozen=True)
class Summary(Record):
    """The result of a run: ``summary.json``.

    Attributes
    ----------
    analysis : its name
    events : read, selected and lost
    regions : yields, purity and data of each; the data of the signal region are None while blind
    fit, limit, significance : of the signal
    purity_matrix : region -> process -> its share in the prediction
    resources : seconds, megabytes and events per second; empty until the run ends
    """

    analysis: str
    events: EventCounts
    regions: dict[str, RegionSummary]
    fit: FitSummary
    limit: LimitSummary
    significance: SignificanceResult
    purity_matrix: dict[str, dict[str, float]] = field(default_factory=dict)
    resources: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, analysis: str, events: EventCounts, regions: dict[str, RegionSummary], fit: FitResult, limits: Limits
    ) -> "Summary":
        """Summarise what the steps made.

        Raises
        ------
        FitError
            If the data exclude a signal strength of 0, so that there are no limits.
        """
        limit, significance = limits.limit, limits.significance
        if limit is None or significance is None:
            raise FitError(str(limits.undefined))
        return cls(
            analysis=analysis,
            events=events,
            regions=regions,
            fit=FitSummary.of(fit),
            limit=LimitSummary.of(limit),
            significance=significance,
            purity_matrix=purity_matrix(regions),
        )
