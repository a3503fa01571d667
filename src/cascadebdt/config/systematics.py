"""The parts of a configuration about systematics: what varies, where, and what is done to the variations."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from itertools import product
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
    """Branches replaced by expressions; objects, features, scores, regions follow. Without `down`, up is mirrored."""

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


def applies(systematic: SystematicConfig, process: str, region: str | None = None) -> bool:
    """Whether a systematic varies a process, in a region or in any if it is not given."""
    if systematic.processes is not None and process not in systematic.processes:
        return False
    return region is None or systematic.regions is None or any(fnmatchcase(region, p) for p in systematic.regions)


def sides(systematic: SystematicConfig) -> tuple[str, ...]:
    """Return the variations that belong to a systematic: ``<name>_up`` and, unless it is one-sided, ``<name>_down``."""
    if isinstance(systematic, NormalisationSystematic):
        return ()
    one_sided = isinstance(systematic, SampleSystematic) or systematic.down is None
    return tuple(f"{systematic.name}_{side}" for side in (("up",) if one_sided else ("up", "down")))


def parameter(systematic: SystematicConfig, process: str, region: str) -> str:
    """Return the nuisance parameter that varies a process in a region."""
    parts = [systematic.parameter or systematic.name]
    parts += [process] if "processes" in systematic.decorrelate else []
    parts += [region] if "regions" in systematic.decorrelate else []
    return "_".join(parts)


def require_distinct(
    systematics: Sequence[SystematicConfig], processes: Sequence[str], regions: Sequence[str], taken: Collection[str]
) -> None:
    """Require that every parameter is what it seems to be.

    Raises
    ------
    ValueError
        If two systematics vary a process in a region with one parameter, if parameters that are not meant to be one
        have the same name, or if a name is in `taken`.
    """
    meant: dict[str, tuple[object, ...]] = {}
    users: dict[tuple[str, str, str], str] = {}
    for systematic in systematics:
        for process, region in product(processes, regions):
            if not applies(systematic, process, region):
                continue
            name = parameter(systematic, process, region)
            if name in taken:
                raise ValueError(f"systematics: '{systematic.name}' needs the parameter '{name}', a name that is taken")
            by = systematic.decorrelate
            key = (
                systematic.parameter or systematic.name,
                process if "processes" in by else None,
                region if "regions" in by else None,
            )
            if meant.setdefault(name, key) != key:
                raise ValueError(
                    f"systematics: '{name}' would be two parameters of one name; rename '{systematic.name}'"
                )
            other = users.setdefault((name, process, region), systematic.name)
            if other != systematic.name:
                raise ValueError(
                    f"systematics: '{other}' and '{systematic.name}' both vary {process} in {region} with the "
                    f"parameter '{name}'; give them other processes, regions or parameters"
                )


def _require_sides(down: object, symmetrise: str | None) -> None:
    if down is None and symmetrise not in (None, "up"):
        raise ValueError(f"symmetrise '{symmetrise}' needs down, which is not given: add it, or mirror up")
