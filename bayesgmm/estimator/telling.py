"""What the estimator logs of a fit, for those who ask: nothing is printed."""

import logging
from typing import Any

__all__ = ["tell"]

_logger = logging.getLogger("bayesgmm.estimator")


def tell(estimator: Any) -> None:
    """Log how a fit ended, and with ``verbose`` above 1 the bounds on its way."""
    if not estimator.verbose:
        return
    if estimator.verbose > 1:
        step = estimator.verbose_interval
        for i in range(step, estimator.n_iter_ + 1, step):
            _logger.info("iteration %d: bound %.6f", i, estimator.lower_bounds_[i - 1])
    _logger.info(
        "best of %d starts: %s after %d iterations, bound %.6f",
        sum(optimum.count for optimum in estimator.point_fit_.optima),
        "converged" if estimator.converged_ else "not converged",
        estimator.n_iter_,
        estimator.lower_bound_,
    )
