"""What is asked of a log density by those who need not know how it is computed."""

from typing import Protocol

from bayesgmm.likelihood.annotated_rows import RowTable
from bayesgmm.typing import Array

__all__ = ["LogDensity"]


class LogDensity(Protocol):
    """A log density on unconstrained coordinates given rows, nats; `LogPosterior` is one."""

    @property
    def dim(self) -> int:
        """Number of coordinates."""

    @property
    def rows(self) -> RowTable:
        """The rows that are given."""

    def log_densities(self, points: Array) -> Array:
        """Return the log density (...), a constant aside, at points (..., dim)."""

    def rowwise(self, points: Array, rows: RowTable) -> Array:
        """Return log p(row | point): (..., row), data units, at points (..., dim)."""
