"""Expected log predictive density: WAIC and LOO, and what mends unreliable rows."""

from bayesgmm.elpd.predictive import WAIC, check_enough_draws, loo, waic
from bayesgmm.elpd.ranking import rank, ranked
from bayesgmm.elpd.refit import RepairedLOO, loo_with_refits

__all__ = [
    "WAIC",
    "RepairedLOO",
    "check_enough_draws",
    "loo",
    "loo_with_refits",
    "rank",
    "ranked",
    "waic",
]
