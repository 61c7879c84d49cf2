"""The verdict on a run."""

from bayesgmm.diagnosis.status import Finding, RunStatus
from bayesgmm.diagnosis.verdict import Diagnosis, diagnose

__all__ = ["Diagnosis", "Finding", "RunStatus", "diagnose"]
