"""What is wrong with a configuration, in one sentence that starts with the file, the line and the path."""

import json
import re
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from cascadebdt.config.base import LocatedError, Location
from cascadebdt.config.document import Document
from cascadebdt.errors import did_you_mean

MAX_SENTENCES = 3
MAX_SHOWN = 60  # characters of a wrong value


def describe(errors: list[ErrorDetails], model: type[BaseModel], document: Document) -> str:
    """Describe the first few errors that pydantic found; only unknown keys if there are any: they explain missing ones.

    Parameters
    ----------
    errors : of the validation of `document` by `model`
    """
    real = [error for error in errors if not _follows(error, document)]
    unknown = [error for error in real if error["type"] == "extra_forbidden"]
    sentences = list(dict.fromkeys(_sentence(error, model, document) for error in unknown or real))
    more = f"; and {len(sentences) - MAX_SENTENCES} more" if len(sentences) > MAX_SENTENCES else ""
    return "; ".join(sentences[:MAX_SENTENCES]) + more


def path_of(location: Location) -> str:
    """Write a location as ``regions.signal.bins[1]``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _follows(error: ErrorDetails, document: Document) -> bool:
    """Whether an error only follows from another: a list short of wrong items, hyperparameters copied to stages."""
    if error["type"] == "too_short" and error["input"]:
        return True
    location = error["loc"]
    is_copied = location[:1] == ("cascade",) and "bdt" in location[2:] and error["type"] != "missing"
    return is_copied and document.written(location)[-1:] != location[-1:]


def _untagged(location: Location) -> Location:
    """Return a location without the kind of systematic that pydantic puts after its index."""
    return (*location[:2], *location[3:]) if location[:1] == ("systematics",) and len(location) > 2 else location


def _sentence(error: ErrorDetails, model: type[BaseModel], document: Document) -> str:
    location = _untagged(error["loc"])
    if error["type"] in ("extra_forbidden", "missing"):
        section, key = document.written(location[:-1]), location[-1]
        hint = "" if error["type"] == "missing" else did_you_mean(str(key), _keys_at(model, location[:-1]))
        state = "missing" if error["type"] == "missing" else "unknown"
        return _at(section, document, f"{state} key '{key}'{hint}", line_of=(*section, key))
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, LocatedError):
        location = (*location, *cause.location)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] != "value_error":
        message = f"{message[0].lower()}{message[1:]}, got {shown(error['input'])}"
    return _at(document.written(location), document, message)


def _at(location: Location, document: Document, message: str, *, line_of: Location | None = None) -> str:
    """Return a sentence about a location; a mapping of Python has no file, its paths start with ``config``."""
    if document.file is None:
        return f"{path_of(('config', *location))}: {message}"
    place = document.place(location if line_of is None else line_of)
    return f"{place}{path_of(location)}: {message}" if location else f"{place}{message}"


def shown(value: object) -> str:
    """Return a value as YAML spells it, long ones cut."""
    text = json.dumps(value) if value is None or isinstance(value, bool) else re.sub(r"\s+", " ", repr(value))
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """List the keys allowed at `location` below `model`."""
    options: list[type[BaseModel]] = [model]
    for part in location:
        options = [inner for option in options for inner in _inside(option, part)]
    return [
        field.alias or name
        for option in options
        for name, field in option.model_fields.items()
        if not field.exclude and name != "own"
    ]


def _inside(model: type[BaseModel], part: int | str) -> list[type[BaseModel]]:
    """Return the models that `part` of a value of this model may hold; indices and free names stay."""
    field = next((field for name, field in model.model_fields.items() if part in (name, field.alias)), None)
    if field is None:
        return [model]
    return models_in(field.annotation) + [inner for meta in field.metadata for inner in models_in(meta)]


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Strip containers and unions from an annotation, down to the models inside."""
    if get_origin(annotation) in (tuple, dict, list, Union, UnionType, Annotated):
        return [model for argument in get_args(annotation) for model in models_in(argument)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
