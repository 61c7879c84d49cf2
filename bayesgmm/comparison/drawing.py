"""Draws of one model of a comparison: kept ones, or new ones until the verdict is good."""

import logging
from typing import Any

import numpy as np

from bayesgmm.comparison.parts import KeptPosteriors
from bayesgmm.data import Dataset
from bayesgmm.diagnosis import Diagnosis, diagnose
from bayesgmm.errors import SamplingError, SamplingInterrupted
from bayesgmm.evidence import extend
from bayesgmm.likelihood.streamed import is_streamed
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import attribute
from bayesgmm.runtime.seeds import integer
from bayesgmm.sampling import sample
from bayesgmm.sampling.importance import IMPORTANCE

__all__ = ["drawn"]

logger = logging.getLogger(__name__)


def drawn(
    data: Dataset, spec: MixtureSpec, *, kept: KeptPosteriors | None, **options: Any
) -> tuple[Draws, Diagnosis]:
    """Return the draws that are kept of this model, or make them and keep them."""
    if kept is None:
        return _sample_until_good(data, spec, **options)
    tree = kept.taken(spec)
    if tree is None:
        tree = kept.keep(spec, _sample_until_good(data, spec, **options)[0].tree)
    view = Draws(tree)
    try:
        return view, diagnose(view)
    except KeyboardInterrupt as stop:
        raise SamplingInterrupted("interrupted after sampling.", partial=tree) from stop


def _sample_until_good(
    data: Dataset, spec: MixtureSpec, draws: int, limit: int, seed: int, **options: Any
) -> tuple[Draws, Diagnosis]:
    """Sample, and while the verdict is bad go on from the run, each time twice as long."""
    view = Draws(sample(data, spec, draws=draws, seed=seed, **options))
    longer, seeds = draws, np.random.SeedSequence(seed)
    try:
        while not (verdict := diagnose(view)).ok and longer <= limit:
            anew = verdict.more_draws_help and attribute(view.tree, IMPORTANCE) is not None
            if is_streamed(data) and not anew:
                break
            status = verdict.status.value
            logger.info("K = %d: %s; %d more draws", spec.n_components, status, longer)
            try:
                again = integer(seeds.spawn(1)[0])
                if anew:
                    view = Draws(sample(data, spec, draws=2 * longer, seed=again, **options))
                else:
                    view = Draws(extend(view, longer, seed=again))
            except SamplingError as error:
                logger.info("K = %d stays as it is: %s", spec.n_components, error)
                break
            longer *= 2
    except KeyboardInterrupt as stop:
        raise SamplingInterrupted("interrupted after sampling.", partial=view.tree) from stop
    return view, verdict
