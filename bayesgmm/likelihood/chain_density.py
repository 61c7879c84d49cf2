"""The log posterior in the coordinates in which a chain moves, for Python and for C code."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bayesgmm.likelihood.compiled.framed import c_functions, framed_log_posterior, unframed
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.typing import Array

__all__ = ["ChainDensity"]


@dataclass(frozen=True, eq=False)
class ChainDensity:
    """The log posterior at x = centre + root u, as a function of u.

    Parameters
    ----------
    target : LogPosterior
    centre : array of shape (dim,), fitting units
    root : array of shape (dim, dim), symmetric
        Of shape (0, 0) where the chain moves in x itself.
    """

    target: LogPosterior
    centre: Array
    root: Array

    def value_and_gradient(self, u: Array) -> tuple[float, Array]:
        """Return the log density at u (dim,), nats, and its gradient in u."""
        gradient = np.empty_like(u)
        flat, annotated = self.target.flat, self.target.annotated
        return framed_log_posterior(u, flat, annotated, self.centre, self.root, gradient), gradient

    def unframed(self, u: Array) -> Array:
        """Return x (dim,) at u."""
        x = np.empty_like(u)
        unframed(u, self.centre, self.root, x)
        return x

    @property
    def c_functions(self) -> tuple[Any, Any]:
        """Compiled C functions: the density with its gradient, and x from u."""
        return c_functions(self.target.annotated is not None)

    @cached_property
    def _problem(self) -> tuple[Array, Array | None]:
        """The arrays of the target, kept: chains in other threads may build the target's anew."""
        return self.target.flat, self.target.annotated

    @cached_property
    def c_data(self) -> Array:
        """What the C functions read: addresses that hold as long as this object is there."""
        flat, annotated = self._problem
        addresses = [array.ctypes.data for array in (flat, self.centre, self.root)]
        rows = (0, 0) if annotated is None else (annotated.ctypes.data, len(annotated))
        return np.array([*addresses, len(flat), len(self.root), *rows], dtype=np.int64)
