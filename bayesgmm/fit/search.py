"""From many starts to one fit: climb from each, keep the distinct optima, set spikes aside."""

import math
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import numpy as np

from bayesgmm.arguments import check_between, check_count, seed_of
from bayesgmm.data import Dataset
from bayesgmm.errors import (
    ConfigError,
    ConvergenceWarning,
    DegeneracyWarning,
    DegenerateFitError,
)
from bayesgmm.fit.climbs import Candidate, Run, Target, distinct, flagged
from bayesgmm.fit.expectation import Rows
from bayesgmm.fit.maximisation import point_of
from bayesgmm.fit.point import Climb, FitStatus, Optimum, PointFit
from bayesgmm.fit.starts import draw_starts, swap_component
from bayesgmm.mixture.parameters import Parameters
from bayesgmm.mixture.resolved import ResolvedSpec
from bayesgmm.resources import available_cores, one_blas_thread
from bayesgmm.typing import Array

__all__ = ["SAMPLED_ROWS", "best_of_starts"]

SAMPLED_ROWS = 5_000
_MIDDLE_ROWS = 80_000
_ON_MIDDLE, _ON_ALL = 8, 2  # candidates that climb on the larger sample, and on all rows
_SHORT_TOL, _SHORT_ITER = 1e-7, 300
_SAMPLED_TOL, _SAMPLED_ITER = 1e-5, 100  # on sampled rows, where the climb goes on later
_CLEAR = 3.0  # standard errors, for differences with sd 1 a row: far behind, left behind
_SWAPS = 2  # one start in two moves a component of the best optima so far
_AT_ONCE = 4  # swaps drawn from the same optima: fixed, so that results do not depend on threads
_THREADED = 200_000  # rows x clusters x features from which on a pass outweighs Python's lock
_ROUNDS = 3  # of starts, until one does not end in a spike
FLOOR = 1e-12
_PACKAGE = os.path.dirname(os.path.dirname(__file__))


def best_of_starts(
    target: Target,
    data: Dataset,
    *,
    seed: int | None,
    n_starts: int,
    tol: float,
    max_iter: int,
    starts: Sequence[Parameters] | None = None,
) -> PointFit:
    """Climb from many starts and return the best optimum that is not a spike.

    Half of the starts are drawn; the others take a component away from one of the two
    best regular optima found so far and set it down elsewhere. Every second one takes its first
    steps with components kept wide, as EM falls into spikes early. They are first followed on at
    most 5,000 sampled rows. The best distinct optima are then polished on all rows; where rows
    were sampled, the best 8 first climb on 80,000 rows (if there are four times as many), and the
    best 2 on all. Starts that are given are followed to their ends on all rows at once.

    Raises
    ------
    DegenerateFitError
        When every start ends in a spike.

    Warns
    -----
    ConvergenceWarning
        When the best run stopped at `max_iter`.
    """
    seed = seed_of(seed)
    _check_options(n_starts, tol, max_iter)
    with one_blas_thread():
        if starts is None:
            return _search(target, data, seed, n_starts, tol, max_iter)
        return _follow(target, data, seed, starts, tol, max_iter)


def _follow(
    target: Target,
    data: Dataset,
    seed: int,
    starts: Sequence[Parameters],
    tol: float,
    max_iter: int,
) -> PointFit:
    if not starts:
        raise ConfigError("starts is empty; give at least one, or None to draw them.", key="starts")
    resolved = target.resolved
    points = [_point_of_start(start, resolved) for start in starts]
    sample = _sampled(data, np.random.default_rng(seed), SAMPLED_ROWS)
    floor = _floor((sample - resolved.centre) / resolved.unit)
    rows = Rows(resolved, data)
    runs = [target.climb(rows, target.start(p), floor, tol, max_iter) for p in points]
    found = distinct(target, [(run, (i,)) for i, run in enumerate(runs)], data.n_obs)
    return _conclude(target, rows, data, found, runs, rows, seed)


def _point_of_start(start: Parameters, resolved: ResolvedSpec) -> Array:
    k, d = resolved.n_components, resolved.n_features
    for name, shape in (("weights", (k,)), ("means", (k, d)), ("covariances", (k, d, d))):
        value = getattr(start, name)
        if np.shape(value) != shape or not np.all(np.isfinite(value)):
            raise ConfigError(
                f"{name} of a start must be {shape} finite numbers, got shape {np.shape(value)}.",
                key=f"starts.{name}",
            )
    if not np.all(start.weights > 0.0):
        raise ConfigError(
            f"weights of a start must be above 0, got {start.weights!r:.80}.", key="starts.weights"
        )
    covariances = start.covariances / np.multiply.outer(resolved.unit, resolved.unit)
    try:
        return point_of(start.weights, (start.means - resolved.centre) / resolved.unit, covariances)
    except np.linalg.LinAlgError:
        raise ConfigError(
            "covariances of a start must be positive definite.", key="starts.covariances"
        ) from None


