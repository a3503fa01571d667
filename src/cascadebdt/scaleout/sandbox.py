"""What jobs without a shared file system work in: each in a copy of the folders of the analysis."""

import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from cascadebdt import ntuple
from cascadebdt.atomic import draft
from cascadebdt.config import Config
from cascadebdt.errors import ConfigError
from cascadebdt.events.variations import alternative_samples


@dataclass(frozen=True)
class Sandbox:
    """The folders that an analysis reads and writes.

    Attributes
    ----------
    root : that holds all of them; names in a job are relative to it
    config, output : configuration and folder of the products, absolute
    files : local input files and what lies beside them, plugins and scale factors, absolute
    """

    root: Path
    config: Path
    output: Path
    files: tuple[Path, ...]

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
        patterns = [name for sample in config.samples for name in sample.files]
        patterns += [name for sample in alternative_samples(config).values() for name in sample.files]
        beside = [*config.plugins, *(factor.file for factor in config.scale_factors)]
        local = [name for name in (*patterns, *beside) if "://" not in name]
        for name in local:
            if Path(name).is_absolute():
                raise ConfigError(
                    f"{path}: '{name}' is not relative to the configuration, so that jobs would not find their copies "
                    "of it; name it relative to the configuration, use URLs, or set batch.shared_file_system"
                )
        named = [config.directory / name for name in local if name.endswith(".txt") or name in beside]
        inputs = [name for name in ntuple.find(patterns, directory=config.directory) if "://" not in name]
        files = tuple(Path(os.path.abspath(name)) for name in dict.fromkeys([*map(str, named), *inputs]))
        own = Path(os.path.abspath(path)), Path(os.path.abspath(output))
        return cls(Path(os.path.commonpath([own[0].parent, own[1], *files])), *own, files)

    def inside(self, path: Path) -> str:
        """Return the name of a path below the root."""
        return path.relative_to(self.root).as_posix()

    def pack(self, path: Path) -> Path:
        """Write an archive of the configuration and the local input files; return its path."""
        with draft(path) as place, tarfile.open(place, "w") as archive:
            for file in (self.config, *self.files):
                archive.add(file.resolve(), self.inside(file))
        return path
