"""All points of a patch set: limits and CLs of each, in processes, resumed where an earlier run ended."""

import csv
import functools
import hashlib
import io
import json
import logging
import multiprocessing
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cascadebdt import inference
from cascadebdt.atomic import write_text
from cascadebdt.errors import FitError, InputError
from cascadebdt.interchange import PatchSet
from cascadebdt.interchange.workspaces import load, patched, ready
from cascadebdt.pipeline.fits import Question, adjusted
from cascadebdt.products import Products, sealed
from cascadebdt.progress import Progress, silent
from cascadebdt.records import ABSENT, Record

logger = logging.getLogger(__name__)

BAND = ("-2", "-1", "0", "+1", "+2")


@dataclass(frozen=True)
class Task:
    """What to fit: a workspace with each patch of a set.

    Attributes
    ----------
    workspace, patches : files
    question : what to change of the workspace besides, and the level of limits
    """

    workspace: Path
    patches: Path
    question: Question = field(default_factory=Question)


@dataclass(frozen=True)
class Point(Record):
    """The answers for one patch.

    Parameters
    ----------
    name : of the patch
    key : hash of what the answers depend on
    observed, expected : upper limits on the signal strength, observed None while blind; see `inference.limit`
    cls_observed, cls_expected : CLs of signal strength 1; see `inference.exclusion`
    failure : why there are no answers
    """

    name: str
    key: str
    observed: float | None = None
    expected: tuple[float, float, float, float, float] | None = None
    cls_observed: float | None = None
    cls_expected: tuple[float, float, float, float, float] | None = None
    failure: str | None = field(default=None, metadata=ABSENT)


def fit_patches(task: Task, products: Products, *, jobs: int = 1, progress: Progress = silent) -> tuple[Point, ...]:
    """Fit a workspace with every patch of a set; write ``patches.csv`` and the exclusion figure.

    Each point is a file in the folder ``patches`` when it is done; points of an earlier run that depend on the same
    files and choices are not fitted again. A point that cannot be fitted has a sentence in place of numbers.

    Parameters
    ----------
    task : what to fit
    products : where to write
    jobs : number of processes
    progress : of the points

    Raises
    ------
    InputError
        If a file is wrong.
    """
    patches = PatchSet.read(task.patches)
    keys = _keys(task, patches)
    paths = {name: products.directory / "patches" / f"{_file_name(name)}.json" for name in keys}
    done = {name: point for name in keys if (point := _earlier(paths[name], keys[name])) is not None}
    if done:
        logger.info("%s: %d of %d patches were fitted before", task.patches, len(done), len(keys))
    missing = [name for name in keys if name not in done]
    with closing(_points(task, missing, keys, jobs)) as found:
        for _, point in zip(progress(missing, "patches"), found, strict=False):
            sealed.write(paths[point.name], point)
            done[point.name] = point
            if point.failure:
                logger.warning("patch '%s': %s", point.name, point.failure)
    points = tuple(done[name] for name in keys)
    write_text(products.directory / "patches.csv", _csv(patches, points))
    _draw(patches, points, products)
    return points


def _keys(task: Task, patches: PatchSet) -> dict[str, str]:
    """Return per patch the hash of all that its answers depend on."""
    common = hashlib.blake2b(digest_size=16)
    try:
        common.update(task.workspace.read_bytes())
    except OSError as error:
        raise InputError(f"{task.workspace}: not readable ({error.strerror})") from None
    question = {**task.question.changes(), "level": task.question.asked.level}
    common.update(json.dumps(question, sort_keys=True).encode())
    keys = {}
    for name, operations in patches.operations.items():
        own = common.copy()
        own.update(json.dumps(operations, sort_keys=True).encode())
        keys[name] = own.hexdigest()
    return keys


def _file_name(name: str) -> str:
    """Return a name of a patch as that of a file; a hash keeps apart what becomes equal."""
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[:80]
    return plain if plain == name else f"{plain}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"


def _earlier(path: Path, key: str) -> Point | None:
    """Return the point of an earlier run, None if there is none, or it depends on something else."""
    point = sealed.read(path, Point)
    return point if point is not None and point.key == key else None


def _points(task: Task, names: Sequence[str], keys: dict[str, str], jobs: int) -> Generator[Point, None, None]:
    """Yield the points in the order in which they are done."""
    if min(jobs, len(names)) <= 1:
        try:
            yield from (fit_point(task, name, keys[name]) for name in names)
        finally:
            _sources.cache_clear()  # the files may change before this process reads them again
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=min(jobs, len(names)), mp_context=context) as pool:
        futures = [pool.submit(fit_point, task, name, keys[name]) for name in names]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


@functools.lru_cache(maxsize=1)
def _sources(workspace: Path, patches: Path, measurement: str | None, mass: str) -> tuple[dict[str, Any], PatchSet]:
    """Return the workspace without a patch and the patches, which a process reads once."""
    return load(workspace, measurement=measurement, mass=mass), PatchSet.read(patches)


def fit_point(task: Task, name: str, key: str) -> Point:
    """Return the answers for one patch."""
    question = task.question
    content, patches = _sources(task.workspace, task.patches, question.measurement, question.mass)
    try:
        signal = patched(content, patches.find(name), task.patches)
        model = ready(signal, task.workspace, measurement=question.measurement, poi=question.poi, blind=question.blind)
        model = adjusted(model, question)
        limit, test = inference.limit(model, level=question.asked.level), inference.exclusion(model, 1.0)
    except (FitError, InputError) as error:
        return Point(name, key, failure=str(error))
    observed = None if test.observed is None else test.observed.cls
    return Point(name, key, limit.observed, limit.expected, observed, test.expected)


def _csv(patches: PatchSet, points: Sequence[Point]) -> str:
    """Return the table of all points."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    bands = [f"{what}_{side}" for what in ("limit", "cls") for side in BAND]
    writer.writerow(["patch", *patches.labels, "limit_observed", *bands[:5], "cls_observed", *bands[5:], "failure"])
    for point in points:
        none = [""] * len(BAND)
        limits = [_cell(point.observed), *(point.expected or none)]
        tests = [_cell(point.cls_observed), *(point.cls_expected or none)]
        writer.writerow([point.name, *patches.values[point.name], *limits, *tests, point.failure or ""])
    return text.getvalue()


def _cell(value: float | None) -> float | str:
    return "" if value is None else value


def _draw(patches: PatchSet, points: Sequence[Point], products: Products) -> None:
    """Draw the exclusion, if the patches have numbers to draw it over."""
    from cascadebdt import plots

    drawn = [
        plots.ExclusionPoint(tuple(map(float, patches.values[point.name])), point.observed, point.expected)
        for point in points
        if point.expected is not None and all(isinstance(v, int | float) for v in patches.values[point.name])
    ]
    if drawn and patches.labels:
        plots.save(plots.exclusion(drawn, patches.labels), products.plots / "exclusion")
    else:
        logger.warning("%s: no exclusion figure, the patches have no labels with numbers", patches.path)
