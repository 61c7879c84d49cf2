"""Point fits: maximum likelihood by EM and the posterior mode."""

from bayesgmm.fit.em import fit_em
from bayesgmm.fit.point import FitStatus, Optimum, PointFit
from bayesgmm.fit.posterior_mode import fit_map

__all__ = ["FitStatus", "Optimum", "PointFit", "fit_em", "fit_map"]
