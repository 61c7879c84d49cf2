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
        frame = self.centre, self.root
        return framed_log_posterior(u, *self.target.program, *frame, gradient), gradient

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
    def _problem(self) -> tuple[int, Array, Array | None]:
        """What the target hands on, kept: chains in other threads may build its arrays anew."""
        return self.target.program

    @cached_property
    def c_data(self) -> Array:
        """What the C functions read: addresses that hold as long as this object is there."""
        density, flat, annotated = self._problem
        addresses = [array.ctypes.data for array in (flat, self.centre, self.root)]
        rows = (0, 0) if annotated is None else (annotated.ctypes.data, len(annotated))
        return np.array([density, *addresses, len(flat), len(self.root), *rows], dtype=np.int64)