def _search(
    target: Target, data: Dataset, seed: int, n_starts: int, tol: float, max_iter: int
) -> PointFit:
    starts_seed, sample_seed = np.random.SeedSequence(seed).spawn(2)
    resolved, rng = target.resolved, np.random.default_rng(sample_seed)
    rows = Rows(resolved, data)
    sample = _sampled(data, rng, SAMPLED_ROWS)
    few = rows if len(sample) == data.n_obs else Rows(resolved, sample)
    tolerance = _SHORT_TOL if few is rows else _SAMPLED_TOL
    scaled = (sample - resolved.centre) / resolved.unit
    floor = _floor(scaled)
    most = min(max_iter, _SHORT_ITER if few is rows else _SAMPLED_ITER)
    runs = _short_runs(target, few, scaled, floor, starts_seed, n_starts, tolerance, most)
    found = distinct(target, [(run, (i,)) for i, run in enumerate(runs)], few.n_rows, tolerance)
    if few is not rows:
        polished = [
            (target.climb(rows, candidate.run.x, floor, tol, max_iter), candidate.starts)
            for candidate in _halved(target, data, few, found, floor, max_iter, rng)
        ]
    else:
        polished = _polished(target, rows, found, runs, floor, tol, max_iter)
    return _conclude(target, rows, data, distinct(target, polished, data.n_obs), runs, few, seed)


def _short_runs(
    target: Target,
    rows: Rows,
    scaled: Array,
    floor: Array,
    seed: np.random.SeedSequence,
    n_starts: int,
    tol: float,
    max_iter: int,
) -> list[Run]:
    """Climb from drawn starts, then from the best optima with a component set down elsewhere."""
    resolved, k = target.resolved, target.resolved.n_components
    n_starts = 1 if k == 1 else n_starts
    n_swaps = n_starts // _SWAPS
    threads = available_cores() if scaled.size * k > _THREADED else 1

    def climb(point: Array, wide: bool) -> Run:
        x = target.start(point)
        return target.climb(
            rows, target.widened(rows, x, floor) if wide else x, floor, tol, max_iter
        )

    runs: list[Run] = []
    *drawn, swapped = seed.spawn(_ROUNDS + 1)
    rng = np.random.default_rng(swapped)
    with ThreadPoolExecutor(threads) as pool:
        over = pool.map if threads > 1 else map
        for child in drawn:
            points = draw_starts(scaled, k, resolved.structure, n_starts - n_swaps, child)
            runs += over(climb, points, cycle((False, True)))
            leaders = _leaders(target, rows, runs, tol)
            if leaders:
                break
        for start in range(0, n_swaps if leaders else 0, _AT_ONCE):
            points = [
                swap_component(target.point(leaders[i % len(leaders)].x), scaled, k, rng)
                for i in range(min(_AT_ONCE, n_swaps - start))
            ]
            swaps = list(over(climb, points, cycle((False, True))))
            runs += swaps
            leaders = _leaders(target, rows, leaders + swaps, tol)
    return runs


def _leaders(target: Target, rows: Rows, runs: list[Run], tol: float) -> list[Run]:
    """Return the two highest runs that differ and are no spikes."""
    leaders: list[Run] = []
    for run in sorted(runs, key=lambda run: -run.objective):
        known = leaders and leaders[0].objective - run.objective < tol * rows.n_rows + 1e-3
        if not known and not flagged(target, rows, run):
            leaders.append(run)
        if len(leaders) == 2:
            break
    return leaders


def _polished(
    target: Target,
    rows: Rows,
    found: list[Candidate],
    runs: list[Run],
    floor: Array,
    tol: float,
    max_iter: int,
) -> list[tuple[Run, tuple[int, ...]]]:
    """Follow the best short runs to their ends on the same rows.

    Spikes are followed only where there is nothing else; of the others those that have converged
    far behind the best stay as they are. In `runs`, the run of the start that is followed takes
    the place of the short one.
    """
    spikes = [flagged(target, rows, candidate.run) for candidate in found]
    regular = [c.run.objective for c, spike in zip(found, spikes, strict=True) if not spike]
    enough = max(regular, default=-math.inf) - target.behind
    ends = []
    for candidate, spike in zip(found, spikes, strict=True):
        run = candidate.run
        finished = run.status is FitStatus.COLLAPSED or len(run.path) > max_iter
        finished |= run.status is FitStatus.CONVERGED and run.objective < enough
        if not finished and (all(spikes) or not spike):
            left = max_iter + 1 - len(run.path)
            longer = target.climb(rows, run.x, floor, tol, left)
            run = longer._replace(path=run.path + longer.path[1:])
            runs[candidate.starts[0]] = run
        ends.append((run, candidate.starts))
    return ends


def _halved(
    target: Target,
    data: Dataset,
    few: Rows,
    found: list[Candidate],
    floor: Array,
    max_iter: int,
    rng: np.random.Generator,
) -> list[Candidate]:
    """Return the candidates worth a climb on all rows, told apart on a larger sample."""
    if data.n_obs < 4 * _MIDDLE_ROWS:
        return _best(target, few, found, _ON_MIDDLE)
    middle = Rows(target.resolved, _sampled(data, rng, _MIDDLE_ROWS))
    most = min(max_iter, _SAMPLED_ITER)
    runs = [
        (target.climb(middle, candidate.run.x, floor, _SAMPLED_TOL, most), candidate.starts)
        for candidate in _best(target, few, found, _ON_MIDDLE)
    ]
    return _best(target, middle, distinct(target, runs, middle.n_rows, _SAMPLED_TOL), _ON_ALL)


