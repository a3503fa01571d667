"""The parts of a configuration about regions: what they are binned in, and how."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cascadebdt.config.base import Flag, Integer, Name, NotNegative, Real, Section
from cascadebdt.config.region_names import CONTROL, SIGNAL_REGION, VALIDATION, is_validation

EmptyBins = Literal["floor", "merge", "error"]


class BinChoiceConfig(Section):
    """Bins that measure the signal best: fine ones, merged by the expected uncertainty of the signal strength."""

    choose: Literal["sensitivity"] = Field(
        description="`sensitivity`: by the Fisher information of all regions, with the statistics of the simulation "
        "and all normalisations free.",
        examples=["sensitivity"],
    )
    monotone: Flag = Field(
        default=False,
        description="Whether the signal over the background has to increase from bin to bin.",
        examples=[True],
    )
    min_effective_events_each: NotNegative = Field(
        default=5.0,
        description="Effective events in every bin of each background that makes up a tenth of it, or of which a "
        "single event would.",
        examples=[10],
    )


class BinningConfig(Section):
    """The observable and the bins of a region. Values outside the edges count in the outermost bins."""

    observable: str = Field(
        default="score",
        description="`score` (of the stage that made the region; in the signal region of the last stage), `final`, or "
        "a feature.",
        examples=["final", "m_lg"],
    )
    bins: Literal["auto"] | BinChoiceConfig | tuple[Real, ...] = Field(
        default="auto",
        description="Edges, in the unit of the observable, or `auto`: quantiles, merged until every bin holds enough "
        "effective events of simulated background; or how to choose bins that measure the signal best.",
        examples=[[0, 40, 80, 200], {"choose": "sensitivity"}],
    )
    n_bins: Integer = Field(default=5, ge=1, le=10_000, description="Bins at most, with `bins: auto`.", examples=[12])
    quantiles: Literal["signal", "background"] | None = Field(
        default=None,
        description="Whose quantiles `bins: auto` takes; if not given, the signal's in the signal region and the "
        "background's elsewhere.",
        examples=["background"],
    )
    min_effective_events: NotNegative = Field(
        default=15.0,
        description="Effective events, (sum w)^2 / sum w^2, of simulated background in every bin of `bins: auto`.",
        examples=[20],
    )
    min_effective_events_each: NotNegative = Field(
        default=0.0,
        description="Effective events in every bin of `bins: auto` of each background that makes up a tenth of it, or "
        "of which a single event would.",
        examples=[5],
    )
    min_effective_events_per_process: dict[Name, NotNegative] = Field(
        default={}, description="The same for single processes.", examples=[{"ttbar": 5}]
    )

    @model_validator(mode="after")
    def _edges_increase(self) -> Self:
        edges = self.edges
        if edges is not None and (len(edges) < 2 or any(a >= b for a, b in pairwise(edges))):
            raise ValueError(f"bins must increase, got {list(edges)}")
        return self

    @property
    def edges(self) -> tuple[float, ...] | None:
        """The edges that are given; None where they follow from the events."""
        return self.bins if isinstance(self.bins, tuple) else None


class RegionsConfig(Section):
    """The binning of the regions.

    A region by its name, `CR_zee: {observable: met}`, has a binning of its own, which replaces that of its kind.
    """

    control: BinningConfig = Field(
        default=BinningConfig(), description="Binning of the control regions.", examples=[{"n_bins": 5}]
    )
    validation: BinningConfig | None = Field(
        default=None,
        description="Binning of the validation regions; as the control regions, if not given.",
        examples=[{"n_bins": 3}],
    )
    signal: BinningConfig = Field(
        default=BinningConfig(n_bins=12),
        description="Binning of the signal region.",
        examples=[{"observable": "final", "n_bins": 12}],
    )
    own: dict[str, BinningConfig] = Field(
        default={}, description="Binning of single regions, `CR_<stage>` or `VR_<stage>`.", examples=[{"n_bins": 3}]
    )
    empty_bins: EmptyBins = Field(
        default="floor",
        description="What happens to bins without a positive expectation: `floor` gives them a tiny one with a "
        "conservative uncertainty, `merge` joins those without any positive background with their neighbours first, "
        "`error` refuses them.",
        examples=["merge"],
    )

    @model_validator(mode="before")
    @classmethod
    def _regions_by_name(cls, data: Any) -> Any:
        """Collect the regions that are named."""
        if not isinstance(data, Mapping):
            return data
        named = {key: value for key, value in data.items() if str(key).startswith((CONTROL, VALIDATION))}
        rest = {key: value for key, value in data.items() if key not in named}
        return {**rest, "own": {**rest.get("own", {}), **named}} if named else data

    def depends_on_events(self, region: str) -> bool:
        """Return whether the bins of a region follow from the events in it."""
        return self.binning(region).edges is None or self.empty_bins == "merge"

    def binning(self, region: str) -> BinningConfig:
        """Return the binning of a region."""
        if region in self.own:
            return self.own[region]
        if region == SIGNAL_REGION:
            return self.signal
        return self.validation if is_validation(region) and self.validation is not None else self.control
