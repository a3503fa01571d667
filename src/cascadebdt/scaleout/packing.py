"""The installed package with all that it needs as one archive, for machines that have nothing but an interpreter."""

import hashlib
import re
import tarfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import cascadebdt
from cascadebdt.atomic import draft, write_text
from cascadebdt.products.inventory import sha256

ROOT = "environment"  # folder in the archive, for PYTHONPATH
NEEDS_MANY_GPUS = "nvidia-"  # libraries with which several GPUs train one model; XGBoost loads without them


def pack(path: Path) -> Path:
    """Write the archive, unless that of the same packages is there as it was written; return its path.

    Of an editable installation the modules are taken from where they are.
    """
    every = needed("cascadebdt")
    package = Path(cascadebdt.__file__).parent
    names = "\n".join(sorted(f"{one.name} {one.version}" for one in every.values())) + f"\n{_state(package)}\n"
    about = path.with_suffix(".txt")
    if path.is_file() and about.is_file() and about.read_text() == _about(names, path):
        return path
    about.unlink(missing_ok=True)
    with draft(path) as place, tarfile.open(place, "w:gz", compresslevel=1) as archive:
        for one in every.values():
            for file, name in _files(one):
                archive.add(file, f"{ROOT}/{name}")
        archive.add(package, f"{ROOT}/{package.name}", filter=_without_caches)
    write_text(about, _about(names, path))
    return path


def _about(names: str, archive: Path) -> str:
    """Return what stands beside an archive: what is in it, and the hash of its bytes."""
    return f"{names}sha256 {sha256(archive)}\n"


def _state(package: Path) -> str:
    """Return a hash of sizes and times of modules, which change under the same version where one works on them."""
    files = sorted(path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    state = [(path.relative_to(package).as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(state).encode()).hexdigest()


def needed(name: str) -> dict[str, Distribution]:
    """Return the installed distribution of a name and those that it needs, without extras, by their names."""
    known: dict[str, Distribution] = {}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        key = re.sub(r"[-_.]+", "-", one).lower()
        if key in known or key.startswith(NEEDS_MANY_GPUS):
            continue
        try:
            known[key] = distribution(one)
        except PackageNotFoundError:  # of another platform
            continue
        requirements = [text for text in known[key].requires or () if "extra ==" not in text]
        waiting += [match[0] for text in requirements if (match := re.match(r"[\w.-]+", text))]
    return known


def _files(one: Distribution) -> Iterator[tuple[Path, str]]:
    """Yield the files of a distribution with their names below the folder of all packages."""
    for file in one.files or ():
        path = Path(str(one.locate_file(file)))
        is_inside = ".." not in file.parts and not file.is_absolute() and "__pycache__" not in file.parts
        if is_inside and path.is_file():
            yield path, file.as_posix()


def _without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member
