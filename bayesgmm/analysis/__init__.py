"""Whole analyses: a model file in, every output out."""

from bayesgmm.analysis.running import AnalysisResult, analyse, check_model_file, run_analysis
from bayesgmm.analysis.schema import AnalysisSpec, component_counts

__all__ = [
    "AnalysisResult",
    "AnalysisSpec",
    "analyse",
    "check_model_file",
    "component_counts",
    "run_analysis",
]
