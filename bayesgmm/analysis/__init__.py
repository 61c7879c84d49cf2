"""Whole analyses: a model file in, every output out."""

from bayesgmm.analysis._run_analysis import (
    AnalysisResult,
    analyse,
    check_model_file,
    checked_data,
    run_analysis,
    with_sampler,
)
from bayesgmm.analysis.choices import component_counts
from bayesgmm.analysis.schema import AnalysisSpec, read_model_file

__all__ = [
    "AnalysisResult",
    "AnalysisSpec",
    "analyse",
    "check_model_file",
    "checked_data",
    "component_counts",
    "read_model_file",
    "run_analysis",
    "with_sampler",
]
