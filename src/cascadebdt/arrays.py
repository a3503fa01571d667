"""Array aliases and the dtypes of what flows between the layers.

Features and scores are float32, because XGBoost compares float32 numbers; weights and sums are float64;
an event's identity is a 64-bit integer, never a float.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

FeatureArray = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
IdArray = npt.NDArray[np.uint64]
IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
CodeArray = npt.NDArray[np.int16]
RegionArray = npt.NDArray[np.int8]
BoolArray = npt.NDArray[np.bool_]
AnyArray = npt.NDArray[Any]

FEATURE = np.float32
WEIGHT = np.float64
EVENT_ID = np.uint64
OFFSET = np.int64
CODE = np.int16
REGION = np.int8
