"""Point fits: maximum likelihood by EM and the posterior mode, and what they say about K."""

from bayesgmm.fit._bic_grid import bic_grid
from bayesgmm.fit._bootstrap_lrt import BootstrapTest, bootstrap_lrt
from bayesgmm.fit.em import fit_em
from bayesgmm.fit.map import fit_map
from bayesgmm.fit.result import Climb, FitStatus, Optimum, PointFit
from bayesgmm.fit.singular import singular_bics

__all__ = [
    "BootstrapTest",
    "Climb",
    "FitStatus",
    "Optimum",
    "PointFit",
    "bic_grid",
    "bootstrap_lrt",
    "fit_em",
    "fit_map",
    "singular_bics",
]
