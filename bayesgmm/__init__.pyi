"""The public names; each is imported from its module when it is first used."""

from . import errors, plots
from .adoption import adopt
from .analysis import run_analysis
from .comparison import Choice, Comparison, compare
from .data import Dataset
from .diagnosis import Diagnosis, RunStatus, diagnose
from .elpd import WAIC, LabelAccuracy, RepairedLOO, label_accuracy, loo, loo_with_refits, waic
from .errors import (
    BayesGMMError,
    ConfigError,
    ConvergenceWarning,
    DataError,
    DataWarning,
    DegeneracyWarning,
    DegenerateFitError,
    NotFittedError,
    ResourceError,
    ResultFileError,
    SamplingError,
    SamplingInterrupted,
)
from .estimator import GaussianMixture
from .evidence import (
    Evidence,
    LeftOut,
    MissedMode,
    PosteriorOverK,
    WeighedMode,
    WeighedModes,
    combine_modes,
    extend,
    log_evidence,
    posterior_over_k,
    smc_evidence,
    weigh_modes,
)
from .fit import (
    BootstrapTest,
    FitStatus,
    Optimum,
    PointFit,
    bic_grid,
    bootstrap_lrt,
    fit_em,
    fit_map,
)
from .labels import Mode, agreement, relabel
from .model import MixtureSpec, Priors
from .model.pymc_model import build_model
from .plots.plot import Plot
from .plots.theme import cluster_colour
from .posterior import load, save
from .posterior.correlations import correlation_matrices
from .prediction import (
    CredibleBall,
    HardComparison,
    Imputation,
    Partition,
    coclustering,
    density,
    density_grid,
    hard_comparison,
    impute,
    log_density,
    membership,
    most_ambiguous,
    overlap,
    partition,
    posterior_predictive,
    simulate,
    true_values,
)
from .report import write_report
from .sampling import sample
from .summary import label_free, summarize

__version__: str

__all__ = [
    "WAIC",
    "BayesGMMError",
    "BootstrapTest",
    "Choice",
    "Comparison",
    "ConfigError",
    "ConvergenceWarning",
    "CredibleBall",
    "DataError",
    "DataWarning",
    "Dataset",
    "DegeneracyWarning",
    "DegenerateFitError",
    "Diagnosis",
    "Evidence",
    "FitStatus",
    "GaussianMixture",
    "HardComparison",
    "Imputation",
    "LabelAccuracy",
    "LeftOut",
    "MissedMode",
    "MixtureSpec",
    "Mode",
    "NotFittedError",
    "Optimum",
    "Partition",
    "Plot",
    "PointFit",
    "PosteriorOverK",
    "Priors",
    "RepairedLOO",
    "ResourceError",
    "ResultFileError",
    "RunStatus",
    "SamplingError",
    "SamplingInterrupted",
    "WeighedMode",
    "WeighedModes",
    "__version__",
    "adopt",
    "agreement",
    "bic_grid",
    "bootstrap_lrt",
    "build_model",
    "cluster_colour",
    "coclustering",
    "combine_modes",
    "compare",
    "correlation_matrices",
    "density",
    "density_grid",
    "diagnose",
    "errors",
    "extend",
    "fit_em",
    "fit_map",
    "hard_comparison",
    "impute",
    "label_accuracy",
    "label_free",
    "load",
    "log_density",
    "log_evidence",
    "loo",
    "loo_with_refits",
    "membership",
    "most_ambiguous",
    "overlap",
    "partition",
    "plots",
    "posterior_over_k",
    "posterior_predictive",
    "relabel",
    "run_analysis",
    "sample",
    "save",
    "simulate",
    "summarize",
    "true_values",
    "smc_evidence",
    "waic",
    "weigh_modes",
    "write_report",
]
