"""The verdict on a run."""

from bayesgmm.diagnosis._diagnose import Diagnosis, diagnose
from bayesgmm.diagnosis.status import Finding, RunStatus

__all__ = ["Diagnosis", "Finding", "RunStatus", "diagnose"]
