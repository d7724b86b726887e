"""Names for arrays: each says the type of its elements, and nothing of what they mean."""

from typing import Any

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
Int16Array = npt.NDArray[np.int16]
Int64Array = npt.NDArray[np.int64]
IntArray = npt.NDArray[np.integer[Any]]
Float16Array = npt.NDArray[np.float16]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
FloatArray = npt.NDArray[np.floating[Any]]
StrArray = npt.NDArray[np.str_]

Pixels = npt.NDArray[np.uint8]
"""uint8 (..., height, width, channels): pictures, RGB where nothing else is said."""
