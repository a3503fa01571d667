"""What jobs without a shared file system work in: each in a copy of the folders of the analysis."""

import glob
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cascadebdt import ntuple
from cascadebdt.atomic import draft
from cascadebdt.config import Config
from cascadebdt.errors import ConfigError
from cascadebdt.events.variations import samples_by_name


@dataclass(frozen=True)
class Sandbox:
    """The folders that an analysis reads and writes, free of symbolic links.

    Attributes
    ----------
    root : that holds all of them; names in a job are relative to it
    config, output : configuration and folder of the products
    files : local input files and what lies beside them, plugins and scale factors
    links : symbolic links through which the configuration names them
    """

    root: Path
    config: Path
    output: Path
    files: tuple[Path, ...]
    links: tuple[Path, ...]

    @classmethod
    def of(cls, config: Config, path: Path, output: Path) -> "Sandbox":
        """Find the files that an analysis reads.

        Raises
        ------
        ConfigError
            If a local input file is not named relative to the configuration, so that a copy would not be found.
        InputError
            If one is not there.
        """
        names = [name for sample in samples_by_name(config).values() for name in sample.files]
        patterns = [name for name in names if "|" not in name]  # replicas are read where they are
        local = [*(name for name in patterns if "://" not in name), *_beside(config)]
        for name in local:
            if Path(name).is_absolute():
                raise ConfigError(
                    f"{path}: '{name}' is not relative to the configuration, so that jobs would not find their copies "
                    "of it; name it relative to the configuration, use URLs, or set batch.shared_file_system"
                )
        named = [Path(os.path.abspath(match)) for name in local for match in glob.glob(str(config.directory / name))]
        found = [Path(name) for name in ntuple.find(patterns, directory=config.directory) if not _is_elsewhere(name)]
        files = tuple(dict.fromkeys(file.resolve() for file in (*named, *found)))
        links = tuple(dict.fromkeys(_links(named)))
        own = path.resolve(), output.resolve()
        root = os.path.commonpath([own[0].parent, own[1], *files, *links])
        return cls(Path(root), *own, files, links)

    def inside(self, path: Path) -> str:
        """Return the name of a path below the root."""
        return path.relative_to(self.root).as_posix()

    def pack(self, path: Path) -> Path:
        """Write an archive of the configuration and the local input files; return its path."""
        with draft(path) as place, tarfile.open(place, "w") as archive:
            for file in (self.config, *self.files):
                archive.add(file, self.inside(file))
            for link in self.links:
                member = tarfile.TarInfo(self.inside(link))
                member.type, member.linkname = tarfile.SYMTYPE, os.path.relpath(link.resolve(), link.parent)
                archive.addfile(member)
        return path


def _is_elsewhere(location: str) -> bool:
    return "://" in location or len(ntuple.replicas(location)) > 1


def _beside(config: Config) -> list[str]:
    """Return the names of the files that a configuration reads besides those of its samples."""
    return [*config.plugins, *(factor.file for factor in config.scale_factors)]


def _links(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the symbolic links among paths and their folders, by the true names of the folders that they are in."""
    for path in paths:
        for part in (path, *path.parents):
            if part.is_symlink():
                yield part.parent.resolve() / part.name
