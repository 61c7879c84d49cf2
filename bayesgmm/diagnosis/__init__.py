"""The verdict on a run."""

from bayesgmm.diagnosis._diagnose import Diagnosis, diagnose, diagnosis_of
from bayesgmm.diagnosis.status import Finding, RunStatus

__all__ = ["Diagnosis", "Finding", "RunStatus", "diagnose", "diagnosis_of"]
