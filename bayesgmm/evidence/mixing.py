"""Other priors on K and on the weights, from runs at fixed K: the joint posterior of K and K+.

With Z_k the evidence and c the concentration at K = k, (a)^(n) the rising factorial, C the
partition of the n rows by their labels and n_b its block sizes,

    p(K, K+ = k, y) = S_k E[ q(K, C) / prod_b (c)^(n_b) | y, K = k, all k components occupied ]
    S_k = Z_k P(all k components occupied | y, K = k) (c k)^(n) / k!
    q(K, C) = p(K) K! / (K - k)! prod_b (g_K)^(n_b) / (g_K K)^(n)

for components whose prior does not depend on K.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp

from bayesgmm.evidence.priors_over_k import OverK, WeightsPrior
from bayesgmm.posterior.pareto import smoothed
from bayesgmm.typing import Array, IntArray

__all__ = ["Reweighted", "log_occupied_evidence", "log_reweighting", "reweighted"]


class Reweighted(NamedTuple):
    """The joint of K and K+ = k with the data, for one k.

    Parameters
    ----------
    log_joint : array of shape (K,), nats
        log p(K, K+ = k, y) for K = 1, 2, ...
    log_weights : array of shape (partition,)
        Log of the sum over K of what each partition is reweighted by.
    k_hat : float
        Pareto k of these weights; -inf where the largest are equal.
    """

    log_joint: Array
    log_weights: Array
    k_hat: float


def log_occupied_evidence(
    log_evidence: float, log_occupied: float, k: int, concentration: float, n_rows: int
) -> float:
    """Return log S_k, nats."""
    rising = _log_rising(concentration * k, n_rows)
    return float(log_evidence + log_occupied + rising - gammaln(k + 1.0))


def log_reweighting(
    sizes: IntArray, prior: OverK, weights: WeightsPrior, concentration: float
) -> Array:
    """Return log q(K, C) / prod_b (c)^(n_b), shape (partition, K); -inf where K < k.

    Parameters
    ----------
    sizes : array of shape (partition, block)
        Numbers of rows in the blocks, none of them 0.
    prior : OverK
    weights : WeightsPrior
    concentration : float
        Of the runs that the partitions come from.
    """
    n_rows, k = float(sizes[0].sum()), sizes.shape[1]
    counts = np.arange(1.0, len(prior.log_mass) + 1.0)
    g = weights.concentrations(counts)
    distinct, which = np.unique(g, return_inverse=True)
    blocks = np.stack([_log_rising(value, sizes).sum(axis=1) for value in distinct], axis=1)
    enough = counts >= k
    ways = gammaln(counts + 1.0) - gammaln(np.where(enough, counts - k, 0.0) + 1.0)
    of_k = np.where(enough, prior.log_mass + ways - _log_rising(g * counts, n_rows), -np.inf)
    before = _log_rising(concentration, sizes).sum(axis=1)
    return np.asarray(of_k + blocks[:, which] - before[:, None])


def reweighted(log_occupied: float, log_ratios: Array, shares: Array | None = None) -> Reweighted:
    """Average what the partitions of one k are reweighted by.

    Parameters
    ----------
    log_occupied : float, nats
        `log_occupied_evidence`.
    log_ratios : array of shape (partition, K)
        `log_reweighting`.
    shares : array of shape (partition,), optional
        Probabilities of the partitions; equal by default.
    """
    even = np.full(len(log_ratios), 1.0 / len(log_ratios))
    shares = even if shares is None else shares
    log_weights = logsumexp(log_ratios, axis=1)
    log_joint = log_occupied + logsumexp(log_ratios, axis=0, b=shares[:, None])
    return Reweighted(log_joint, log_weights, smoothed(log_weights)[1])


def _log_rising(a: float | Array, n: float | Array | IntArray) -> Array:
    """Return log (a)^(n) = log Gamma(a + n) / Gamma(a)."""
    return np.asarray(gammaln(np.add(a, n)) - gammaln(a))
