"""The manifest: what a result was made from."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from cascadebdt import ntuple
from cascadebdt.config import Config
from cascadebdt.events import Events, FileRecord
from cascadebdt.expression import registered
from cascadebdt.records import Json, Record

PACKAGES = ("cascadebdt", "awkward", "hist", "iminuit", "numba", "numpy", "pyhf", "uproot")


@dataclass(frozen=True)
class InputFile(Record):
    """One input file.

    Attributes
    ----------
    sample : that it belongs to
    file : path relative to the configuration, or URL
    tree : name; None if the file was skipped
    entries, read, selected : numbers of events; `selected` of data is None while blind
    skipped : why the file was left out; None if it was not
    size_bytes : of the file
    identity : of the file as ROOT has it, the same for every copy
    bytes_read, checksum : of the compressed blocks of events that were read, see `ntuple.changed`
    """

    sample: str
    file: str
    tree: str | None
    entries: int
    read: int
    selected: int | None
    skipped: str | None
    size_bytes: int
    identity: str | None
    bytes_read: int
    checksum: str | None


@dataclass(frozen=True)
class Manifest(Record):
    """What a result was made from: ``manifest.json``.

    Attributes
    ----------
    analysis, config, config_hash, seed : the configuration
    directory : that paths in the configuration are relative to
    unblind : reason for using the data of the signal region; None while blind
    versions : package -> version
    functions : name -> digest of the functions registered for expressions
    files : the input files
    missing : feature -> process -> fraction of selected events without a value
    used_in_training : sample -> selected events that only trained
    warnings : what is remarkable in the input, a sentence each
    cascade : folder of the cascade if it was trained elsewhere
    is_part : whether only chosen files were read
    """

    analysis: str
    config: Json
    directory: str
    config_hash: str
    seed: int
    unblind: str | None
    versions: dict[str, str]
    functions: dict[str, str]
    files: tuple[InputFile, ...]
    missing: dict[str, dict[str, float]]
    used_in_training: dict[str, int]
    warnings: tuple[str, ...]
    cascade: str | None = None
    is_part: bool = False

    @classmethod
    def of(
        cls,
        config: Config,
        events: Events,
        *,
        missing: Mapping[str, Mapping[str, float]],
        used_in_training: Mapping[str, int],
        warnings: tuple[str, ...] = (),
    ) -> "Manifest":
        """Describe the configuration, the versions and the input files of selected events.

        Parameters
        ----------
        config : the analysis
        events : that were selected
        missing, used_in_training : as for `Manifest`
        warnings : besides those of the events
        """
        return cls(
            analysis=config.analysis,
            config=config.model_dump(mode="json", by_alias=True),
            directory=str(config.directory),
            config_hash=config.hash,
            seed=config.seed,
            unblind=config.fit.unblind or None,
            versions=versions(),
            functions={name: function.digest for name, function in registered().items()},
            files=tuple(_input_file(record, config, events) for record in events.ledger),
            missing={feature: dict(fractions) for feature, fractions in missing.items()},
            used_in_training=dict(used_in_training),
            warnings=(*events.warnings, *warnings),
        )


def _input_file(record: FileRecord, config: Config, events: Events) -> InputFile:
    """Describe a file; how many data events were selected is not told while blind."""
    file = next((file for file in events.files[record.sample] if file.location == record.location), None)
    is_hidden = not config.fit.unblind and record.sample in {s.name for s in config.samples if s.is_data}
    return InputFile(
        sample=record.sample,
        file=ntuple.relative(record.location, config.directory),
        tree=file.tree if file else None,
        entries=record.entries,
        read=record.read,
        selected=None if is_hidden else record.selected,
        skipped=record.skipped,
        size_bytes=file.size_bytes if file else 0,
        identity=file.identity if file else None,
        bytes_read=record.bytes_read,
        checksum=record.checksum,
    )


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    import xgboost  # loads slowly

    installed = {name: version(name) for name in PACKAGES}
    # XGBoost says it itself: its distribution is called xgboost, or xgboost-cpu.
    return {"python": platform.python_version(), **installed, "xgboost": xgboost.__version__}
