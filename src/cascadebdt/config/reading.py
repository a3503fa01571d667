"""YAML -> `Config`, and what is wrong with it in one sentence that starts with the path of the mistake."""

from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cascadebdt.config.sections import Config
from cascadebdt.errors import ConfigError, did_you_mean


def load(path: str | Path) -> Config:
    """Read a YAML configuration.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, or its content is not a valid configuration.
    """
    path = Path(path)
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys and values at the top level, got {type(raw).__name__}")
    return parse(raw, directory=path.resolve().parent)


def parse(raw: Mapping[str, Any], *, directory: Path = Path()) -> Config:
    """Check a raw configuration; relative file names are relative to `directory`.

    Raises
    ------
    ConfigError
        If anything is unknown, missing or out of its limits.
    """
    if "directory" in raw:
        raise ConfigError("config: unknown key 'directory'")
    try:
        return Config.model_validate({**raw, "directory": directory})
    except ValidationError as error:
        raise ConfigError(_sentences(error.errors())) from None


def _sentences(errors: list[ErrorDetails]) -> str:
    """Say the first few things pydantic found; only unknown keys if there are any, for they explain missing ones."""
    real = [error for error in errors if error["type"] != "too_short" or not error["input"]]
    unknown = [error for error in real if error["type"] == "extra_forbidden"]
    sentences = list(dict.fromkeys(map(_sentence, unknown or real)))
    more = f"; and {len(sentences) - 3} more" if len(sentences) > 3 else ""
    return "; ".join(sentences[:3]) + more


def _sentence(error: ErrorDetails) -> str:
    """Say what pydantic found in one sentence: path, what is wrong, the cure if known."""
    kind = error["type"]
    location = [part for part in error["loc"] if part not in ("normalisation", "weight", "kinematic", "sample")]
    path = _path(tuple(location))
    if kind == "extra_forbidden":
        known = [key for key in _keys_at(Config, location[:-1]) if key != "directory"]
        return f"{_path(tuple(location[:-1]))}: unknown key '{location[-1]}'{did_you_mean(str(location[-1]), known)}"
    if kind == "missing":
        return f"{_path(tuple(location[:-1]))}: missing key '{location[-1]}'"
    message = error["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return message if not location else f"{path}: {message}"
    return f"{path}: {message[0].lower()}{message[1:]}, got {error['input']!r}"


def _path(location: tuple[int | str, ...]) -> str:
    """Write a location as ``config.regions[1].bins``."""
    shown = [part for part in location if part != "own"]  # regions stand beside their kinds in a configuration
    return "config" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in shown)


def _keys_at(model: Any, location: list[int | str]) -> list[str]:
    """List the keys allowed at `location` below `model`."""
    options = [model]
    for part in location:
        options = [inner for option in options for inner in _inside(option, part)]
    return [
        field.alias or name
        for option in options
        if isinstance(option, type) and issubclass(option, BaseModel)
        for name, field in option.model_fields.items()
    ]


def _inside(annotation: Any, part: int | str) -> list[Any]:
    """Return the models that `part` of a value with this annotation may hold; indices and free names stay."""
    fields = annotation.model_fields.items() if issubclass(annotation, BaseModel) else ()
    field = next((field for name, field in fields if part in (name, field.alias)), None)
    return _models(field.annotation) + [m for meta in field.metadata for m in _models(meta)] if field else [annotation]


def _models(annotation: Any) -> list[Any]:
    """Strip containers and unions from an annotation, down to the models inside."""
    if get_origin(annotation) in (tuple, dict, list, Union, UnionType, Annotated):
        return [model for argument in get_args(annotation) for model in _models(argument)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
