"""Point fits: maximum likelihood by EM and the posterior mode, and what they say about K."""

from bayesgmm.fit.bootstrap import BootstrapTest, bootstrap_lrt
from bayesgmm.fit.em import fit_em
from bayesgmm.fit.point import Climb, FitStatus, Optimum, PointFit
from bayesgmm.fit.posterior_mode import fit_map
from bayesgmm.fit.structure_grid import bic_grid

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
]
