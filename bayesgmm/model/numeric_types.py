"""Kinds of numbers that specifications take, as pydantic checks them."""

import math
import numbers
import operator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

__all__ = [
    "Count",
    "Degrees",
    "Finite",
    "FiniteRows",
    "NonNegative",
    "Positive",
    "PositiveRows",
    "Real",
]


def _real_number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


Real = BeforeValidator(_real_number)
Positive = Annotated[float, Real, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Real, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Real, Field(allow_inf_nan=False)]


def _whole_number(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError("must be an integer")
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError("must be an integer") from None


def _degrees(value: Any) -> Any:
    if value in ("shared", "own"):
        return value
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 1.0 < float(value) < math.inf:
        raise ValueError("must be 'shared', 'own' or a number above 1")
    return float(value)


Degrees = Annotated[Literal["shared", "own"] | float, BeforeValidator(_degrees)]
Count = Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=2**63 - 1)]

PositiveRows = tuple[tuple[Positive, ...], ...]
FiniteRows = tuple[tuple[Finite, ...], ...]
