"""The mixture as a scikit-learn estimator."""

from bayesgmm.estimator.gaussian_mixture import GaussianMixture, NotConvergedWarning

__all__ = ["GaussianMixture", "NotConvergedWarning"]
