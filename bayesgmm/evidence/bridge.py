"""The log marginal likelihood by bridge sampling, with the labels' symmetry handled exactly."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesgmm.arguments import seed_of
from bayesgmm.cards import card
from bayesgmm.errors import ConfigError, SamplingError
from bayesgmm.evidence.proposal import PROBES, Proposal, fit_proposal
from bayesgmm.likelihood.interface import LogDensity
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import DRAWS_PER_COORDINATE, FEWEST_BRIDGED, PARETO_K
from bayesgmm.posterior.draws import Draws, Posterior, view_of
from bayesgmm.posterior.mcmc_error import effective_size
from bayesgmm.posterior.tree import attribute
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.runtime.seeds import drawn_integer
from bayesgmm.sampling.importance import IMPORTANCE
from bayesgmm.typing import Array

__all__ = [
    "Evidence",
    "bridge",
    "crossed",
    "fewest_draws",
    "log_evidence",
    "log_ratio",
    "log_ratios",
]

PROPOSALS_PER_DRAW = 2
TOLERANCE = 1e-10
MAX_ITERATIONS = 1000
_BLOCK = 8192


@dataclass(frozen=True, repr=False)
class Evidence:
    """The log marginal likelihood of the rows.

    Parameters
    ----------
    value : float
        Nats, data units, every constant included.
    error : float
        Standard error, nats. It covers only modes that the chains visited.
    method : str
        How it was computed, in words.
    n_draws : int
        Draws that entered.
    seed : int
        Seed of the proposal's draws.

    Examples
    --------
    >>> import math
    >>> evidence = Evidence(-31.2, 0.02, "bridge sampling", n_draws=4000, seed=1)
    >>> evidence.with_error(math.inf).error
    inf
    """

    value: float
    error: float
    method: str
    n_draws: int
    seed: int

    def with_error(self, error: float) -> Self:
        """Return the same value with another error: inf where the chains are not to be trusted."""
        return replace(self, error=error)

    def __repr__(self) -> str:
        """Show the value with its error, and how it was computed."""
        return f"Evidence: {self._figure}, by {self.method} from {self.n_draws} draws"

    def _repr_html_(self) -> str:
        return card(
            f"Log evidence: {self._figure}",
            badge=None if math.isfinite(self.error) else ("no error: not to be trusted", False),
            sentences=[f"By {self.method}, from {self.n_draws} draws, seed {self.seed}."],
        )

    @property
    def _figure(self) -> str:
        error = f"{self.error:.2g}" if math.isfinite(self.error) else "unknown"
        return f"{self.value:.2f} nats, standard error {error}"


@keywords()
def log_evidence(posterior: Posterior, *, seed: int | None = None) -> Evidence:
    """Estimate the log marginal likelihood by bridge sampling.

    Draws made by importance sampling have their evidence already, the mean of their weights: it is
    returned. For others, one half of each chain fits a mixture of Gaussians on the unconstrained
    coordinates, the other half estimates; then the halves change places, and the mean of both
    results is taken. The Gaussians' covariances are shrunk towards the shape of the posterior's
    curvature, as far as that serves draws left out of the fit: hundreds of coordinates need few
    more draws. Where the labels are exchangeable the proposal is symmetrised over all permutations
    within their groups, K! where all are alike (those that contribute nothing at draws and
    proposals are left out, the divisor stays the number of all): both sides of the bridge are then
    symmetric functions, so that the result does not depend on how the draws are labelled, and
    overlapping labellings are counted right. Relabelled draws make the Gaussians fit, and the error
    small.

    Parameters
    ----------
    posterior : DataTree
        As `bayesgmm.sample` returns it.
    seed : int, optional
        Of the proposal's draws; drawn and stored when None.

    Returns
    -------
    Evidence

    Raises
    ------
    ConfigError
        For the draws of a user's own model, or too few draws.
    SamplingError
        When the iteration does not settle.

    Notes
    -----
    The error of each half is Fruehwirth-Schnatter's relative mean squared error with the
    autocorrelation of the draws; that of their mean is at least half their difference. It cannot
    know of modes that no chain visited: when the chains disagree, quote
    `Evidence.with_error(math.inf)`.

    References
    ----------
    Meng and Wong (1996), Statistica Sinica 6:831. Gronau et al. (2017), Journal of Mathematical
    Psychology 81:80. Fruehwirth-Schnatter (2004), Econometrics Journal 7:143 (labels, error).

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> tree = sample(rows, 1, draws=200, seed=1)
    >>> evidence = log_evidence(tree, seed=1)
    >>> evidence.error < 0.1
    True
    """
    draws = view_of(posterior)
    seed = seed_of(seed)
    if (weighted := attribute(draws.tree, IMPORTANCE)) is not None:
        return _of_weights(weighted, draws, seed)
    with one_blas_thread():
        value, error = bridge(draws.target, draws.coordinates, seed)
    return Evidence(
        value=value,
        error=error,
        method="bridge sampling, Gaussian-mixture proposal symmetric in the labels",
        n_draws=draws.n_samples,
        seed=seed,
    )


def _of_weights(weighted: dict[str, Any], draws: Draws, seed: int) -> Evidence:
    """Return the evidence that importance sampling gave; its error is inf where k-hat is large."""
    k_hat = weighted["k_hat"]
    sound = k_hat is not None and k_hat <= PARETO_K
    return Evidence(
        value=weighted["log_evidence"],
        error=weighted["error"] if sound else math.inf,
        method="importance sampling, Student's t at the modes, symmetric in the labels",
        n_draws=draws.n_samples,
        seed=seed,
    )


def bridge(
    target: LogPosterior,
    draws: Array,
    seed: int,
    inside: Callable[[Array], NDArray[np.bool_]] | None = None,
) -> tuple[float, float]:
    """Estimate the log of the target's integral, over all of the space or a region.

    Parameters
    ----------
    target : LogPosterior
    draws : array of shape (chain, draw, dim), fitting units
    seed : int
    inside : callable, optional
        Says of points (point, dim) whether they lie in the region, in which the draws then lie
        too; symmetric in the labels.

    Returns
    -------
    value, error : float
        Nats, data units, and its standard error.
    """
    n_chains, n_draws, dim = draws.shape
    half = n_draws // 2
    if n_chains * half < fewest_draws(dim) // 2:
        raise ConfigError(
            f"bridge sampling of {dim} coordinates needs at least {fewest_draws(dim)} draws, got "
            f"{n_chains * n_draws}; sample with more draws.",
            n_draws=n_chains * n_draws,
        )
    return crossed(target, (draws[:, :half], draws[:, half:]), np.random.SeedSequence(seed), inside)


def fewest_draws(dim: int) -> int:
    """Return how many draws, both halves together, a bridge in so many coordinates needs."""
    return 2 * max(DRAWS_PER_COORDINATE * dim, FEWEST_BRIDGED)


def crossed(
    target: LogPosterior,
    halves: tuple[Array, Array],
    seed: np.random.SeedSequence,
    inside: Callable[[Array], NDArray[np.bool_]] | None = None,
) -> tuple[float, float]:
    """Estimate as `bridge` does, from two halves (chain, draw, dim) of the draws.

    Each half in turn fits the proposal for the other: the error holds where they are independent.
    """
    (first, its_error), (second, other_error) = (
        _half_bridge(target, fitted, kept, child, inside)
        for (fitted, kept), child in zip((halves, halves[::-1]), seed.spawn(2), strict=True)
    )
    error = 0.5 * max(math.hypot(its_error, other_error), abs(first - second))
    return 0.5 * (first + second) - target.log_unit_of_rows, error


def _half_bridge(
    target: LogPosterior,
    fitted: Array,
    kept: Array,
    seed: np.random.SeedSequence,
    inside: Callable[[Array], NDArray[np.bool_]] | None,
) -> tuple[float, float]:
    """Fit the proposal to some draws and bridge with others, fitting units."""
    rng = np.random.default_rng(seed)
    dim = target.dim
    fit = fit_proposal(target, fitted.reshape(-1, dim), drawn_integer(rng))
    visited = np.ascontiguousarray(kept.reshape(-1, dim))
    proposed = rng.permutation(fit.draw(PROPOSALS_PER_DRAW * len(visited), rng))
    probes = np.concatenate([visited[:: max(1, len(visited) // PROBES)], proposed[:PROBES]])
    proposal = fit.symmetrised(target, probes)
    at_draws = log_ratios(target, proposal, visited).reshape(kept.shape[:2])
    at_proposals = log_ratios(target, proposal, proposed)
    if inside is not None:
        at_proposals[~inside(proposed)] = -math.inf
    return log_ratio(at_draws, at_proposals)


def log_ratios(target: LogDensity, proposal: Proposal, points: Array) -> Array:
    """Return log target - log proposal at points (point, dim), nats, fitting units."""
    out = np.empty(len(points))
    for start in range(0, len(points), _BLOCK):
        part = slice(start, start + _BLOCK)
        out[part] = target.log_densities(points[part]) - proposal.log_density(points[part])
    return out


def log_ratio(at_draws: Array, at_proposals: Array) -> tuple[float, float]:
    """Solve Meng and Wong's equation for the log ratio of two integrals.

    Parameters
    ----------
    at_draws : array of shape (chain, draw), nats
        log p - log q at draws of the unnormalised density p.
    at_proposals : array of shape (proposal,) or (chain, draw), nats
        The same at draws of q: independent ones, or chains.

    Returns
    -------
    value, error : float
        log of the integral of p over that of q, and its standard error, nats.
    """
    log_z = float(np.median(at_draws))
    effective, proposals = effective_size(at_draws), effective_size(at_proposals)
    for _ in range(MAX_ITERATIONS):
        share = effective / (effective + proposals)
        up = at_proposals - _log_mixture(at_proposals - log_z, share)
        down = -_log_mixture(at_draws - log_z, share)
        last, log_z = (
            log_z,
            float(
                logsumexp(up)
                - math.log(at_proposals.size)
                - logsumexp(down)
                + math.log(at_draws.size)
            ),
        )
        if not math.isfinite(log_z):
            break
        if abs(log_z - last) <= TOLERANCE * max(1.0, abs(log_z)):
            return log_z, _error(at_draws - log_z, at_proposals - log_z, share)
    raise SamplingError(
        f"bridge sampling did not settle in {MAX_ITERATIONS} iterations: proposal and posterior "
        "hardly overlap. Relabel the draws, or take more of them."
    )


def _log_mixture(log_ratio: Array, share: float) -> Array:
    """Return log(share p + (1 - share) q) - log q at log_ratio = log p - log q."""
    return np.logaddexp(math.log(share) + log_ratio, math.log1p(-share))


def _error(at_draws: Array, at_proposals: Array, share: float) -> float:
    """Return the relative root mean squared error of Z, Gronau et al. (2017), appendix A."""
    first = np.exp(at_proposals - _log_mixture(at_proposals, share))
    second = np.exp(-_log_mixture(at_draws, share))
    squared = first.var(ddof=1) / (first.mean() ** 2 * effective_size(first))
    squared += second.var(ddof=1) / (second.mean() ** 2 * effective_size(second))
    return float(math.sqrt(squared))
