"""What else becomes vector code in compiled loops: exponential, logarithm, the larger of two."""

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from bayesgmm.runtime.compiling import INTERPRETED, compiled_rounding

__all__ = ["HIGHEST", "exponential", "larger", "log1p_and_inverse", "mantissa_and_exponent"]

_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LOWEST, HIGHEST = -650.0, 700.0
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the low bits
_ONE_BITS = 4607182418800017408  # the bits of 1.0
_BIAS = 1023
_ROOT_HALF_BITS = 4604544271217802189  # the bits of sqrt(1/2)
_WHOLE, _WHOLE_BITS = 4503599627370496.0, 4841369599423283200  # 2**52: an integer below in low bits


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


@intrinsic
def _exponent(typing_context: Any, bits: Any) -> Any:
    """Shift 64 bits, of which the first is 0, to the right by the 52 of a mantissa."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.lshr(arguments[0], ir.Constant(ir.IntType(64), 52))

    return types.int64(types.int64), generate


@intrinsic
def larger(typing_context: Any, one: Any, other: Any) -> Any:
    """Return the larger of two numbers, no NaN.

    Inside a loop `a[t] = max(a[t], b[t])` becomes a masked store, which is several times slower.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        double = ir.DoubleType()
        takes_two = ir.FunctionType(double, (double, double))
        maximum = builder.module.declare_intrinsic("llvm.maxnum", (double,), takes_two)
        return builder.call(maximum, arguments, fastmath=("nnan", "nsz"))

    return types.float64(types.float64, types.float64), generate


@compiled_rounding
def exponential(x: float) -> float:
    """Return exp(x) to 2 units in the last place for x up to `HIGHEST`; below -650 it is exp(-650).

    There a density no longer counts beside the largest, but its products with whitened coordinates
    and their squares are sums of their own: as subnormal numbers they would cost hundreds of cycles
    each, six times the whole pass at 30 features.

    exp(x) = 2**k exp(r) with k the nearest integer to x / log 2 and |r| <= log(2) / 2 (Cody and
    Waite 1980, Software Manual for the Elementary Functions, ch. 6), where the polynomial that
    equals exp(r) at the 12 Chebyshev nodes is exact to rounding: its relative error is below
    2e-17. No branch and no call, so loops over it become vector code; `reassoc` must stay off, or
    the rounding trick is optimised away.
    """
    x = max(x, _LOWEST)
    shifted = x * _LOG2_E + _ROUND
    k = shifted - _ROUND
    r = x - k * _LN2_HIGH
    r = r - k * _LN2_LOW
    p = 2.5110037605963777e-08
    p = p * r + 2.763263963904103e-07
    p = p * r + 2.755724091857897e-06
    p = p * r + 2.4801485482328494e-05
    p = p * r + 0.00019841269890047113
    p = p * r + 0.0013888888952314775
    p = p * r + 0.008333333333319601
    p = p * r + 0.0416666666664881
    p = p * r + 0.1666666666666668
    p = p * r + 0.5000000000000019
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _as_float((_as_bits(shifted) << 52) + _ONE_BITS)


@compiled_rounding
def log1p_and_inverse(x: float) -> tuple[float, float]:
    """Return log(1 + x), to 2 units in the last place, and 1 / (1 + x), for 0 <= x < 1e300.

    Both need a division, which is slow, and share it: 1 / ((1 + x) (m + 1)). With
    1 + x = 2**k m with m in [sqrt(1/2), sqrt(2)), log m = 2 artanh(s), s = (m - 1) / (m + 1), its
    series in s**2 being that of fdlibm's log (Sun Microsystems 1993); what 1 + x has lost of x is
    put back as lost / (1 + x).
    """
    w = 1.0 + x
    lost = x - (w - 1.0)
    bits = _as_bits(w)
    exponent = _exponent(bits - _ROOT_HALF_BITS)
    k = _as_float(exponent + _WHOLE_BITS) - _WHOLE
    f = _as_float(bits - (exponent << 52)) - 1.0
    sum_of_both = 2.0 + f
    shared = 1.0 / (w * sum_of_both)
    inverse = shared * sum_of_both
    s = f * (shared * w)
    z = s * s
    r = 1.479819860511658591e-01
    r = r * z + 1.531383769920937332e-01
    r = r * z + 1.818357216161805012e-01
    r = r * z + 2.222219843214978396e-01
    r = r * z + 2.857142874366239149e-01
    r = r * z + 3.999999999940941908e-01
    r = r * z + 6.666666666666735130e-01
    half = 0.5 * f * f
    low = s * (half + r * z) + k * _LN2_LOW
    return k * _LN2_HIGH - ((half - low) - f) + lost * inverse, inverse


@compiled_rounding
def mantissa_and_exponent(x: float) -> tuple[float, int]:
    """Return m in [1, 2) and k of x = 2**k m, for normal numbers above 0."""
    bits = _as_bits(x)
    exponent = _exponent(bits)
    return _as_float(bits - (exponent << 52) + _ONE_BITS), exponent - _BIAS


if INTERPRETED:
    larger = max

    def exponential(x: float) -> float:
        """Return exp(x) where functions are left to Python."""
        return math.exp(max(x, _LOWEST))

    def log1p_and_inverse(x: float) -> tuple[float, float]:
        """Return log(1 + x) and 1 / (1 + x) where functions are left to Python."""
        return math.log1p(x), 1.0 / (1.0 + x)

    def mantissa_and_exponent(x: float) -> tuple[float, int]:
        """Return m in [1, 2) and k of x = 2**k m where functions are left to Python."""
        mantissa, exponent = math.frexp(x)
        return 2.0 * mantissa, exponent - 1
