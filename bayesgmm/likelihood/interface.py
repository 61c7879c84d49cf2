"""What is asked of a log density by those who need not know how it is computed."""

from typing import Protocol

from bayesgmm.likelihood.annotated_rows import RowTable
from bayesgmm.likelihood.log_posterior import Evaluation
from bayesgmm.typing import Array

__all__ = ["LogDensity"]


class LogDensity(Protocol):
    """A log density on unconstrained coordinates given rows, nats; `LogPosterior` is one.

    A user's own PyMC model is none: its coordinates are not known to a result, which keeps draws on
    their natural scale and no model, so that nothing that reads a result could ask it.
    `bayesgmm.sampling.model_density.ModelDensity` serves while it is sampled or adopted.
    """

    @property
    def dim(self) -> int:
        """Number of coordinates."""

    @property
    def rows(self) -> RowTable:
        """The rows that are given."""

    def log_densities(self, points: Array) -> Array:
        """Return the log density (...), a constant aside, at points (..., dim)."""

    def evaluate(self, x: Array) -> Evaluation:
        """Return value and gradient at one point x (dim,)."""

    def rowwise(self, points: Array, rows: RowTable) -> Array:
        """Return log p(row | point): (..., row), data units, at points (..., dim)."""
