"""Search for the modes of a posterior: climbs from optima of the likelihood and from partitions."""

import itertools
import logging
import math
import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from bayesgmm.data import Dataset
from bayesgmm.errors import (
    ConvergenceWarning,
    DataWarning,
    DegeneracyWarning,
    DegenerateFitError,
)
from bayesgmm.fit.em import starting_fit
from bayesgmm.fit.points import parts, split
from bayesgmm.fit.starts import draw_starts
from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import ERROR_PER_STEP
from bayesgmm.model.parameters import Parameters
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.sampling.posterior_modes import (
    KnownShapes,
    Labelling,
    PosteriorMode,
    climbed_mode,
    distinct_modes,
    local_covariances,
)
from bayesgmm.typing import Array

__all__ = ["find_modes", "modes_from", "starting_points"]

logger = logging.getLogger(__name__)

_EM_STARTS = 24
_PARTITIONS = 12
_PARTITIONED_ROWS = 5_000
_NARROWEST = 0.01  # of the pooled scatter: scales of a start at the bound of the recording error
_MOST_LABELLINGS = 24
_CLIMBS_AT_ONCE = 32


def find_modes(log_posterior: LogPosterior, data: Dataset, seed: int) -> list[PosteriorMode]:
    """Return the modes of the posterior that climbs reach, the largest Laplace mass first.

    Climbs start from every distinct optimum of the likelihood, whether it is believed or not, and
    from partitions of the rows, where EM may end at a bound.

    Parameters
    ----------
    log_posterior : LogPosterior
    data : Dataset
        Its rows.
    seed : int
        Of the optima's search and the partitions.

    Returns
    -------
    list of PosteriorMode
        None where all climbs lead to poles, which only a model without recording error has.
    """
    with one_blas_thread():
        points = starting_points(log_posterior, data, seed)
        found = modes_from(log_posterior, data, points)
    logger.info("modes of the posterior: %d, from %d climbs", len(found), len(points))
    return found


def starting_points(log_posterior: LogPosterior, data: Dataset, seed: int) -> list[Array]:
    """Return the points (dim,) from which `find_modes` climbs, fitting units."""
    starts = [*_optima(log_posterior, data, seed), *_partitions(log_posterior, data, seed)]
    points = [_coordinates(log_posterior, start) for start in starts]
    if len(log_posterior.resolved.groups.groups) > 1:
        points = _under_other_labels(log_posterior, points, seed)
    return points


def modes_from(
    log_posterior: LogPosterior,
    data: Dataset,
    points: Iterable[Array],
    known: Iterable[PosteriorMode] = (),
) -> list[PosteriorMode]:
    """Return the modes to which climbs from points (dim,) lead, merged with those known.

    A climb begins with the metric of a known mode where that explains the gradient, else with that
    of the curvature at its start.
    """
    found = list(known)
    shapes = KnownShapes(log_posterior, tuple(found))
    for some in itertools.batched(points, _CLIMBS_AT_ONCE):
        for x, metric in _with_metrics(log_posterior, some, shapes):
            mode = climbed_mode(log_posterior, x, metric, found)
            if mode is not None and _regular(log_posterior, data, mode):
                found.append(mode)
    return distinct_modes(log_posterior, found)


def _with_metrics(
    log_posterior: LogPosterior, points: Sequence[Array], shapes: KnownShapes
) -> list[tuple[Array, Array]]:
    """Return points (dim,), maybe in other labels, each with a metric (dim, dim) to climb with."""
    near = [shapes.near(x) for x in points]
    others = [x for x, pair in zip(points, near, strict=True) if pair is None]
    if not others:
        return [pair for pair in near if pair is not None]
    curved = zip(others, local_covariances(log_posterior, np.stack(others)), strict=True)
    return [next(curved) if pair is None else pair for pair in near]


def _optima(log_posterior: LogPosterior, data: Dataset, seed: int) -> list[Parameters]:
    with warnings.catch_warnings():
        for category in (ConvergenceWarning, DataWarning, DegeneracyWarning):
            warnings.simplefilter("ignore", category)
        try:
            fit = starting_fit(
                data,
                log_posterior.resolved.spec,
                seed=seed,
                n_starts=_EM_STARTS,
                engine=log_posterior.engine,
            )
        except DegenerateFitError:
            return []
    return [optimum.parameters for optimum in fit.optima]


