"""The parts of a configuration about systematics: what varies, where, and what is done to the variations."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from cascadebdt.config.base import (
    Expression,
    Fraction,
    LocatedError,
    Name,
    Names,
    Section,
    Texts,
    listed,
)
from cascadebdt.config.inputs import FilesConfig


class SmoothConfig(Section):
    """How the shape of a variation is smoothed. The name of a method alone stands for it."""

    method: Literal["353QH", "merge"] = Field(
        description="`353QH` is the running median of Friedman that ROOT's `TH1::Smooth` uses, on varied over nominal. "
        "`merge` joins neighbouring bins, for this ratio only, until each is precise enough.",
        examples=["353QH"],
    )
    max_uncertainty: Fraction | None = Field(
        default=None,
        description="For `merge`: largest relative statistical uncertainty of the nominal yield in each.",
        examples=[0.1],
    )

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
    """Effects of variations that are too small to keep, per region and process; everything is kept if not given."""

    normalisation: Fraction | None = Field(
        default=None, description="Relative effects on the yield below this are left out.", examples=[0.005]
    )
    shape: Fraction | None = Field(
        default=None,
        description="Shapes whose relative effect is below this in every bin are left out.",
        examples=[0.01],
    )


class _Scope(Section):
    """What every systematic has: where it acts, and which nuisance parameter it moves."""

    name: Name = Field(description="Name of the systematic, unique.", examples=["jet_scale"])
    regions: Texts | None = Field(
        default=None,
        description="Regions (names or patterns) it acts in; all if not given.",
        examples=["CR_*"],
    )
    parameter: Name | None = Field(
        default=None,
        description="Nuisance parameter, by default the name. Systematics of the same parameter share it, over all "
        "regions and processes unless they decorrelate.",
        examples=["scale"],
    )
    group: str | None = Field(
        default=None,
        min_length=1,
        description="Group in the breakdown of the uncertainty, by default the nuisance parameter.",
        examples=["jets"],
    )
    decorrelate: Annotated[
        tuple[Literal["regions", "processes"], ...],
        BeforeValidator(listed, json_schema_input_type=str | list[Literal["regions", "processes"]]),
    ] = Field(
        default=(),
        description="Gives each region, each process, or both, a parameter of its own.",
        examples=["regions"],
    )


class _Systematic(_Scope):
    """One that may act on several processes."""

    processes: Names | None = Field(
        default=None, description="Processes it acts on; all if not given.", examples=[["zee", "ttbar"]]
    )


class NormalisationSystematic(_Systematic):
    """A relative uncertainty of the yield, log-normal constrained."""

    kind: Literal["normalisation"] = Field(description="Tells the kind of systematic.", examples=["normalisation"])
    size: Fraction = Field(description="Relative uncertainty.", examples=[0.017])


class _Variation(_Systematic):
    """A systematic whose effect is found from events."""

    smooth: SmoothConfig | None = Field(
        default=None,
        description="Takes statistical noise out of the shape; off if not given.",
        examples=["353QH", {"method": "merge", "max_uncertainty": 0.1}],
    )
    symmetrise: Literal["average", "larger", "up", "down"] | None = Field(
        default=None,
        description="Makes up and down opposite: `average` takes half their difference, `larger` mirrors the side that "
        "changes more, `up` and `down` mirror that side; off if not given.",
        examples=["average"],
    )


class WeightSystematic(_Variation):
    """Event by event factors on the nominal weight, as expressions."""

    kind: Literal["weight"] = Field(description="Tells the kind of systematic.", examples=["weight"])
    up: Expression = Field(description="Factor on the nominal weight.", examples=["PSWeight[0]"])
    down: Expression | None = Field(
        default=None, description="The same for the other side; without it up is mirrored.", examples=["PSWeight[2]"]
    )

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        _require_sides(self.down, self.symmetrise)
        return self


class KinematicSystematic(_Variation):
    """Branches replaced by expressions; objects, features, scores and regions follow."""

    kind: Literal["kinematic"] = Field(description="Tells the kind of systematic.", examples=["kinematic"])
    up: dict[str, Expression] = Field(
        min_length=1,
        description="Branches and the expressions that replace them.",
        examples=[{"Jet_pt": "Jet_pt * 1.02"}],
    )
    down: dict[str, Expression] | None = Field(
        default=None,
        min_length=1,
        description="The same for the other side; without it up is mirrored.",
        examples=[{"Jet_pt": "Jet_pt * 0.98"}],
    )

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        _require_sides(self.down, self.symmetrise)
        return self


class SampleSystematic(FilesConfig, _Scope):
    """An alternative sample of one process; the other side of the variation mirrors it."""

    kind: Literal["sample"] = Field(description="Tells the kind of systematic.", examples=["sample"])
    process: Name = Field(description="Process whose nominal samples it replaces.", examples=["ttbar"])
    smooth: SmoothConfig | None = Field(
        default=None, description="Takes statistical noise out of the shape; off if not given.", examples=["353QH"]
    )

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


def groups(systematics: Sequence[SystematicConfig]) -> dict[str, list[str]]:
    """Return patterns of the nuisance parameters of each group of systematics."""
    patterns: dict[str, list[str]] = {}
    for systematic in systematics:
        name = systematic.parameter or systematic.name
        patterns.setdefault(systematic.group or name, []).append(f"{name}_*" if systematic.decorrelate else name)
    return patterns


def require_distinct(
    systematics: Sequence[SystematicConfig], processes: Sequence[str], regions: Sequence[str], taken: Collection[str]
) -> None:
    """Require that every parameter is what it seems to be.

    Raises
    ------
    LocatedError
        If two systematics vary a process in a region with one parameter, if parameters that are not meant to be one
        have the same name, or if a name is in `taken`.
    """
    meant: dict[str, tuple[object, ...]] = {}
    users: dict[tuple[str, str, str], str] = {}
    for index, systematic in enumerate(systematics):
        location = ("systematics", index)
        for process, region in product(processes, regions):
            if not applies(systematic, process, region):
                continue
            name = parameter(systematic, process, region)
            if name in taken:
                raise LocatedError(f"'{systematic.name}' needs the parameter '{name}', a name that is taken", *location)
            by = systematic.decorrelate
            key = (
                systematic.parameter or systematic.name,
                process if "processes" in by else None,
                region if "regions" in by else None,
            )
            if meant.setdefault(name, key) != key:
                raise LocatedError(
                    f"'{name}' would be two parameters of one name; rename '{systematic.name}'", *location
                )
            other = users.setdefault((name, process, region), systematic.name)
            if other != systematic.name:
                raise LocatedError(
                    f"'{other}' and '{systematic.name}' both vary {process} in {region} with the parameter '{name}'; "
                    "give them other processes, regions or parameters",
                    *location,
                )


def _require_sides(down: object, symmetrise: str | None) -> None:
    if down is None and symmetrise not in (None, "up"):
        raise ValueError(f"symmetrise '{symmetrise}' needs down, which is not given: add it, or mirror up")
