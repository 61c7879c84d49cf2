"""WAIC and LOO of one posterior together, as comparisons need them."""

import logging
from functools import partial
from typing import Any

from bayesgmm.data import Dataset
from bayesgmm.elpd.by_blocks import pointwise_of
from bayesgmm.elpd.predictive import WAIC, efficiency_of, loo_of, waic, waic_of
from bayesgmm.elpd.refit import RepairedLOO, loo_with_refits, unrepaired
from bayesgmm.errors import BayesGMMError, SamplingInterrupted
from bayesgmm.likelihood.streamed import is_streamed
from bayesgmm.limits import MOST_REFITS, PARETO_K
from bayesgmm.posterior.draws import Draws

__all__ = ["waic_and_loo"]

logger = logging.getLogger(__name__)


def waic_and_loo(
    view: Draws, data: Dataset, seed: int, cores: int | None = None
) -> tuple[WAIC, RepairedLOO]:
    """Return both, unreliable rows of LOO repaired as far as they can be.

    Rows that were left in a file are gone through once for both, and none of them is repaired.

    Parameters
    ----------
    view : Draws
    data : Dataset
        Its rows.
    seed : int
        Of refits.
    cores : int, optional
    """
    if is_streamed(data):
        found, n_samples = pointwise_of(view, data, efficiency_of(view), cores), view.n_samples
        return waic_of(found, data, n_samples), unrepaired(loo_of(found, data, n_samples), seed)
    return waic(view.tree), _mended(view, seed, cores)


def _mended(view: Draws, seed: int, cores: int | None) -> Any:
    mend = partial(loo_with_refits, view, PARETO_K, seed=seed, cores=cores)
    try:
        return mend(max_refits=MOST_REFITS)
    except SamplingInterrupted:
        raise
    except BayesGMMError as error:
        logger.info("rows are not refitted: %s", error)
        return mend(max_refits=0)
