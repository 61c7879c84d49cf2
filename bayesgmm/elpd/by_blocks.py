"""WAIC and LOO of rows whose log likelihood is not kept: block of rows by block of rows."""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from bayesgmm.data import Dataset
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable, with_noise
from bayesgmm.likelihood.annotated_rows import rows_of as rows_with_annotations
from bayesgmm.likelihood.distributed_rows import DistributedRows
from bayesgmm.likelihood.rows import chunks_of, whole_blocks
from bayesgmm.likelihood.rowwise import pointwise_log_likelihood
from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.pareto import EQUAL, smoothed_rows
from bayesgmm.runtime.parallel import Threads
from bayesgmm.typing import Array

__all__ = ["Pointwise", "pointwise_of"]

_BLOCK_VALUES = 2**21
_SMOOTHED_VALUES = 2**17


class Pointwise(NamedTuple):
    """What predicting each row comes to: arrays of shape (obs,), nats.

    Parameters
    ----------
    predictive : array
        Log mean over draws of the row's density.
    variance : array
        Of the log density over draws.
    by_loo : array
        Log density of the row given all others.
    pareto_k : array
        Of its importance weights.
    weights : array or None
        How often each row counts.
    """

    predictive: Array
    variance: Array
    by_loo: Array
    pareto_k: Array
    weights: Array | None


def pointwise_of(
    draws: Draws, data: Dataset, efficiency: float | None = None, cores: int | None = None
) -> Pointwise:
    """Return how well each row is predicted, in one pass; of draws and rows no product is kept.

    Parameters
    ----------
    draws : Draws
    data : Dataset
        Its rows.
    efficiency : float, optional
        Effective share of the draws; without it nothing is left out (`by_loo` is `predictive`).
    cores : int, optional
        Threads; the result does not depend on it.
    """
    size = whole_blocks(max(_BLOCK_VALUES // draws.n_samples, 1))
    resolved = draws.resolved
    picked = resolved is not None and not resolved.spec.labels_inform_weights
    mixtures = draws.parameters, *draws.frame, picked, efficiency
    if resolved is not None and data.partitions is not None:
        parts = list(DistributedRows(resolved, data).each(_of_block, *mixtures, size=size))
    else:
        rows: Any = with_noise(rows_with_annotations(data, draws.n_components), draws.noise)
        with Threads(cores) as threads:
            blocks = chunks_of(rows, size)
            parts = list(threads.few_at_once(lambda block: _of_block(block, *mixtures), blocks))
    predictive, variance, by_loo, pareto_k = (
        np.concatenate([part[place] for part in parts]) for place in range(4)
    )
    weights = [part.weights for part in parts if part.weights is not None]
    counted = np.concatenate(weights) if weights else None
    return Pointwise(predictive, variance, by_loo, pareto_k, counted)


def _of_block(
    block: RowTable,
    parameters: Parameters,
    centre: Array,
    unit: Array,
    picked: bool,
    efficiency: float | None,
) -> Pointwise:
    found = pointwise_log_likelihood(parameters, block, centre, unit, picked=picked)
    by_row = np.ascontiguousarray(found.T)
    predictive = logsumexp(by_row, axis=1) - np.log(by_row.shape[1])
    variance = by_row.var(axis=1, ddof=1)
    by_loo, pareto_k = predictive, np.zeros(len(predictive))
    if efficiency is not None:
        by_loo, pareto_k = _left_out(by_row, efficiency)
    weights = block.weights if isinstance(block, AnnotatedRows) else None
    return Pointwise(predictive, variance, by_loo, pareto_k, weights)


def _left_out(by_row: Array, efficiency: float) -> tuple[Array, Array]:
    """Return the log density of each row given the others, and the Pareto k of its weights.

    Where a row's density is the same in every draw the weights are equal, and k is 0.
    """
    by_loo, pareto_k = np.empty((2, len(by_row)))
    width = max(1, _SMOOTHED_VALUES // by_row.shape[1])
    for start in range(0, len(by_row), width):
        part = slice(start, start + width)
        log_weights, pareto_k[part] = smoothed_rows(-by_row[part], efficiency)
        by_loo[part] = logsumexp(log_weights + by_row[part], axis=1)
    still = np.ptp(by_row, axis=1) <= EQUAL
    by_loo[still], pareto_k[still] = by_row[still, 0], 0.0
    return by_loo, pareto_k