def _partitions(log_posterior: LogPosterior, data: Dataset, seed: int) -> list[Parameters]:
    """Return the mixtures of partitions of the rows, data units."""
    resolved, k = log_posterior.resolved, log_posterior.resolved.n_components
    if k == 1 and not resolved.n_noises:
        return []
    for_rows, for_starts = np.random.SeedSequence(seed).spawn(2)
    n_rows, rng = log_posterior.n_rows, np.random.default_rng(for_rows)
    if n_rows > _PARTITIONED_ROWS:
        some = np.sort(rng.choice(n_rows, _PARTITIONED_ROWS, replace=False))
        table = log_posterior.rows_at(some)
    else:
        table = log_posterior.rows
    rows = (data.completed(values_of(table), rng) - resolved.centre) / resolved.unit
    points = draw_starts(
        rows, k, resolved.structure, _PARTITIONS, for_starts, table, noisy=resolved.n_noises > 0
    )
    outer = np.multiply.outer(resolved.unit, resolved.unit)
    starts = []
    for point in points:
        _, means, covariances = split(point, k, resolved.n_features)
        weights, noise, _ = parts(point, k, resolved.n_features, resolved.n_noises)
        means, covariances = resolved.centre + resolved.unit * means, covariances * outer
        unused = np.empty_like(means)
        starts.append(Parameters(weights, means, unused, covariances, covariances, noise))
    return starts


def _coordinates(log_posterior: LogPosterior, start: Parameters) -> Array:
    """Return x of a start, of which weights, means and covariances count, and tails if it has any.

    Covariances give up the recording error.

    What is left of a covariance is raised to a hundredth of the pooled one in every direction.
    """
    resolved = log_posterior.resolved
    start = resolved.completed(start)
    unit, error = resolved.unit, resolved.resolution / resolved.unit
    covariances = start.covariances / np.multiply.outer(unit, unit)
    pooled = np.einsum("k,kij->ij", start.shares, covariances)
    root = np.linalg.cholesky(pooled + np.diag(error**2))
    inverse = np.linalg.inv(root)
    free = covariances - np.diag(error**2)
    variances, axes = np.linalg.eigh(inverse @ free @ inverse.T)
    raised = (axes * np.maximum(variances, _NARROWEST)[:, None]) @ axes.swapaxes(1, 2)
    free = root @ raised @ root.T
    scales = np.sqrt(np.einsum("kdd->kd", free))
    outer = np.sqrt(np.einsum("kd,ke->kde", *[np.einsum("kdd->kd", free)] * 2))
    scales, correlations = resolved.structure.nearest(start.shares, scales, free / outer)
    tiny = np.finfo(float).tiny
    return log_posterior.unconstrain(
        start._replace(
            weights=np.maximum(start.weights, tiny),
            scales=unit * scales,
            correlations=correlations,
            loadings=None,
            unique_scales=None,
        )
    )


def _under_other_labels(log_posterior: LogPosterior, points: list[Array], seed: int) -> list[Array]:
    """Add each point under other labels: where the prior tells them apart, modes of their own."""
    k = log_posterior.resolved.n_components
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(3)[2])
    if math.factorial(k) <= _MOST_LABELLINGS:
        orders = [np.array(order) for order in itertools.permutations(range(k))]
    else:
        orders = [np.arange(k), *(rng.permutation(k) for _ in range(_MOST_LABELLINGS - 1))]
    labelling = Labelling(log_posterior)
    return [labelling.permuted(x, order) for x in points for order in orders]


def _regular(log_posterior: LogPosterior, data: Dataset, mode: PosteriorMode) -> bool:
    """Whether no component is narrower than the recording error of ties that the model leaves out.

    A model without recording error on tied data is said to be that of its regular modes alone.
    """
    resolved = log_posterior.resolved
    left_out = np.where(resolved.resolution == 0.0, ERROR_PER_STEP * data.smallest_gaps(), 0.0)
    if not left_out.any():
        return True
    covariances = log_posterior.constrain(mode.x[None]).covariances[0]
    return bool(np.linalg.eigvalsh(covariances - np.diag(left_out**2)).min() >= 0.0)
