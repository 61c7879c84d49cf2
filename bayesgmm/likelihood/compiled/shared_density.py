"""The log posterior, compiled once for all programs that call it.

A program is optimised with all that it holds (`bayesgmm.runtime.programs`). The log posterior is
large, and many call it that would gain nothing by holding it: they are handed the address of one C
function.
"""

from functools import cache
from typing import Any

from numba import types

from bayesgmm.likelihood.compiled.fused import TERMS, log_posterior
from bayesgmm.likelihood.compiled.memory import array_at
from bayesgmm.likelihood.compiled.pointers import call_at
from bayesgmm.runtime.compiling import INTERPRETED, c_function, compiled
from bayesgmm.typing import Array

__all__ = ["density_at", "density_of"]

_N_TERMS = len(TERMS)
_ARRAY = (types.intp, types.intp)  # address and size
_SIGNATURE = types.float64(
    *_ARRAY, *_ARRAY, *_ARRAY, types.float64, types.float64, types.intp, types.intp
)
_call = call_at(_SIGNATURE)


def density_of(*, annotated: bool) -> int:
    """Return the address of the log posterior, for `density_at`; 0 where it is left to Python.

    Parameters
    ----------
    annotated : bool
        Whether there are rows that are not in the flat problem.
    """
    return 0 if INTERPRETED else int(_made(annotated).address)


@cache
def _made(annotated: bool) -> Any:
    return c_function(_SIGNATURE, _annotated_density if annotated else _density)


@compiled
def density_at(
    density: int,
    x: Array,
    flat: Array,
    annotated: Array | None,
    inverse_temperature: float,
    jacobian: float,
    terms: Array,
    gradient: Array,
) -> float:
    """Return the log posterior density at x, nats.

    Parameters
    ----------
    density : int
        `density_of` rows with or without annotations.
    others
        As in `bayesgmm.likelihood.compiled.fused.log_posterior`.
    """
    rows, n_rows = 0, 0
    if annotated is not None:
        rows, n_rows = annotated.ctypes.data, annotated.size
    return _call(
        density,
        (
            x.ctypes.data,
            x.size,
            flat.ctypes.data,
            flat.size,
            rows,
            n_rows,
            inverse_temperature,
            jacobian,
            terms.ctypes.data,
            gradient.ctypes.data,
        ),
    )


def _density(
    x: int,
    size: int,
    flat: int,
    flat_size: int,
    _rows: int,
    _rows_size: int,
    inverse_temperature: float,
    jacobian: float,
    terms: int,
    gradient: int,
) -> float:
    return log_posterior(
        array_at(x, (size,)),
        array_at(flat, (flat_size,)),
        None,
        inverse_temperature,
        jacobian,
        array_at(terms, (_N_TERMS,)),
        array_at(gradient, (size,)),
    )


def _annotated_density(
    x: int,
    size: int,
    flat: int,
    flat_size: int,
    rows: int,
    rows_size: int,
    inverse_temperature: float,
    jacobian: float,
    terms: int,
    gradient: int,
) -> float:
    return log_posterior(
        array_at(x, (size,)),
        array_at(flat, (flat_size,)),
        array_at(rows, (rows_size,)),
        inverse_temperature,
        jacobian,
        array_at(terms, (_N_TERMS,)),
        array_at(gradient, (size,)),
    )


if INTERPRETED:

    def density_at(
        density: int,
        x: Array,
        flat: Array,
        annotated: Array | None,
        inverse_temperature: float,
        jacobian: float,
        terms: Array,
        gradient: Array,
    ) -> float:
        """Return the log posterior density at x where functions are left to Python."""
        return log_posterior(x, flat, annotated, inverse_temperature, jacobian, terms, gradient)
