"""Boosters on disk: one ``<name>/fold_<f>.ubj`` each, with its SHA-256."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import xgboost as xgb

from cascadebdt.atomic import write_bytes
from cascadebdt.errors import InputError


def save(boosters: Sequence[xgb.Booster], name: str, directory: Path) -> list[dict[str, str]]:
    """Write one file per booster and return their entries of ``cascade.json``."""
    entries = []
    for fold, booster in enumerate(boosters):
        raw = bytes(booster.save_raw("ubj"))
        path = write_bytes(directory / name / f"fold_{fold}.ubj", raw)
        entries.append({"file": path.relative_to(directory).as_posix(), "sha256": hashlib.sha256(raw).hexdigest()})
    return entries


def load(entries: Sequence[Mapping[str, str]], name: str, directory: Path) -> tuple[xgb.Booster, ...]:
    """Read the boosters of entries.

    Raises
    ------
    InputError
        If a file is missing or is not the one that was saved.
    """
    boosters = []
    for entry in entries:
        path = directory / entry["file"]
        if not path.is_file():
            raise InputError(f"{path}: a model of stage '{name}' is missing")
        raw = path.read_bytes()
        if hashlib.sha256(raw).hexdigest() != entry["sha256"]:
            raise InputError(f"{path}: not the model that cascade.json describes (its SHA-256 differs)")
        boosters.append(xgb.Booster(model_file=bytearray(raw)))
    return tuple(boosters)
