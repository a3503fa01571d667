"""The summary: the result of a run in one small file."""

from dataclasses import dataclass, field
from typing import Any

from cascadebdt.config import Config, DataSource
from cascadebdt.errors import FitError
from cascadebdt.histograms.contents import RegionSummary, purity_matrix
from cascadebdt.inference import Breakdown, FitResult, LimitResult, Limits, SignificanceResult
from cascadebdt.products.cutflow import EventCounts
from cascadebdt.records import Record

Ends = tuple[float | None, float | None]


@dataclass(frozen=True)
class FitSummary(Record):
    """The numbers of a fit that are told first.

    Attributes
    ----------
    mu : signal strength and its uncertainty
    normalisation : process -> normalisation and its uncertainty
    goodness_of_fit : p-value; None without degrees of freedom
    blind : whether the data of some regions were not looked at
    at_bound : parameters that the fit would move beyond their bounds, or beyond what is possible
    pulled : parameter -> pull, beyond one width of its constraint
    constrained : parameter -> uncertainty in widths of its constraint, below one half
    agreement : difference of -2 ln L between the two minimisers
    total, statistical, systematic : uncertainties of mu below and above from profiles of -2 ln L; see `Breakdown`
    """

    mu: tuple[float, float]
    normalisation: dict[str, tuple[float, float]]
    goodness_of_fit: float | None
    blind: bool
    at_bound: tuple[str, ...]
    pulled: dict[str, float]
    constrained: dict[str, float]
    agreement: float
    total: Ends
    statistical: Ends
    systematic: Ends

    @classmethod
    def of(cls, fit: FitResult, parts: Breakdown) -> "FitSummary":
        """Take the numbers from a fit and the parts of the uncertainty of mu."""
        return cls(
            mu=fit.mu,
            normalisation=fit.normalisation,
            goodness_of_fit=fit.goodness_of_fit,
            blind=fit.blind,
            at_bound=tuple(fit.at_bound),
            pulled=fit.pulled(),
            constrained=fit.constrained(),
            agreement=fit.agreement,
            total=parts.total,
            statistical=parts.statistical,
            systematic=parts.systematic,
        )


@dataclass(frozen=True)
class LimitSummary(Record):
    """The upper limit.

    Attributes
    ----------
    level : it excludes at confidence level 1 - level
    expected : at -2, -1, 0, +1, +2 standard deviations of the background
    observed : None while blind
    """

    expected: tuple[float, float, float, float, float]
    observed: float | None
    level: float = 0.05

    @classmethod
    def of(cls, limit: LimitResult) -> "LimitSummary":
        """Take the numbers from a limit."""
        return cls(limit.expected, limit.observed, limit.level)


@dataclass(frozen=True)
class FileSummary(Record):
    """The result of the fit of a workspace file: its ``summary.json``.

    Attributes
    ----------
    fit : of all parameters
    limit, significance : of the signal; None if undefined
    changes : options with which the model or its data are not those of the file
    """

    fit: FitSummary
    limit: LimitSummary | None
    significance: SignificanceResult | None
    changes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, fit: FitResult, limits: Limits, parts: Breakdown, changes: dict[str, Any]) -> "FileSummary":
        """Take the numbers from the answers."""
        limit = None if limits.limit is None else LimitSummary.of(limits.limit)
        return cls(FitSummary.of(fit, parts), limit, limits.significance, changes)


@dataclass(frozen=True)
class Summary(Record):
    """The result of a run: ``summary.json``.

    Attributes
    ----------
    analysis : its name
    data : ``real``; ``asimov`` where there are none, so that everything is an expectation on the nominal simulation; or
        ``simulation``, weighted, that stands for data
    events : read, selected and lost
    regions : yields, purity and data of each; the data of the signal region are None while blind
    fit, limit, significance : of the signal
    purity_matrix : region -> process -> its share in the prediction
    floors : bins of processes without events, which have a conservative floor, such as ``SR bin 7: floor for zee``
    resources : seconds, megabytes and events per second; empty until the run ends
    """

    analysis: str
    data: DataSource = field(default="real", kw_only=True)
    events: EventCounts
    regions: dict[str, RegionSummary]
    fit: FitSummary
    limit: LimitSummary
    significance: SignificanceResult
    purity_matrix: dict[str, dict[str, float]] = field(default_factory=dict)
    floors: tuple[str, ...] = ()
    resources: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        config: Config,
        events: EventCounts,
        regions: dict[str, RegionSummary],
        fit: FitResult,
        limits: Limits,
        parts: Breakdown,
        *,
        floors: tuple[str, ...] = (),
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
            analysis=config.analysis,
            data=config.data,
            events=events,
            regions=regions,
            fit=FitSummary.of(fit, parts),
            limit=LimitSummary.of(limit),
            significance=significance,
            purity_matrix=purity_matrix(regions),
            floors=floors,
        )
