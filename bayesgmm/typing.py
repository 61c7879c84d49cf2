"""Shared type names."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "BoolArray", "Engine", "IntArray"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Engine = Literal["compiled", "jax"]
