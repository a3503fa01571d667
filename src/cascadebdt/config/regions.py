"""The parts of a configuration about regions: what they are binned in, and how."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cascadebdt.config.base import Name, Section
from cascadebdt.config.region_names import CONTROL, SIGNAL_REGION, VALIDATION, is_validation

EmptyBins = Literal["floor", "merge", "error"]


class BinningConfig(Section):
    """What a region is binned in, and how.

    `observable` is ``score`` (of the stage that made the region; in the signal region of the last stage), ``final``
    or a feature. `bins` are edges, or ``auto``: at most `n_bins` quantiles of the signal or of the background
    (`quantiles`; by default of the signal in the signal region and of the background elsewhere), merged until every bin
    holds `min_effective_events` of simulated background, (sum w)^2 / sum w^2, and of each process named in
    `min_effective_events_per_process` at least as many as that says.
    """

    observable: str = "score"
    bins: Literal["auto"] | tuple[float, ...] = "auto"
    n_bins: int = Field(default=5, ge=1)
    quantiles: Literal["signal", "background"] | None = None
    min_effective_events: float = Field(default=15.0, ge=0)
    min_effective_events_per_process: dict[Name, Annotated[float, Field(ge=0)]] = {}

    @model_validator(mode="after")
    def _edges_increase(self) -> Self:
        if self.bins != "auto" and (
            len(self.bins) < 2 or any(a >= b for a, b in zip(self.bins, self.bins[1:], strict=False))
        ):
            raise ValueError(f"bins must increase, got {list(self.bins)}")
        return self


class RegionsConfig(Section):
    """The binning of the control regions, the validation regions (as the control regions) and the signal region.

    A region of its own name, ``CR_zee: {observable: met}``, has a binning of its own, which replaces that of its kind.

    `empty_bins` says what happens to bins without a positive expectation: ``floor`` gives them a tiny one with a
    conservative uncertainty, ``merge`` joins those without any positive background with their neighbours first,
    ``error`` refuses them.
    """

    control: BinningConfig = BinningConfig()
    validation: BinningConfig | None = None
    signal: BinningConfig = BinningConfig(n_bins=12)
    own: dict[str, BinningConfig] = {}
    empty_bins: EmptyBins = "floor"

    @model_validator(mode="before")
    @classmethod
    def _regions_by_name(cls, data: Any) -> Any:
        """Collect the regions that are named."""
        if not isinstance(data, Mapping):
            return data
        named = {key: value for key, value in data.items() if str(key).startswith((CONTROL, VALIDATION))}
        rest = {key: value for key, value in data.items() if key not in named}
        return {**rest, "own": {**rest.get("own", {}), **named}} if named else data

    def binning(self, region: str) -> BinningConfig:
        """Return the binning of a region."""
        if region in self.own:
            return self.own[region]
        if region == SIGNAL_REGION:
            return self.signal
        return self.validation if is_validation(region) and self.validation is not None else self.control
