"""Criteria for the number of components: predictive (WAIC, LOO) and evidence."""

from bayesgmm.criteria.bridge import Evidence, log_evidence
from bayesgmm.criteria.model_posterior import PosteriorOverK, PriorOverK, posterior_over_k
from bayesgmm.criteria.nobile import NobileStep, nobile_step
from bayesgmm.criteria.predictive import WAIC, check_enough_draws, loo, waic
from bayesgmm.criteria.ranking import rank
from bayesgmm.criteria.refits import RepairedLOO, loo_with_refits
from bayesgmm.criteria.routes import (
    EvidenceRoutes,
    Evidences,
    evidence_note,
    evidences_of,
    no_evidences,
    probabilities_of,
    probability_heading,
    shown_probability,
    undecided,
    unserved_of,
)
from bayesgmm.criteria.tempered import reconciled, tempered_evidence

__all__ = [
    "WAIC",
    "Evidence",
    "EvidenceRoutes",
    "Evidences",
    "NobileStep",
    "PosteriorOverK",
    "PriorOverK",
    "RepairedLOO",
    "check_enough_draws",
    "evidence_note",
    "evidences_of",
    "log_evidence",
    "loo",
    "loo_with_refits",
    "no_evidences",
    "nobile_step",
    "posterior_over_k",
    "probabilities_of",
    "probability_heading",
    "rank",
    "reconciled",
    "shown_probability",
    "tempered_evidence",
    "undecided",
    "unserved_of",
    "waic",
]
