"""Expected log predictive density: WAIC and LOO, and what mends unreliable rows."""

from bayesgmm.elpd._label_accuracy import LabelAccuracy, label_accuracy
from bayesgmm.elpd.predictive import WAIC, check_enough_draws, loo, waic
from bayesgmm.elpd.ranking import rank, ranked
from bayesgmm.elpd.refit import RepairedLOO, loo_with_refits
from bayesgmm.elpd.side_by_side import waic_and_loo

__all__ = [
    "WAIC",
    "LabelAccuracy",
    "RepairedLOO",
    "check_enough_draws",
    "label_accuracy",
    "loo",
    "loo_with_refits",
    "rank",
    "ranked",
    "waic",
    "waic_and_loo",
]