def _best(target: Target, rows: Rows, found: list[Candidate], n: int) -> list[Candidate]:
    """Keep the n best candidates that are no spikes and not far behind; all where all are spikes.

    A difference of the objectives on a sample is the sum over rows of differences whose standard
    deviation is seldom above 1 nat.
    """
    regular: list[Candidate] = []
    for candidate in found:
        if regular and regular[0].run.objective - candidate.run.objective > _CLEAR * math.sqrt(
            rows.n_rows
        ):
            break
        if len(regular) < n and not flagged(target, rows, candidate.run):
            regular.append(candidate)
    return regular or found


def _check_options(n_starts: int, tol: float, max_iter: int) -> None:
    check_count("n_starts", n_starts)
    check_count("max_iter", max_iter)
    check_between("tol", tol, 0.0, 1.0)


def _sampled(data: Dataset, rng: np.random.Generator, n_rows: int) -> Array:
    if data.n_obs <= n_rows:
        return np.concatenate([block for _, block in data.blocks()])
    chosen = np.sort(rng.choice(data.n_obs, n_rows, replace=False, shuffle=False))
    parts = []
    for start, block in data.blocks():
        low, high = np.searchsorted(chosen, (start, start + len(block)))
        parts.append(block[chosen[low:high] - start])
    return np.concatenate(parts)


def _floor(scaled: Array) -> Array:
    """Smallest variance of each feature given those before it, fitting coordinates."""
    total = np.cov(scaled, rowvar=False, bias=True).reshape(scaled.shape[1], scaled.shape[1])
    return FLOOR * np.diag(np.linalg.cholesky(total)) ** 2


def _conclude(
    target: Target,
    rows: Rows,
    data: Dataset,
    found: list[Candidate],
    runs: list[Run],
    climbed: Rows,
    seed: int,
) -> PointFit:
    shift = target.data_units(data.n_obs)
    flags = [flagged(target, rows, candidate.run) for candidate in found]
    best, spike = _chosen(found, flags, data.n_obs)
    if best.run.status is FitStatus.MAX_ITER:
        warnings.warn(
            f"the fit with K = {target.resolved.n_components} stopped at max_iter after "
            f"{len(best.run.path)} iterations; raise max_iter or tol.",
            ConvergenceWarning,
            skip_file_prefixes=(_PACKAGE,),
        )
    point = target.point(best.run.x)
    return PointFit(
        resolved=target.resolved,
        parameters=best.parameters,
        log_likelihood=rows.expectation(point).log_likelihood
        - data.n_obs * target.resolved.log_unit,
        log_posterior=target.log_posterior(best.run.objective + shift),
        log_certainty=rows.log_certainty(point),
        path=np.array(best.run.path) + shift,
        status=best.run.status,
        flagged=spike,
        optima=tuple(
            Optimum(c.run.objective + shift, len(c.starts), flag, c.parameters)
            for c, flag in zip(found, flags, strict=True)
        ),
        climbs=_climbs(target, found, runs, climbed.n_rows),
        order_feature=target.resolved.features[best.feature],
        n_obs=data.n_obs,
        data_hash=data.hash,
        seed=seed,
    )


def _climbs(
    target: Target, found: list[Candidate], runs: list[Run], n_rows: int
) -> tuple[Climb, ...]:
    """Return the path of every start, and the optimum it reached."""
    reached = {start: i for i, candidate in enumerate(found) for start in candidate.starts}
    shift = target.data_units(n_rows)
    return tuple(
        Climb(np.array(run.path) + shift, n_rows, reached.get(start))
        for start, run in enumerate(runs)
    )


def _chosen(found: list[Candidate], flags: list[bool], n_obs: int) -> tuple[Candidate, bool]:
    """Return the best candidate that is no spike, else with a warning the best that is regular."""
    for candidate, flag in zip(found, flags, strict=True):
        if not flag:
            return candidate, False
    regular = [c for c in found if c.run.status is not FitStatus.COLLAPSED]
    candidate = (regular or found)[0]
    rows = candidate.parameters.weights * n_obs
    k = int(rows.argmin())
    cure = (
        "Ask for fewer components, a structure with shared covariances (covariance='tied'), or "
        "fit_map with a resolution above 0, which keeps components regular."
    )
    if not regular:
        raise DegenerateFitError(
            f"every start collapsed: in the best, component {k} holds {rows[k]:.2f} effective "
            f"rows and a covariance is singular. {cure}",
            component=k,
            effective_rows=float(rows[k]),
        )
    warnings.warn(
        f"every start ended in a spike; in the best of those that did not collapse, component {k} "
        f"holds {rows[k]:.2f} effective rows. {cure}",
        DegeneracyWarning,
        skip_file_prefixes=(_PACKAGE,),
    )
    return candidate, True
