"""The parts of a configuration about the input: how files are read, samples, objects, cuts."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from cascadebdt.config.base import (
    Expression,
    Flag,
    Integer,
    LocatedError,
    Name,
    NotNegative,
    Positive,
    Section,
    Texts,
    listed,
    unit,
)

DATA = "data"
ENTRY = "entry"


def _no_branches(value: object) -> object:
    return () if value == ENTRY else value


def _everywhere(value: object) -> object:
    return {"*": value} if isinstance(value, list | tuple) else value


def _as_given(value: object) -> object:
    return value


# Missing values are marked by numbers such as -3.4e38, so that the limits of `Real` do not hold.
Sentinel = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Sentinels = Annotated[
    dict[str, tuple[Sentinel, ...]],
    BeforeValidator(_everywhere, json_schema_input_type=list[float] | dict[str, list[float]]),
]
EventId = Annotated[tuple[str, ...], BeforeValidator(_no_branches, json_schema_input_type=Literal["entry"] | list[str])]


Checksum = Annotated[str, Field(pattern=r"^(adler32:[0-9A-Fa-f]{1,8}|md5:[0-9A-Fa-f]{32}|sha256:[0-9A-Fa-f]{64})$")]
# One text is expanded where the files are known, see `FilesConfig`; here it is only part of the schema.
Checksums = Annotated[
    dict[str, Checksum], BeforeValidator(_as_given, json_schema_input_type=Checksum | dict[str, Checksum])
]


class NtupleConfig(Section):
    """How events are stored in the input files, and how these are read."""

    tree: str = Field(
        default="Events",
        description="Tree with the events; it may lie in directories.",
        examples=["nominal/Events"],
    )
    event_id: EventId = Field(
        default=("run", "luminosityBlock", "event"),
        description="Integer branches that identify an event. `entry` is for ntuples that have none: then the file's "
        "own identity and the entry identify it, which does not survive another split into files.",
        examples=[["runNumber", "lumiBlock", "eventNumber"], "entry"],
    )
    sum_of_weights: str | None = Field(
        default=None,
        pattern=r"^[^:]+:[^:]+$",
        description="`tree:branch` with the sum of generator weights before any selection, summed over the files "
        "really read. Samples with a `cross_section_pb` need it.",
        examples=["Runs:genEventSumw"],
    )
    weight: Expression | None = Field(
        default=None,
        description="Event weight of simulated samples that name none of their own. Data are never weighted.",
        examples=["genWeight"],
    )
    aliases: dict[Name, str] = Field(
        default={},
        description="Names for branches whose own names are no identifiers, for use in expressions.",
        examples=[{"met": "MET_CoreAuxDyn.met"}],
    )
    mev: Texts = Field(
        default=(),
        description="Branches (names or glob patterns) stored in MeV; they become GeV as they are read.",
        examples=[["*_pt", "*_m"]],
    )
    sentinels: Sentinels = Field(
        default={},
        description="Numbers that stand for a missing value, by branch or pattern; a list holds for all branches. They "
        "become NaN as they are read, except in the event's identity and in weights.",
        examples=[[-999], {"Jet_*": [-999, -7]}],
    )
    chunk_entries: Integer = Field(
        default=100_000,
        gt=0,
        le=10**9,
        description="Entries read at a time. It bounds the memory and does not change the result.",
        examples=[50000],
    )
    retries: Integer = Field(
        default=3,
        ge=0,
        le=1000,
        description="How often reading is tried again after a fault that may pass, such as a time-out of a server.",
        examples=[5],
    )
    retry_seconds: Annotated[NotNegative, Field(le=600), unit("s")] = Field(
        default=1.0,
        description="Wait before the first of these; it doubles each time.",
        examples=[10],
    )
    replicas: dict[str, Texts] = Field(
        default={},
        description="Other places of the files whose URLs begin with a text: what takes its place there, tried in "
        "order where a file cannot be read. It changes no result.",
        examples=[{"root://near.example.org//store/": ["root://far.example.org//store/"]}],
    )
    on_bad_file: Literal["error", "skip"] = Field(
        default="error",
        description="`skip` leaves out files that cannot be read, but only of samples with a `cross_section_pb`, whose "
        "normalisation then comes from the files really read.",
        examples=["skip"],
    )

    @model_validator(mode="after")
    def _replicas_are_behind_servers(self) -> Self:
        for prefix, others in self.replicas.items():
            for text in (prefix, *others):
                if "://" not in text or "|" in text:
                    raise LocatedError(f"expected the beginning of a URL, got '{text}'", "replicas", prefix)
        return self


class FilesConfig(Section):
    """Files of one production and how their events are weighted."""

    files: Texts = Field(
        min_length=1,
        description="Names, glob patterns, URLs (`root://`, `https://`), or text files (`.txt`) with one of these a "
        "line. Replicas of one file have `|` between them, `root://near//zee.root | root://far//zee.root`: the second "
        "is read where the first cannot be. A relative path is relative to the configuration file.",
        examples=["../samples/zee.root", ["zee_*.root", "root://server//store/zee.root"]],
    )
    cross_section_pb: Annotated[Positive, Field(le=1e12), unit("pb")] | None = Field(
        default=None,
        description="With it, weights are scaled to the luminosity by cross section over the sum of weights. Without "
        "it they are taken as they are; where other samples have one, say so with `null`. Data have none.",
        examples=[831.76],
    )
    weight: Expression | None = Field(
        default=None,
        description="Event weight of this sample, instead of `ntuples.weight`.",
        examples=["genWeight * 0.5"],
    )
    tree: str | None = Field(
        default=None, description="Tree of this sample, instead of `ntuples.tree`.", examples=["control"]
    )
    aliases: dict[Name, str] = Field(
        default={},
        description="Names for branches in this sample, before those of `ntuples.aliases`: where its files have other "
        "names than those of other samples.",
        examples=[{"MET_pt": "PuppiMET_pt"}],
    )
    checksum: Checksums = Field(
        default={},
        description="Checksums of files, as grid catalogues give them (`adler32`, `md5` or `sha256`, a colon, "
        "hexadecimal digits): of the one file of a sample, or by name. Every run reads these files whole and verifies "
        "them. In a text file with names a checksum may follow a name after a blank.",
        examples=["adler32:03da0195", {"zee_1.root": "md5:9e107d9d372bb6826bd81d3542a419d6"}],
    )

    @model_validator(mode="before")
    @classmethod
    def _one_checksum(cls, data: object) -> object:
        """Take one checksum for that of the one file."""
        if not isinstance(data, Mapping) or not isinstance(data.get("checksum"), str):
            return data
        files = listed(data.get("files"))
        if not isinstance(files, list | tuple) or len(files) != 1:
            raise LocatedError("one checksum goes with one file; give checksums by the name of the file", "checksum")
        return {**data, "checksum": {files[0]: data["checksum"]}}


class SampleConfig(FilesConfig):
    """Files of one production, or recorded data."""

    name: Name = Field(description="Name of the sample, unique.", examples=["ttgamma"])
    process: Name = Field(
        description="Physics process it contributes to; several samples may share one. `data` is recorded data.",
        examples=["ttbar"],
    )

    simulated: Flag = Field(
        default=False,
        description="With process `data`: weighted simulation stands for data, and every result says so. Take events "
        "that are in no other sample; without any, leave data out.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _data_is_unweighted(self) -> Self:
        if self.simulated and not self.is_data:
            raise ValueError("simulated goes with the process data; remove it")
        if self.is_recorded and (self.cross_section_pb is not None or self.weight is not None):
            raise ValueError("data have no cross_section_pb and no weight; remove them")
        return self

    @property
    def is_data(self) -> bool:
        """Whether this sample is data, or stands for data."""
        return self.process == DATA

    @property
    def is_recorded(self) -> bool:
        """Whether this sample is recorded data, whose events have no weights."""
        return self.is_data and not self.simulated


class ObjectConfig(Section):
    """A collection of physics objects, either candidates of one or more collections or pairs of other objects.

    Pairs have the `pt`, `eta`, `phi` and `mass` of the sum of two objects and the fields of both, as `first_charge`,
    `second_charge`. A collection whose branches hold one number per event has one candidate per event.
    """

    from_: Texts = Field(
        default=(), alias="from", description="Collections of branches with the candidates.", examples=["Photon"]
    )
    pairs: tuple[str, str] | None = Field(
        default=None,
        description="In place of `from`: all pairs of two objects, or of one with itself.",
        examples=[["muon", "muon"]],
    )
    branch: str = Field(
        default="{collection}_{field}",
        description="How the branch of a field is called.",
        examples=["{collection}AuxDyn.{field}"],
    )
    momentum: tuple[str, str, str, str] | None = Field(
        default=None,
        description="Fields of px, py, pz and energy, for collections that store these; `pt`, `eta`, `phi` and `mass` "
        "are then computed from them.",
        examples=[["Px", "Py", "Pz", "E"]],
    )
    where: Expression | None = Field(
        default=None,
        description="Condition that a candidate must satisfy. A bare name is a field of the candidate, else a branch.",
        examples=["pt > 25 and abs(eta) < 2.5"],
    )
    order: Expression | None = Field(
        default=None,
        description="Expression by which candidates are sorted, ascending: `-pt` puts the leading one first.",
        examples=["-pt"],
    )
    away_from: Annotated[dict[str, Positive], unit("delta R")] = Field(
        default={},
        description="Removes candidates closer than this to a candidate of another object.",
        examples=[{"photon": 0.4}],
    )
    fields: dict[str, dict[str, str]] = Field(
        default={},
        description="Per field and collection, the field's own name there.",
        examples=[{"iso": {"Electron": "pfRelIso03_all", "Muon": "pfRelIso04_all"}}],
    )

    @model_validator(mode="after")
    def _from_or_pairs(self) -> Self:
        if bool(self.from_) == (self.pairs is not None):
            raise ValueError("give exactly one of from, pairs")
        if any(self.branch.count(part) != 1 for part in ("{collection}", "{field}")):
            raise ValueError(f"branch must hold {{collection}} and {{field}} once each, got '{self.branch}'")
        if self.pairs is not None and (self.momentum is not None or self.fields):
            raise ValueError("pairs have the fields of their two objects; remove momentum and fields")
        return self


class CutConfig(Section):
    """One named condition on an event."""

    name: str = Field(min_length=1, description="Name in the cutflow, unique.", examples=["one photon"])
    cut: Expression = Field(description="Condition that an event must satisfy.", examples=["count(photon) >= 1"])
