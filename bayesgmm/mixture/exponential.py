"""An exponential that vectorises inside compiled loops."""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["exp_nonpositive"]

_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the low bits
_ONE_BITS = 4607182418800017408  # the bits of 1.0


@intrinsic
def _as_bits(typing_context: Any, value: Any) -> Any:
    """Reinterpret a float64 as its 64 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def _as_float(typing_context: Any, value: Any) -> Any:
    """Reinterpret 64 bits as a float64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@njit(cache=True, fastmath={"contract", "nnan", "ninf"})
def exp_nonpositive(x: float) -> float:
    """Return exp(x) for x <= 0, to 2 units in the last place; below -708 it stays at exp(-708).

    exp(x) = 2**k exp(r) with k the nearest integer to x / log 2 and |r| <= log(2) / 2, where the
    Taylor polynomial of degree 13 is exact to rounding (Cody and Waite 1980, Software Manual for
    the Elementary Functions, ch. 6). No branch and no call, so loops over it become vector code;
    `reassoc` must stay off, or the rounding trick is optimised away.
    """
    x = max(x, -708.0)
    shifted = x * _LOG2_E + _ROUND
    k = shifted - _ROUND
    r = x - k * _LN2_HIGH
    r = r - k * _LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _as_float((_as_bits(shifted) << 52) + _ONE_BITS)
