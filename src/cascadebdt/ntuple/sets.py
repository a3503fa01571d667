"""Which files that a user names are one sample: those of a pattern or list, and those that differ in their number."""

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cascadebdt.ntuple.files import find
from cascadebdt.ntuple.survey import Survey, survey

NUMBERED = re.compile(r"(.*)[_.-](\d+)(\.\w+)$")


@dataclass(frozen=True)
class _Set:
    """Files of a sample: as a configuration names them, how many they are, and the first."""

    names: tuple[str, ...]
    n_files: int
    first: str


def survey_samples(arguments: Sequence[str]) -> list[Survey]:
    """Return what is in the first file of every sample.

    Parameters
    ----------
    arguments : files; glob patterns and lists (``.txt``) stand for one sample each, and so do files whose names differ
        only in a number at the end, which counts from 0 or 1

    Raises
    ------
    InputError
        If a pattern matches no file.
    FileError
        If a file cannot be read as a ROOT file.
    """
    return [replace(survey(one.first), names=one.names, n_files=one.n_files) for one in _sets(arguments)]


def _sets(arguments: Sequence[str]) -> list[_Set]:
    groups: dict[str, list[str]] = {}
    for name in arguments:
        groups.setdefault(_group(name), []).append(name)
    sets = []
    for members in groups.values():
        if len(members) > 1 and _count(members):
            sets.append(_Set(tuple(members), len(members), members[0]))
        else:
            sets += [_of_one(name) for name in members]
    return sets


def _group(name: str) -> str:
    """Return a name without the number at its end."""
    return name if _is_several(name) else NUMBERED.sub(r"\1\3", name)


def _count(names: Sequence[str]) -> bool:
    """Return whether the numbers at the end of names count; years and masses do not."""
    numbers = sorted(int(match[2]) for name in names if (match := NUMBERED.match(name)))
    return len(numbers) == len(names) and numbers in ([*range(len(names))], [*range(1, len(names) + 1)])


def _of_one(name: str) -> _Set:
    if not _is_several(name):
        return _Set((name,), 1, name)
    locations = find([name], directory=Path.cwd())
    return _Set((name,), len(locations), locations[0])


def _is_several(name: str) -> bool:
    return glob.has_magic(name) or name.endswith(".txt")


def stem(names: Sequence[str]) -> str:
    """Return a name for the sample of some files: without number or wildcards at the end, else that of the folder."""
    path = Path(names[0])
    if len(names) > 1:
        return NUMBERED.sub(r"\1", path.name)
    return re.sub(r"[_.-]*[*?\[].*$", "", path.stem) or path.parent.name or "sample"
