"""Modes of a posterior of many rows: found on some of the rows, then climbed to on all of them.

A climb on all rows from the place of a mode that some of them have takes some ten passes, where a
search takes thousands. The curvature, for which a climb's metric and a proposal ask, is that of as
many rows as tell it to within a few per cent in every direction.
"""

import logging
import math
from collections.abc import Iterable, Sequence

import numpy as np

from bayesgmm.data import Dataset
from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.likelihood.climbing import ascend_from, curvature, some_rows
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.streamed import StreamedPosterior, in_chunks
from bayesgmm.limits import MANY_ROWS, NO_MASS
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.sampling.mode_search import find_modes, modes_from, starting_points
from bayesgmm.sampling.posterior_modes import (
    EVALUATIONS,
    Labelling,
    PosteriorMode,
    climbed_mode,
    distinct_modes,
    is_maximum,
    local_covariances,
)
from bayesgmm.sampling.smc import temper
from bayesgmm.typing import Array

__all__ = ["modes_of_particles", "search_in_stages"]

logger = logging.getLogger(__name__)

_SEARCHED = 10_000
_TEMPERED = 500
_RUNS, _PARTICLES = 4, 64
_CLIMBED = 32
_SURE = 5.0  # standard errors


def search_in_stages(log_posterior: LogPosterior, data: Dataset, seed: int) -> list[PosteriorMode]:
    """Return the modes of a posterior as `find_modes` does, of many rows in two stages.

    EM looks for optima of the likelihood on all rows, which it samples itself; climbs from these
    and from partitions go to the modes of a posterior of 10,000 rows, and on from there.

    Parameters
    ----------
    log_posterior : LogPosterior
    data : Dataset
        Its rows.
    seed : int
    """
    if log_posterior.n_rows <= MANY_ROWS:
        return find_modes(log_posterior, data, seed)
    with one_blas_thread():
        coarse = some_rows(log_posterior, _SEARCHED, seed)
        first = modes_from(coarse, data, starting_points(log_posterior, data, seed))
        found = _lifted(log_posterior, coarse, _in_reach(log_posterior, coarse, first), [])
    logger.info("%d modes, of %d on %d rows", len(found), len(first), _SEARCHED)
    return found


def modes_of_particles(
    log_posterior: LogPosterior,
    data: Dataset,
    known: Sequence[PosteriorMode],
    seed: int,
    cores: int | None = None,
) -> list[PosteriorMode]:
    """Return the known modes and those near particles of sequential Monte Carlo on some rows.

    Parameters
    ----------
    log_posterior : LogPosterior
    data : Dataset
        Its rows.
    known : sequence of PosteriorMode
    seed : int
    cores : int, optional
        Threads; the result does not depend on it.

    """
    few = log_posterior.n_rows <= _TEMPERED
    coarse = log_posterior if few else some_rows(log_posterior, _TEMPERED, seed)
    run = temper(coarse, n_particles=_PARTICLES, n_runs=_RUNS, seed=seed, cores=cores)
    particles = run.draws.reshape(-1, log_posterior.dim)
    points = particles[np.linspace(0, len(particles) - 1, _CLIMBED).astype(np.int64)]
    with one_blas_thread():
        if few:
            return modes_from(log_posterior, data, points, known)
        found = modes_from(coarse, data, points)
        ends: list[tuple[Array, float]] = []
        if log_posterior.n_rows > MANY_ROWS:
            middle = some_rows(log_posterior, _SEARCHED, seed)
            found, coarse = _lifted(middle, coarse, found, []), middle
            ends, labelling = _ends_of(known, log_posterior, coarse), Labelling(coarse)
            found = [m for m in found if not any(labelling.is_at(m, *end) for end in ends)]
        return _lifted(log_posterior, coarse, _in_reach(log_posterior, coarse, found, ends), known)


def _ends_of(
    known: Sequence[PosteriorMode], target: LogPosterior, coarse: LogPosterior
) -> list[tuple[Array, float]]:
    """Return where climbs on some rows from modes of all of them end, and the density there."""
    return [
        ascend_from(coarse, mode.x.copy(), _metric(mode, target, coarse), EVALUATIONS)
        for mode in known
    ]


def _in_reach(
    target: LogPosterior,
    coarse: LogPosterior,
    modes: Sequence[PosteriorMode],
    known: Sequence[tuple[Array, float]] = (),
) -> list[PosteriorMode]:
    """Return the modes of some of the rows that may have mass given all, and say how many have not.

    The best is among them or the known, which are places on these rows and the densities there.
    How far a mode is behind it on all rows is estimated from how far it is on each of these,
    with its error: n / m sum_i g_i and n / sqrt(m) sd(g_i), g_i the distance in log likelihood.
    """
    places = [*((mode.x, mode.log_density) for mode in modes), *known]
    if not modes or len(places) < 2:
        return list(modes)
    rows = coarse.rowwise(np.array([x for x, _ in places]), coarse.rows)
    gaps = rows[int(np.argmax([value for _, value in places]))] - rows[: len(modes)]
    if isinstance(coarse.rows, AnnotatedRows) and coarse.rows.weights is not None:
        gaps = gaps * coarse.rows.weights
    each = target.n_counted / coarse.n_counted
    error = each * math.sqrt(gaps.shape[1]) * gaps.std(axis=1)
    near = each * gaps.sum(axis=1) - _SURE * error <= NO_MASS
    if not near.all():
        logger.info(
            "%d of %d modes on %d rows are more than %d nats behind the best on all rows and are "
            "not climbed from",
            *((~near).sum(), len(modes), coarse.n_rows, NO_MASS),
        )
    return [mode for mode, is_near in zip(modes, near, strict=True) if is_near]


def _metric(mode: PosteriorMode, own: LogPosterior, other: LogPosterior) -> Array:
    """Return the inverse precision of a mode, as another number of rows would have it."""
    return np.linalg.inv(mode.precision) * (own.n_counted / other.n_counted)


def _beginning(
    target: LogPosterior, coarse: LogPosterior, mode: PosteriorMode
) -> tuple[Array, Array]:
    """Return where a climb from the mode of fewer rows begins, and with which metric.

    Many rows are gone through a few times only, from the mode of those that tell their curvature.
    """
    x = mode.x.copy()
    if not isinstance(target, StreamedPosterior):
        return x, _metric(mode, coarse, target)
    middle = in_chunks(target.to_curve)
    x, _ = ascend_from(middle, x, _metric(mode, coarse, middle), EVALUATIONS)
    return x, local_covariances(target, x[None])[0]


def _lifted(
    target: LogPosterior,
    coarse: LogPosterior,
    modes: Iterable[PosteriorMode],
    known: Sequence[PosteriorMode],
) -> list[PosteriorMode]:
    """Return the modes of the target to which those of fewer of its rows lead, and the known."""
    labelling, found = Labelling(target), list(known)
    for mode in modes:
        x, value = ascend_from(target, *_beginning(target, coarse, mode), EVALUATIONS)
        if any(labelling.is_at(other, x, value) for other in found):
            continue
        precision = curvature(target, x)
        there: PosteriorMode | None
        if is_maximum(target, x, value, precision):
            there = PosteriorMode(x, value, precision, labelling.multiplicity(x))
        else:
            there = climbed_mode(target, x, known=found)
        if there is not None:
            found.append(there)
    return distinct_modes(target, found)
