"""The parts of a configuration about systematics: what varies, where, and what is done to the variations."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cascadebdt.config.base import Fraction, Name, Positive, Section, as_list


class FilesConfig(Section):
    """Files of one production and how their events are weighted."""

    files: tuple[str, ...] = Field(min_length=1)
    cross_section_pb: Positive | None = None
    weight: str | None = None
    tree: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_file(cls, data: Any) -> Any:
        return as_list(data, "files")


class SmoothConfig(Section):
    """How the shape of a variation is smoothed.

    `method` ``353QH`` is the running median of Friedman that ROOT's ``TH1::Smooth`` uses, on varied over nominal.
    ``merge`` joins neighbouring bins, for this ratio only, until the relative statistical uncertainty of the nominal
    yield is at most `max_uncertainty` in each.
    """

    method: Literal["353QH", "merge"]
    max_uncertainty: Fraction | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"method": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _threshold(self) -> Self:
        if (self.method == "merge") != (self.max_uncertainty is not None):
            raise ValueError("max_uncertainty goes with the method merge, and only with it")
        return self


class PruneConfig(Section):
    """Effects too small to keep, per region and process: of the normalisation, and of the shape in every bin."""

    normalisation: Fraction | None = None
    shape: Fraction | None = None


class _Scope(Section):
    """What every systematic has.

    `regions` (names or patterns, ``CR_*``) says where it acts: everywhere if not given. Systematics of the same
    `parameter` (by default the name) share one nuisance parameter, over all regions and processes unless they
    `decorrelate`: then each region, process or both has its own.
    """

    name: Name
    regions: tuple[str, ...] | None = None
    parameter: Name | None = None
    decorrelate: tuple[Literal["regions", "processes"], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, data: Any) -> Any:
        return as_list(data, "processes", "regions", "decorrelate")


class _Systematic(_Scope):
    """One that may act on several processes, all of them if not given."""

    processes: tuple[Name, ...] | None = None


class NormalisationSystematic(_Systematic):
    """A relative uncertainty of the yield, log-normal constrained."""

    kind: Literal["normalisation"]
    size: Annotated[float, Field(gt=0, lt=1)]


class _Variation(_Systematic):
    """A systematic whose effect is found from events.

    `smooth` takes statistical noise out of the shape, off if not given. `symmetrise` makes up and down opposite:
    ``average`` takes half their difference, ``larger`` mirrors the side that changes more, ``up`` and ``down`` mirror
    that side; off if not given.
    """

    smooth: SmoothConfig | None = None
    symmetrise: Literal["average", "larger", "up", "down"] | None = None


class WeightSystematic(_Variation):
    """Event by event factors on the nominal weight, as expressions; without `down`, `up` is mirrored."""

    kind: Literal["weight"]
    up: str
    down: str | None = None

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        _require_sides(self.down, self.symmetrise)
        return self


class KinematicSystematic(_Variation):
    """Branches replaced by expressions; objects, features, scores and regions follow. Without `down`, up is mirrored."""

    kind: Literal["kinematic"]
    up: dict[str, str] = Field(min_length=1)
    down: dict[str, str] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        _require_sides(self.down, self.symmetrise)
        return self


class SampleSystematic(FilesConfig, _Scope):
    """An alternative sample of one process; the other side of the variation mirrors it."""

    kind: Literal["sample"]
    process: Name
    smooth: SmoothConfig | None = None

    @property
    def processes(self) -> tuple[str, ...]:
        """The process the sample belongs to."""
        return (self.process,)


SystematicConfig = Annotated[
    NormalisationSystematic | WeightSystematic | KinematicSystematic | SampleSystematic,
    Field(discriminator="kind"),
]


def _require_sides(down: object, symmetrise: str | None) -> None:
    if down is None and symmetrise not in (None, "up"):
        raise ValueError(f"symmetrise '{symmetrise}' needs down, which is not given: add it, or mirror up")
