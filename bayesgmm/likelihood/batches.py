"""Log densities of many points: few readings of many rows, shared out among threads."""

from collections import deque
from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.compiled.batches import add_log_likelihoods, whiten_points
from bayesgmm.likelihood.compiled.coordinates import without_rows
from bayesgmm.likelihood.compiled.draws import terms_without_rows
from bayesgmm.likelihood.compiled.gibbs import log_densities
from bayesgmm.likelihood.compiled.kernels import BLOCK
from bayesgmm.runtime.parallel import in_threads
from bayesgmm.typing import Array, BoolArray

__all__ = [
    "ROWS_A_TASK",
    "Components",
    "batched_log_likelihoods",
    "components_at",
    "densities_of_points",
    "summed_log_likelihoods",
]

ROWS_A_TASK = 32 * BLOCK  # fixed, so that sums do not depend on the threads
_POINTS_A_BATCH = 64


class Components(NamedTuple):
    """Gaussians at points, as `bayesgmm.likelihood.compiled.kernels` takes them.

    Parameters
    ----------
    whitening : array of shape (point, cluster, feature, feature)
    shift : array of shape (point, cluster, feature)
    constant : array of shape (point, cluster)
    """

    whitening: Array
    shift: Array
    constant: Array


def densities_of_points(
    points: Array,
    density: int,
    flat: Array,
    annotated: Array | None,
    n_rows: int,
    shape: tuple[int, int],
    cores: int | None = None,
) -> Array:
    """Return the log posterior density at each point, nats, fitting units; -inf where it is 0.

    Few rows are gone through in this thread, point by point. Many are shared out among threads, and
    plain ones of Gaussians go through `batched_log_likelihoods`.

    Parameters
    ----------
    points : array of shape (point, dim)
        Unconstrained coordinates.
    density, flat, annotated : `density_at` and arrays
        `LogPosterior.program`; `annotated` is None where all rows are plain, and
        components made of Gaussians.
    n_rows : int
        Number of all rows.
    shape : tuple of int
        Numbers of Gaussians and features.
    cores : int, optional
        Threads; all that there are by default. The result does not depend on it.
    """
    if annotated is None and n_rows > ROWS_A_TASK:
        out = batched_log_likelihoods(points, flat, n_rows, shape, cores)
        finite = np.isfinite(out)
        out[finite] += terms_without_rows(points[finite], density, without_rows(flat), None)[
            :, 1:
        ].sum(axis=1)
        return np.where(np.isfinite(out), out, -np.inf)
    out = np.empty(len(points))
    if n_rows <= ROWS_A_TASK:
        log_densities(points, density, flat, annotated, out)
        return out

    def fill(place: int) -> None:
        part = slice(place, place + 1)
        log_densities(points[part], density, flat, annotated, out[part])

    deque(in_threads(fill, range(len(points)), cores=cores), maxlen=0)
    return out


def batched_log_likelihoods(
    points: Array,
    flat: Array,
    n_rows: int,
    shape: tuple[int, int],
    cores: int | None = None,
) -> Array:
    """Return the log likelihood of all plain rows at each point, nats, fitting units.

    Each block of rows is seen by 64 points while it is in cache. Tasks are parts of the rows, and
    their sums are added in the order of the rows: any number of threads gives the same bits, and
    those of a point do not depend on the points beside it.

    Parameters
    ----------
    points : array of shape (point, dim)
        Unconstrained coordinates.
    flat : array
        The problem, `bayesgmm.likelihood.compiled.coordinates.flatten`.
    n_rows : int
        Its number of rows.
    shape : tuple of int
        Its numbers of Gaussians and features.
    cores : int, optional
        Threads; all that there are by default.

    Returns
    -------
    array of shape (point,)
        -inf where a covariance is singular.
    """
    components, regular = components_at(points, flat, shape)
    out = summed_log_likelihoods(components, flat, n_rows, cores)
    return np.where(regular, out, -np.inf)


def components_at(
    points: Array, flat: Array, shape: tuple[int, int]
) -> tuple[Components, BoolArray]:
    """Return the Gaussians at each point, and at which points no covariance is singular."""
    n_points, (n_clusters, n_features) = len(points), shape
    whitening = np.empty((n_points, n_clusters, n_features, n_features))
    shift, constant = np.empty((n_points, n_clusters, n_features)), np.empty((n_points, n_clusters))
    regular = np.empty(n_points)
    whiten_points(points, flat, whitening, shift, constant, regular)
    return Components(whitening, shift, constant), regular > 0.0


def summed_log_likelihoods(
    components: Components, flat: Array, n_rows: int, cores: int | None = None
) -> Array:
    """Return the log likelihood of all rows of a problem at each of the points: (point,), nats.

    Of a mixture of these components, which may be some of the problem's.
    """
    n_points, n_blocks = len(components.constant), -(-n_rows // BLOCK)
    tasks = [
        (start, block)
        for start in range(0, n_points, _POINTS_A_BATCH)
        for block in range(0, n_blocks, ROWS_A_TASK // BLOCK)
    ]

    def add(task: tuple[int, int]) -> Array:
        start, block = task
        part = slice(start, start + _POINTS_A_BATCH)
        last = min(block + ROWS_A_TASK // BLOCK, n_blocks)
        whitening, shift, constant = (each[part] for each in components)
        sums = np.zeros(len(constant))
        add_log_likelihoods(flat, block, last, whitening, shift, constant, sums)
        return sums

    out = np.zeros(n_points)
    for (start, _), sums in zip(tasks, in_threads(add, tasks, cores=cores), strict=True):
        out[start : start + _POINTS_A_BATCH] += sums
    return out
