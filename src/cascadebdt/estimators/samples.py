"""Matrices and labels of scikit-learn -> `Events`."""

import re
from collections.abc import Sequence

import numpy as np

from cascadebdt.arrays import CODE, AnyArray, FeatureArray, FloatArray, IdArray, IntArray
from cascadebdt.config import NOMINAL
from cascadebdt.config.stages import RESERVED
from cascadebdt.events import Events, identify

PROCESS_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")  # what a configuration accepts


def process_names(labels: AnyArray) -> tuple[str, ...]:
    """Return the labels themselves as names of processes and stages if they may be, else ``class_0`` and so on."""
    names = tuple(str(label) for label in labels)
    if all(PROCESS_NAME.fullmatch(name) and name not in RESERVED for name in names):
        return names
    return tuple(f"class_{index}" for index in range(len(names)))


def content_identity(matrix: FeatureArray) -> IdArray:
    """Return an identity made of the features, ``(n_rows,) uint64``.

    Equal rows have equal identities, whatever their order: a row is recognised when it is predicted, so that it gets
    the models that never saw it or its copies.
    """
    # Adding zero turns -0 into 0, and a missing value has one pattern of bits, so that equal rows have equal bits.
    plain = np.where(np.isnan(matrix), np.float32(np.nan), matrix + np.float32(0))
    return identify([np.ascontiguousarray(column).view(np.uint32) for column in plain.T], salt="")


def events_of(
    matrix: FeatureArray,
    features: Sequence[str],
    codes: IntArray,
    processes: tuple[str, ...],
    weights: FloatArray,
    event_id: IdArray,
) -> Events:
    """Return nominal simulation.

    Parameters
    ----------
    matrix : (n_events, n_features) float32
    codes : (n_events,) positions in `processes`
    weights : (n_events,) float64
    event_id : (n_events,) uint64
    """
    process = codes.astype(CODE)
    return Events(
        columns=columns_of(matrix, features),
        weights={NOMINAL: weights},
        event_id=event_id,
        process=process,
        sample=process,
        variation=np.zeros(len(matrix), CODE),
        processes=processes,
        samples=processes,
    )


def columns_of(matrix: FeatureArray, features: Sequence[str]) -> dict[str, FeatureArray]:
    """Return the columns of a matrix by name."""
    return {name: np.ascontiguousarray(matrix[:, index]) for index, name in enumerate(features)}
