"""Draws of a posterior by importance sampling at its modes, and the evidence with them.

With many rows the posterior is near Normal at each mode (Bernstein and von Mises). Independent
proposals from Student's t there, one for each mode and summed over the labels, are weighted by
their exact posterior densities: the mean of the weights is the evidence, and draws are chosen by
the weights, the largest smoothed. How heavy the tail of the weights is says whether that may be
relied on; it cannot say that a mode is missing that no search has found.

Chains that accept or refuse the same proposals (Tierney 1994) were tried: their means err by 1.24
sds over the root of the draws where resampled ones err by 1.11, and by 3.7 against 2.3 where the
posterior is far from Normal (``python -m tests.benchmarks i``).

References
----------
Vehtari, Simpson, Gelman, Yao and Gabry (2024), J. Machine Learning Research 25:72 (smoothing,
k-hat). Tierney (1994), Annals of Statistics 22:1701 (independence chains). Owen and Zhou (2000),
JASA 95:135 (mixtures as proposals).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import ESS, IMPORTANCE_SHARE, PARETO_K
from bayesgmm.posterior.pareto import smoothed
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.runtime.progress import Progress
from bayesgmm.sampling.nuts import ChainDraws
from bayesgmm.sampling.posterior_modes import PosteriorMode, laplace_shares
from bayesgmm.sampling.resampling import resample
from bayesgmm.sampling.student_mixture import StudentMixture, no_proposals
from bayesgmm.typing import Array, IntArray

__all__ = [
    "IMPORTANCE",
    "ImportanceRun",
    "Proposals",
    "draw_at_modes",
    "drawn_from",
    "propose",
]

IMPORTANCE = "importance"  # the attribute that says how proposals and posterior agree
_FREEDOM = 30.0  # at least, and so many a coordinate: else the radius spreads too far
_FREEDOM_EACH = 2.0
_LEAST_WEIGHT = 0.01  # of a mode in the proposal: Laplace's shares may be far off


@dataclass(frozen=True)
class ImportanceRun:
    """Draws from independent proposals, and what their weights say.

    Parameters
    ----------
    drawn : ChainDraws
        With the statistics lp and log_weight (less the log of the mean weight).
    log_evidence, error : float
        Nats, data units, and its standard error.
    k_hat : float
        Pareto k of the weights; inf where none can be fitted.
    effective : float
        Number of independent draws that the weights are worth.
    acceptance : float
        Probability that a chain of these proposals, at its law, accepts one: 1 where proposal and
        posterior are one.
    n_modes : int
        Modes in the proposal.
    """

    drawn: ChainDraws
    log_evidence: float
    error: float
    k_hat: float
    effective: float
    acceptance: float
    n_modes: int

    @property
    def n_proposed(self) -> int:
        """Number of proposals."""
        return int(np.prod(self.drawn.x.shape[:2]))

    @property
    def why_not(self) -> str | None:
        """Why NUTS is to be preferred, as the end of a sentence; None where it is not."""
        if not self.k_hat <= PARETO_K:
            return f"the Pareto k is {self.k_hat:.2f} (at most {PARETO_K})"
        if self.effective < min(ESS, IMPORTANCE_SHARE * self.n_proposed):
            return f"{self.effective:.0f} of {self.n_proposed} are effective"
        return None

    @property
    def facts(self) -> dict[str, Any]:
        """What a result says of it, plain JSON."""
        return {
            "log_evidence": self.log_evidence,
            "error": self.error,
            "k_hat": self.k_hat if math.isfinite(self.k_hat) else None,
            "effective": self.effective,
            "acceptance": self.acceptance,
            "proposed": self.n_proposed,
            "modes": self.n_modes,
        }


class Proposals(NamedTuple):
    """Independent proposals at the modes, nats, fitting units.

    Parameters
    ----------
    points : array of shape (proposal, dim)
    density : array of shape (proposal,)
        Log posterior density in x.
    log_ratios : array of shape (proposal,)
        Its log ratio to the density that they were drawn from: their log weights.
    """

    points: Array
    density: Array
    log_ratios: Array


def propose(
    target: LogPosterior,
    modes: Sequence[PosteriorMode],
    *,
    shape: tuple[int, int],
    rng: np.random.Generator,
    cores: int | None = None,
    progress: Progress | None = None,
) -> Proposals:
    """Draw proposals at the modes of a posterior, as `draw_at_modes` does.

    Parameters
    ----------
    target : LogPosterior
    modes : sequence of PosteriorMode
        At least one.
    shape : tuple of int
        Chains, and draws in each: there are as many proposals in all.
    rng : Generator
    cores : int, optional
    progress : callable of (chain, draws done, draws in all), optional

    Raises
    ------
    SamplingError
        Where no proposal has a finite density, or the labels overlap.
    """
    chains, draws = shape
    weights = np.maximum(laplace_shares(modes), _LEAST_WEIGHT)
    freedom = max(_FREEDOM, _FREEDOM_EACH * target.dim)
    proposal = StudentMixture.at_modes(target, modes, weights / weights.sum(), freedom)
    points = proposal.draw(chains * draws, rng)
    log_proposal = proposal.log_density(points)

    def tell(share: float) -> None:
        if progress is not None:
            for chain in range(chains):
                progress(chain, int(share * draws), draws)

    density = target.log_densities(points, cores=cores, tell=tell)
    log_ratios = density - log_proposal
    if not np.isfinite(log_ratios).any():
        raise no_proposals("no proposal has a finite density")
    return Proposals(points, density, log_ratios)


def draw_at_modes(
    target: LogPosterior,
    modes: Sequence[PosteriorMode],
    *,
    draws: int,
    chains: int,
    seed: np.random.SeedSequence,
    cores: int | None = None,
    progress: Progress | None = None,
) -> ImportanceRun:
    """Draw from a posterior by independent proposals at its modes.

    Parameters
    ----------
    target : LogPosterior
    modes : sequence of PosteriorMode
        All that are known.
    draws, chains : int
        As many proposals are made as there are draws in all.
    seed : SeedSequence
    cores : int, optional
        Threads; the result does not depend on it.
    progress : callable of (chain, draws done, draws in all), optional

    Raises
    ------
    SamplingError
        Where no mode is known, no proposal has a finite density, or the labels overlap.
    """
    if not modes:
        raise no_proposals("no mode of the posterior was found")
    for_proposals, *for_chains = (np.random.default_rng(s) for s in seed.spawn(1 + chains))
    shape = chains, draws
    with one_blas_thread():
        proposals = propose(
            target, modes, shape=shape, rng=for_proposals, cores=cores, progress=progress
        )
    points, density, ratios = proposals
    relative = np.exp(ratios - ratios.max())
    mean = float(relative.mean())
    log_mean = float(ratios.max()) + math.log(mean)
    places = drawn_from(proposals, shape, for_chains)
    statistics = {"lp": density[places], "log_weight": ratios[places] - log_mean}
    return ImportanceRun(
        drawn=ChainDraws(x=points[places], statistics=statistics, interrupted=False),
        log_evidence=log_mean - target.log_unit_of_rows,
        error=float(relative.std(ddof=1) / (mean * math.sqrt(ratios.size))),
        k_hat=smoothed(ratios)[1],
        effective=float(relative.sum() ** 2 / (relative**2).sum()),
        acceptance=_acceptance(relative),
        n_modes=len(modes),
    )


def drawn_from(proposals: Proposals, shape: tuple[int, int], rngs: Sequence[Any]) -> IntArray:
    """Return the places of draws (chain, draw) among the proposals, as many of each chain's own.

    Resampling is systematic, by smoothed weights. Copies of a proposal follow one another, so that
    what a chain tells of its effective size is what the weights leave of it.
    """
    weights = np.exp(smoothed(proposals.log_ratios)[0]).reshape(shape)
    if not weights.any(axis=1).all():
        raise no_proposals("no proposal has a finite density")
    firsts = range(0, weights.size, shape[1])
    return np.stack(
        [
            first + resample(part, shape[1], rng)
            for first, part, rng in zip(firsts, weights, rngs, strict=True)
        ]
    )


def _acceptance(relative: Array) -> float:
    """Return the probability that a stationary independence chain accepts a proposal.

    It is the mean of the smaller of two weights over the mean weight.
    """
    size, order = len(relative), np.sort(relative)
    smaller = (2.0 * (size - np.arange(size)) - 1.0) @ order / size**2
    return float(smaller / relative.mean())
