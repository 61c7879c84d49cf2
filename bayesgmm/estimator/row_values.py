"""What a fitted mixture says of each of some rows, in the type that the user had."""

from typing import Any

from bayesgmm.likelihood.annotated_rows import RowTable
from bayesgmm.posterior.draws import Draws
from bayesgmm.typing import Array, IntArray

__all__ = ["log_densities", "most_probable", "responsibilities"]


def responsibilities(draws: Draws, rows: RowTable, dtype: Any) -> Array:
    """Return P(cluster | row): array of shape (obs, cluster)."""
    return draws.responsibilities(rows)[0].T.astype(dtype, copy=False)


def most_probable(draws: Draws, rows: RowTable, dtype: Any) -> IntArray:
    """Return the most probable cluster of each row, from 0: array of shape (obs,)."""
    return responsibilities(draws, rows, dtype).argmax(axis=1)


def log_densities(draws: Draws, rows: RowTable, dtype: Any) -> Array:
    """Return the log density of what is observed of each row, nats: array of shape (obs,)."""
    return draws.log_densities(rows)[0].astype(dtype, copy=False)
