"""Gaussian mixtures with honest uncertainty: one model for the ML fit, the MAP fit, the posterior.

The names below are imported from their modules when they are first used, so that importing the
package costs next to nothing.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "bayesgmm.data": ("Dataset",),
    "bayesgmm.errors": (
        "BayesGMMError",
        "ConfigError",
        "ConvergenceWarning",
        "DataError",
        "DataWarning",
        "DegeneracyWarning",
        "DegenerateFitError",
        "NotFittedError",
        "ResourceError",
        "ResultFileError",
        "SamplingError",
        "SamplingInterrupted",
    ),
    "bayesgmm.model": ("MixtureSpec", "Priors"),
    "bayesgmm.model.pymc_model": ("build_model",),
    "bayesgmm.fit": ("PointFit", "bic_grid", "bootstrap_lrt", "fit_em", "fit_map"),
    "bayesgmm.sampling": ("sample",),
    "bayesgmm.adoption": ("adopt",),
    "bayesgmm.labels": ("agreement", "relabel"),
    "bayesgmm.diagnosis": ("Diagnosis", "diagnose"),
    "bayesgmm.summary": ("label_free", "summarize"),
    "bayesgmm.elpd": ("loo", "loo_with_refits", "waic"),
    "bayesgmm.evidence": (
        "Evidence",
        "combine_modes",
        "extend",
        "log_evidence",
        "posterior_over_k",
        "tempered_evidence",
        "weigh_modes",
    ),
    "bayesgmm.posterior": ("load", "save"),
    "bayesgmm.posterior.correlations": ("correlation_matrices",),
    "bayesgmm.prediction": (
        "coclustering",
        "density",
        "density_grid",
        "hard_comparison",
        "log_density",
        "membership",
        "most_ambiguous",
        "overlap",
        "partition",
        "posterior_predictive",
        "simulate",
    ),
    "bayesgmm.comparison": ("Choice", "Comparison", "compare"),
    "bayesgmm.estimator": ("GaussianMixture",),
    "bayesgmm.report": ("write_report",),
    "bayesgmm.analysis": ("run_analysis",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__version__ = "0.1.0"
__all__ = ["__version__", "plots", *_MODULE_OF]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "plots":
        return import_module("bayesgmm.plots")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'bayesgmm' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
