"""The curvature of a log posterior of many rows in two passes over them.

Minus the Hessian of the log likelihood is that of the expected complete log likelihood, the
responsibilities r held, less the variance of the complete score s given the rows,

    sum_i (sum_k r_ik s_ik s_ik' - s_i s_i'),    s_i = sum_k r_ik s_ik.

The score of a row in cluster k is linear in (1, z, z z'), z the row whitened by the cluster. So the
variance is one of these, carried to x by what the gradient of the M-step's objective makes of them.
A row that is certain of its cluster adds nothing. The first part needs moments alone, so that its
differences cost no passes.

References
----------
Louis (1982), J. Royal Statistical Society B 44:226.
"""

import numpy as np
from scipy.special import softmax

from bayesgmm.likelihood.batches import Components, components_at
from bayesgmm.likelihood.compiled.climbing import expected_curvature_at
from bayesgmm.likelihood.compiled.shared_density import density_of
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.moments import Moments
from bayesgmm.likelihood.rows import Rows
from bayesgmm.runtime.parallel import in_threads
from bayesgmm.typing import Array

__all__ = ["curvature_in_passes", "takes_passes"]

_LEAST_ROWS = 5_000  # differences of fewer are as quick
_ROWS_A_TASK = 2_048
_SURE = 1e-13  # of a row's probability: what is left over adds nothing


def takes_passes(target: LogPosterior) -> bool:
    """Whether rows are many, complete and without annotations, and components Gaussian."""
    gaussian = target.resolved.tails is None and target.resolved.noise is None
    return gaussian and isinstance(target.rows, np.ndarray) and len(target.rows) >= _LEAST_ROWS


def curvature_in_passes(target: LogPosterior, x: Array, steps: Array) -> Array:
    """Return minus the Hessian (dim, dim) of the log posterior at x (dim,), fitting units.

    Parameters
    ----------
    target : LogPosterior
        `takes_passes` is true of it.
    x : array of shape (dim,)
    steps : array of shape (dim,)
        Of the differences by which the part that needs no rows is told.

    Returns
    -------
    array of shape (dim, dim)
        NaN where there is no density.
    """
    out = np.full((target.dim, target.dim), np.nan)
    prior = target.prior
    resolved = target.resolved
    shape = resolved.n_layers * resolved.n_components, resolved.n_features
    of_points, regular = components_at(x[None], prior.flat, shape)
    if not regular[0]:
        return out
    components = Components(*(each[0] for each in of_points))
    moments = Rows(resolved, target.rows, hold=False).moments(prior.em_point(x))
    expected_curvature_at(x, density_of(annotated=False), prior.flat, *moments[1:6], steps, out)
    to_x = _scores(prior, x, components)
    return out - to_x @ _variance(target, components) @ to_x.T


def _scores(prior: LogPosterior, x: Array, components: Components) -> Array:
    """Return the gradient that 1, z and z z' of a row in each Gaussian make: (dim, of all)."""
    factors = np.tril(np.linalg.inv(components.whitening))
    means = np.einsum("kij,kj->ki", factors, components.shift)
    n_normals, size = means.shape

    def gradient(k: int, mass: float, offset: Array, scatter: Array) -> Array:
        masses, centres = np.zeros(n_normals), means.copy()
        scatters = np.zeros((n_normals, size, size))
        masses[k], centres[k] = mass, means[k] + factors[k] @ offset
        scatters[k] = factors[k] @ scatter @ factors[k].T
        return prior.evaluate_expected(x, Moments(0.0, masses, centres, scatters)).gradient

    none, nothing, axes = np.zeros(size), np.zeros((size, size)), np.eye(size)
    squares = [np.outer(a, a) for a in axes]
    scores = []
    for k in range(n_normals):
        without, own = gradient(k, 0.0, none, nothing), gradient(k, 1.0, none, nothing)
        scores.append(own - without)
        for axis, square in zip(axes, squares, strict=True):
            scores.append(gradient(k, 1.0, axis, nothing) - gradient(k, 1.0, none, square))
        for i, j in zip(*np.triu_indices(size), strict=True):
            both = squares[i] if i == j else np.outer(axes[i], axes[j]) + np.outer(axes[j], axes[i])
            scores.append(gradient(k, 1.0, none, both) - own)
    return np.stack(scores, axis=1)


def _variance(target: LogPosterior, components: Components) -> Array:
    """Return the variance of (1, z, z z') of the rows in their clusters, summed over the rows."""
    resolved, rows = target.resolved, np.asarray(target.rows)
    transposed = components.whitening.swapaxes(1, 2)
    pairs = np.triu_indices(resolved.n_features)
    n_normals = len(components.shift)
    n_each = 1 + resolved.n_features + len(pairs[0])

    def of_part(start: int) -> Array:
        part = (rows[start : start + _ROWS_A_TASK] - resolved.centre) / resolved.unit
        z = part @ transposed - components.shift[:, None]
        shares = softmax(components.constant[:, None] - 0.5 * (z**2).sum(axis=2), axis=0)
        unsure = 1.0 - shares.max(axis=0) > _SURE
        z, shares = z[:, unsure], shares[:, unsure]
        told = np.concatenate(
            [np.ones((*shares.shape, 1)), z, z[..., pairs[0]] * z[..., pairs[1]]], 2
        )
        weighted = shares[:, :, None] * told
        flat = weighted.transpose(1, 0, 2).reshape(-1, n_normals * n_each)
        out = -(flat.T @ flat)
        for k, (each, its) in enumerate(zip(told, weighted, strict=True)):
            place = slice(k * n_each, (k + 1) * n_each)
            out[place, place] += each.T @ its
        return out

    total = np.zeros((n_normals * n_each, n_normals * n_each))
    for part in in_threads(of_part, range(0, len(rows), _ROWS_A_TASK)):
        total += part
    return total
