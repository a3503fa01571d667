"""Path and format of every product; files appear whole or not at all."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import hist
import numpy as np
import uhi.io.json
import uproot

from cascadebdt.atomic import write_text
from cascadebdt.cascade import Scores
from cascadebdt.config import DATA, NOMINAL, Config
from cascadebdt.errors import InputError
from cascadebdt.events import Events, FileRecord
from cascadebdt.events.selection import Cutflow
from cascadebdt.expression import registered
from cascadebdt.histograms.yields import Histogram, Yields, total

PACKAGES = ("cascadebdt", "awkward", "hist", "iminuit", "numba", "numpy", "pyhf", "uproot", "xgboost")


@dataclass(frozen=True)
class Products:
    """The products of a run below one directory."""

    directory: Path

    @property
    def cascade(self) -> Path:
        """Folder of the trained cascade."""
        return self.directory / "cascade"

    @property
    def training(self) -> Path:
        """The features of the events that train, where they do not stay in memory."""
        return self.directory / "training.root"

    @property
    def applied(self) -> "Products":
        """Products of `apply` to chosen files."""
        return Products(self.directory / "applied")

    def scores(self, sample: str) -> Path:
        """Return the path of the scores of a sample."""
        return self.directory / "scores" / f"{sample}.root"

    @property
    def plots(self) -> Path:
        """Folder of the figures."""
        return self.directory / "plots"

    @property
    def report(self) -> Path:
        """The HTML page."""
        return self.directory / "report.html"

    def replace_figures(self, paths: Sequence[Path]) -> None:
        """Take note of the figures drawn, and remove those drawn before and not now, unless somebody changed them."""
        before = self.read("figures", made_by="report") if self.has("figures") else {}
        now = {path.name: _digest(path) for path in paths}
        for name in before.keys() - now.keys():
            path = self.plots / name
            if path.is_file() and _digest(path) == before[name]:
                path.unlink()
        self.write("figures", now)

    def json(self, name: str) -> Path:
        """Return the path of a JSON product, such as ``yields``."""
        return self.directory / f"{name}.json"

    def write(self, name: str, content: Any) -> Path:
        """Write a JSON product."""
        return write_text(self.json(name), json.dumps(content, indent=2, default=uhi.io.json.default) + "\n")

    def has(self, name: str) -> bool:
        """Whether a JSON product is there."""
        return self.json(name).is_file()

    def discard(self, *names: str) -> None:
        """Remove JSON products of an earlier configuration, if they are there."""
        for name in names:
            self.json(name).unlink(missing_ok=True)

    def read(self, name: str, *, made_by: str) -> Any:
        """Read a JSON product.

        Raises
        ------
        InputError
            If it is missing or damaged; the message names the command that makes it.
        """
        try:
            return json.loads(self.json(name).read_text(), object_hook=uhi.io.json.object_hook)
        except FileNotFoundError:
            raise InputError(f"{self.json(name)}: no such product; make it with 'cascadebdt {made_by}'") from None
        except ValueError as error:
            raise InputError(
                f"{self.json(name)}: not valid JSON ({error}); make it again: 'cascadebdt {made_by}'"
            ) from None

    def write_histograms(self, yields: Yields, scores: Mapping[str, Histogram]) -> Path:
        """Write the regions' and the stages' histograms."""
        return self.write("histograms", {"regions": yields, "scores": dict(scores)})

    def read_histograms(self) -> tuple[Yields, dict[str, Histogram]]:
        """Read the regions' and the stages' histograms."""
        content = self.read("histograms", made_by="apply")
        regions, scores = (
            {name: hist.Hist(histogram) for name, histogram in content[part].items()} for part in ("regions", "scores")
        )
        return regions, scores


class ScoreFile:
    """A ROOT file of scores that grows chunk by chunk, and appears when it is complete.

    The tree ``Events`` has one row per selected event of the nominal variation: ``event_id``, ``region`` (the number of
    the region), ``weight``, ``score_<stage>``, ``final``, ``sorted_as`` and the features that pass through. Data of the
    signal region are left out while blind.
    """

    def __init__(self, path: Path, pass_through: Sequence[str] = ()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        self.path = path
        self.pass_through = tuple(pass_through)
        self.draft = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")
        self.file = uproot.recreate(self.draft)
        self.tree: Any = None

    def append(self, events: Events, scores: Scores) -> None:
        """Append the nominal events of a chunk."""
        rows = np.flatnonzero(events.is_nominal & (scores.region >= 0))
        columns = {
            "event_id": events.event_id[rows],
            "region": scores.region[rows],
            "weight": events.weights[NOMINAL][rows],
            **{f"score_{name}": scores.scores[rows, k] for k, name in enumerate(scores.stages)},
        }
        if scores.final is not None:
            columns["final"] = scores.final[rows]
        if scores.sorted_as is not None:
            columns["sorted_as"] = scores.sorted_as[rows]
        columns |= {name: events.columns[name][rows] for name in self.pass_through}
        if self.tree is None:
            self.tree = self.file.mktree("Events", {name: column.dtype for name, column in columns.items()})
        self.tree.extend(columns)

    def close(self, *, complete: bool) -> None:
        """Give the file its name, or remove what there is of it."""
        self.file.close()
        if complete:
            self.draft.replace(self.path)
        else:
            self.draft.unlink(missing_ok=True)


class ScoreFiles:
    """Score files, by sample, that all appear when the block of a ``with`` statement ends well, or none of them."""

    def __init__(self, paths: Mapping[str, Path], pass_through: Sequence[str] = ()) -> None:
        self.paths = paths
        self.pass_through = pass_through
        self.files: dict[str, ScoreFile] = {}

    def __enter__(self) -> Self:
        self.files = {name: ScoreFile(path, self.pass_through) for name, path in self.paths.items()}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self.files.values():
            file.close(complete=error is None)

    def append(self, sample: str, events: Events, scores: Scores) -> None:
        """Append the nominal events of a chunk to the file of a sample, if it has one."""
        if sample in self.files:
            self.files[sample].append(events, scores)


def _remove_abandoned(path: Path) -> None:
    """Remove drafts of a score file that processes of this machine were killed over."""
    for draft in path.parent.glob(f".{path.name}.{platform.node()}.*"):
        process = draft.suffix.removeprefix(".")
        if process.isdigit() and not Path(f"/proc/{process}").exists() and Path("/proc/self").exists():
            draft.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def manifest(config: Config, events: Events) -> dict[str, Any]:
    """Return what a result was made from: configuration, versions, input files."""
    return {
        "analysis": config.analysis,
        "config": config.model_dump(mode="json", by_alias=True),
        "config_hash": config.hash,
        "seed": config.seed,
        "unblind": config.fit.unblind or None,
        "versions": versions(),
        "functions": {name: function.digest for name, function in registered().items()},
        "files": [_file_content(record, config, events) for record in events.ledger],
        "missing": missing(config, events),
        "used_in_training": events.cutflow.used_in_training,
    }


def _file_content(record: FileRecord, config: Config, events: Events) -> dict[str, Any]:
    """Return what is known of a file; how many data events were selected is not told while blind."""
    file = next((file for file in events.files[record.sample] if file.location == record.location), None)
    is_hidden = not config.fit.unblind and record.sample in {s.name for s in config.samples if s.is_data}
    return {
        "sample": record.sample,
        "file": _relative(record.location, config.directory),
        "tree": file.tree if file else None,
        "entries": record.entries,
        "read": record.read,
        "selected": None if is_hidden else record.selected,
        "skipped": record.skipped,
        "size_bytes": file.size_bytes if file else 0,
        "identity": file.identity if file else None,
    }


def missing(config: Config, events: Events) -> dict[str, dict[str, float]]:
    """Return feature -> process -> fraction of selected events without a value; data only after unblinding."""
    processes = [name for name in events.processes if name != DATA or config.fit.unblind]
    rows = {name: np.flatnonzero(events.is_nominal & events.of_process(name)) for name in processes}
    return {
        feature: {name: float(np.isnan(column[of]).mean()) if len(of) else 0.0 for name, of in rows.items()}
        for feature, column in events.columns.items()
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def _relative(location: str, directory: Path) -> str:
    return location if "://" in location else os.path.relpath(location, directory)


def cutflow_content(cutflow: Cutflow, processes: Mapping[str, str]) -> dict[str, Any]:
    """Return a cutflow as JSON content; sums are rounded to 12 digits, since chunks add in any grouping.

    Parameters
    ----------
    processes : sample -> its process
    """
    names = dict.fromkeys(processes[sample] for sample in cutflow.samples)
    rows = {name: [r for r, sample in enumerate(cutflow.samples) if processes[sample] == name] for name in names}
    return {
        "cuts": list(cutflow.cuts),
        "samples": {sample: _cutflow_rows(cutflow, [row]) for row, sample in enumerate(cutflow.samples)},
        "processes": {name: _cutflow_rows(cutflow, of) for name, of in rows.items()},
    }


def _cutflow_rows(cutflow: Cutflow, rows: list[int]) -> dict[str, list[Any]]:
    """Return the sums of some rows of a cutflow."""
    return {
        "entries": cutflow.entries[rows].sum(axis=0).tolist(),
        "sumw": [float(f"{value:.12g}") for value in cutflow.sumw[rows].sum(axis=0)],
        "uncertainty": [float(f"{value:.12g}") for value in cutflow.sumw2[rows].sum(axis=0) ** 0.5],
    }


def yields_content(yields: Yields) -> dict[str, Any]:
    """Return region -> process -> variation -> [sum of weights, statistical uncertainty]."""
    return {
        region: {
            process: {
                variation: list(total(histogram, process, variation))
                for variation in histogram.axes["variation"]
                if process != "data" or variation == "nominal"
            }
            for process in histogram.axes["process"]
        }
        for region, histogram in yields.items()
    }
