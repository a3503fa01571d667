"""Python files that a configuration names, whose functions expressions may call."""

import hashlib
import importlib.util
import traceback
from collections.abc import Sequence
from pathlib import Path

from cascadebdt.errors import CascadeBDTError, ConfigError

_loaded: dict[tuple[Path, str], object] = {}  # file and its content -> module, which keeps the functions alive


def load(files: Sequence[str], directory: Path) -> None:
    """Run Python files, each once as long as it does not change; what they register, expressions may call.

    Parameters
    ----------
    files : names, relative to `directory`

    Raises
    ------
    ConfigError
        If a file is not there, or fails.
    """
    for index, name in enumerate(files):
        path = (directory / name).resolve()
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"plugins[{index}]: {path}: cannot read it: {error.strerror}") from error
        key = (path, hashlib.sha256(content).hexdigest())
        if key not in _loaded:
            _loaded[key] = _run(path, f"plugins[{index}]: {name}")


def _run(path: Path, where: str) -> object:
    spec = importlib.util.spec_from_file_location(f"cascadebdt_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{where}: no Python file; expected a name that ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except CascadeBDTError as error:
        raise ConfigError(f"{where}: {error}") from None
    except Exception as error:  # whatever the user's code raises
        line = next(
            (f.lineno for f in reversed(traceback.extract_tb(error.__traceback__)) if f.filename == str(path)), None
        )
        place = f", line {line}" if line else ""
        raise ConfigError(f"{where}{place}: {type(error).__name__}: {error}") from error
    return module
