"""The marginal likelihood of a number of components, by routes that check one another."""

from bayesgmm.evidence._coarsened import Coarsened, coarsened
from bayesgmm.evidence._extend import extend
from bayesgmm.evidence._posterior_over_k import PosteriorOverK, posterior_over_k
from bayesgmm.evidence._posteriors_over_k import PosteriorsOverK, posteriors_over_k
from bayesgmm.evidence._probability_by_rows import probability_by_rows
from bayesgmm.evidence._smc_evidence import smc_evidence
from bayesgmm.evidence.bridge import Evidence, log_evidence
from bayesgmm.evidence.missed_modes import LeftOut, MissedMode
from bayesgmm.evidence.modes import WeighedMode, WeighedModes, combine_modes, weigh_modes
from bayesgmm.evidence.nobile import NobileStep, nobile_step
from bayesgmm.evidence.priors_over_k import Mixing, PriorOverK
from bayesgmm.evidence.reconcile import (
    EvidenceRoutes,
    Evidences,
    evidence_note,
    evidences_of,
    no_evidences,
    probabilities_of,
    probability_heading,
    probability_symbol,
    reconciled,
    shown_probability,
    undecided,
    unserved_of,
)

__all__ = [
    "Coarsened",
    "Evidence",
    "EvidenceRoutes",
    "Evidences",
    "LeftOut",
    "MissedMode",
    "Mixing",
    "NobileStep",
    "PosteriorOverK",
    "PosteriorsOverK",
    "PriorOverK",
    "WeighedMode",
    "WeighedModes",
    "coarsened",
    "combine_modes",
    "evidence_note",
    "evidences_of",
    "extend",
    "log_evidence",
    "no_evidences",
    "nobile_step",
    "posterior_over_k",
    "posteriors_over_k",
    "probabilities_of",
    "probability_by_rows",
    "probability_heading",
    "probability_symbol",
    "reconciled",
    "shown_probability",
    "smc_evidence",
    "undecided",
    "unserved_of",
    "weigh_modes",
]
