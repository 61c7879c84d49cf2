"""The verdict on a run."""

from bayesgmm.diagnosis.status import RunStatus
from bayesgmm.diagnosis.verdict import Diagnosis, diagnose

__all__ = ["Diagnosis", "RunStatus", "diagnose"]
