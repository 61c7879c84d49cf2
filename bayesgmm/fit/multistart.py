"""From many starts to the distinct optima: climb from each, and leave saddles."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bayesgmm.advice import shown
from bayesgmm.arguments import (
    check_between,
    check_count,
    check_instance,
    check_numbers,
    items_of,
    seed_of,
)
from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError, DegenerateFitError
from bayesgmm.fit.below import Kept, doubled
from bayesgmm.fit.climbs import Candidate, Run, Target, distinct, flagged
from bayesgmm.fit.conclusion import conclude
from bayesgmm.fit.points import point_of
from bayesgmm.fit.result import FitStatus, PointFit
from bayesgmm.fit.saddles import GAIN, off_saddles
from bayesgmm.fit.short_runs import ShortClimbs, short_runs
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable, rows_of, values_of
from bayesgmm.likelihood.engines import rows_by
from bayesgmm.likelihood.rows import Rows, rows_at
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.runtime.arithmetic import sound_arithmetic
from bayesgmm.runtime.memory import require_bytes
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.runtime.seeds import SEED_BYTES
from bayesgmm.typing import Array, Engine

__all__ = ["SAMPLED_ROWS", "best_of_starts", "floor_of"]

SAMPLED_ROWS = 5_000
_MIDDLE_ROWS = 80_000
_ON_MIDDLE, _ON_ALL = 8, 2  # candidates that climb on the larger sample, and on all rows
_SHORT_TOL, _SHORT_ITER = 1e-7, 300  # a short climb is never finer than the one that follows
_SAMPLED_TOL, _SAMPLED_ITER = 1e-5, 100  # on sampled rows, where the climb goes on later
_CLEAR = 3.0  # standard errors, for differences with sd 1 a row: far behind, left behind
FLOOR = 1e-12
_kept = Kept()


def best_of_starts(
    target: Target,
    data: Dataset,
    *,
    seed: int | None,
    n_starts: int,
    tol: float,
    max_iter: int,
    starts: Sequence[Parameters] | None = None,
    nested: bool = False,
    engine: Engine = "compiled",
) -> PointFit:
    """Climb from many starts and return the best optimum that is believed.

    `short_runs` says which. Every second start takes its first steps with components kept wide, as
    EM falls into narrow solutions early. They are first followed on at most 5,000 sampled rows. The
    best distinct optima are then polished on all rows; where rows were sampled, the best 8 first
    climb on 80,000 rows (if there are four times as many), and the best 2 on all. Starts that are
    given are followed to their ends on all rows at once. Where components of the best optimum
    coincide, components are split.

    With `nested`, and up to 5,000 rows, the whole search with one component fewer is made first
    (it is kept for the next call), and its best optimum with one component twice is a start where
    nothing as high was found: so the best of all optima never falls when a component is added.

    Passes over all rows are those of an `engine` that `check_engine` has let through.

    Raises
    ------
    DegenerateFitError
        When every start collapses.

    Warns
    -----
    ConvergenceWarning
        When the best run stopped at `max_iter`.
    """
    seed = seed_of(seed)
    n_starts, max_iter = check_count("n_starts", n_starts), check_count("max_iter", max_iter)
    require_bytes(SEED_BYTES * n_starts, f"seeds of {n_starts} starts", "take fewer starts")
    tol = check_between("tol", tol, 0.0, 1.0)
    with one_blas_thread(), sound_arithmetic(DegenerateFitError):
        if starts is None:
            return _search(target, data, _Plan(seed, n_starts, tol, max_iter, nested, engine))
        return _follow(target, data, seed, starts, tol, max_iter, engine)


def _follow(
    target: Target,
    data: Dataset,
    seed: int,
    starts: Sequence[Parameters],
    tol: float,
    max_iter: int,
    engine: Engine,
) -> PointFit:
    resolved = target.resolved
    given = items_of("starts", starts, "Parameters")
    points = [_point_of_start(start, resolved) for start in given]
    if not points:
        raise ConfigError("starts is empty; give at least one, or None to draw them.", key="starts")
    rng = np.random.default_rng(seed)
    sample = data.completed(values_of(_sampled(data, resolved, rng, SAMPLED_ROWS)), rng)
    floor = floor_of((sample - resolved.centre) / resolved.unit, resolved)
    rows = rows_by(engine, resolved, data)
    runs = [target.climb(rows, target.start(p), floor, tol, max_iter) for p in points]
    ends = off_saddles(
        target, rows, [(run, (i,)) for i, run in enumerate(runs)], floor, tol, max_iter
    )
    return conclude(target, rows, data, distinct(target, ends, data.n_obs), runs, rows, seed)


def _point_of_start(start: Parameters, resolved: ResolvedSpec) -> Array:
    k, d = resolved.n_components, resolved.n_features
    check_instance("each of starts", start, Parameters, "Parameters")
    for name, shape in (("weights", (k,)), ("means", (k, d)), ("covariances", (k, d, d))):
        check_numbers(f"{name} of a start", getattr(start, name), shape)
    if not np.all((start.weights > 0.0) & (start.weights <= 1.0)):
        raise ConfigError(
            f"weights of a start must be above 0 and at most 1, got {shown(start.weights)}.",
            key="starts.weights",
        )
    covariances = start.covariances / np.multiply.outer(resolved.unit, resolved.unit)
    try:
        return point_of(start.weights, (start.means - resolved.centre) / resolved.unit, covariances)
    except np.linalg.LinAlgError:
        raise ConfigError(
            "covariances of a start must be positive definite.", key="starts.covariances"
        ) from None


class _Plan(NamedTuple):
    """How a search is made."""

    seed: int
    n_starts: int
    tol: float
    max_iter: int
    nested: bool
    engine: Engine

    def key(self, target: Target, data: Dataset) -> Hashable:
        """Return what the result of a search depends on."""
        return (target.key, data.hash, *self)


class _Ends(NamedTuple):
    """Where the climbs of a search ended on all rows, and their first parts on some rows.

    `leaders` are those of the ends (`ShortClimbs.leaders`), where the search is nested.
    """

    ends: list[tuple[Run, tuple[int, ...]]]
    runs: list[Run]
    rows: Rows
    few: Rows
    leaders: tuple[Run, ...]


def _search(target: Target, data: Dataset, plan: _Plan) -> PointFit:
    ends, runs, rows, few, _ = _climbed(target, data, plan)
    found = distinct(target, ends, data.n_obs)
    return conclude(target, rows, data, found, runs, few, plan.seed)


def _climbed(target: Target, data: Dataset, plan: _Plan) -> _Ends:
    starts_seed, sample_seed = np.random.SeedSequence(plan.seed).spawn(2)
    resolved, rng = target.resolved, np.random.default_rng(sample_seed)
    rows = rows_by(plan.engine, resolved, data)
    sample = _sampled(data, resolved, rng, SAMPLED_ROWS)
    few = rows if len(sample) == data.n_obs else Rows(resolved, sample)
    tolerance = max(plan.tol, _SHORT_TOL if few is rows else _SAMPLED_TOL)
    scaled = (data.completed(values_of(sample), rng) - resolved.centre) / resolved.unit
    floor = floor_of(scaled, resolved)
    most = min(plan.max_iter, _SHORT_ITER if few is rows else _SAMPLED_ITER)
    climbs = ShortClimbs(target, few, scaled, sample, floor, tolerance, most)
    nested = plan.nested and few is rows
    if nested:
        climbs = replace(climbs, below=_leaders_below(climbs, data, plan))
    runs = short_runs(climbs, starts_seed, plan.n_starts)
    found = distinct(target, [(run, (i,)) for i, run in enumerate(runs)], few.n_rows, tolerance)
    tol, max_iter = plan.tol, plan.max_iter
    if few is not rows:
        ends = [
            (target.climb(rows, candidate.run.x, floor, tol, max_iter), candidate.starts)
            for candidate in _halved(target, data, few, found, floor, max_iter, rng)
        ]
    else:
        ends = _polished(target, rows, found, runs, floor, tol, max_iter)
    ends = off_saddles(target, rows, ends, floor, tol, max_iter)
    ends += _not_below(climbs, ends, runs, plan)
    leaders = tuple(climbs.leaders([run for run, _ in ends])) if nested else ()
    if nested:
        _kept.put(plan.key(target, data), leaders)
    return _Ends(ends, runs, rows, few, leaders)


def _leaders_below(climbs: ShortClimbs, data: Dataset, plan: _Plan) -> tuple[Run, ...]:
    """Return the leaders of the whole search with one component fewer."""
    smaller = climbs.fewer()
    if smaller is None:
        return ()
    kept = _kept.get(plan.key(smaller.target, data))
    return _climbed(smaller.target, data, plan).leaders if kept is None else kept


def _not_below(
    climbs: ShortClimbs,
    ends: list[tuple[Run, tuple[int, ...]]],
    runs: list[Run],
    plan: _Plan,
) -> list[tuple[Run, tuple[int, ...]]]:
    """Climb from the best optimum with one component fewer where it is above all ends.

    The climb is added to `runs`.
    """
    best = max(climbs.below, key=lambda run: run.objective, default=None)
    regular = [run.objective for run, _ in ends if run.status is not FitStatus.COLLAPSED]
    if best is None or best.objective <= max(regular, default=-math.inf) + GAIN:
        return []
    target, rows, floor = climbs.target, climbs.rows, climbs.floor
    resolved = target.resolved
    sizes = resolved.n_components - 1, resolved.n_features, resolved.n_noises
    below = target.fewer()
    point = best.x if below is None else below.point(best.x)
    point = doubled(point, *sizes, own_tails=resolved.n_tails > 0)
    run = target.climb(rows, target.start(point), floor, plan.tol, plan.max_iter)
    runs.append(run)
    end = (run, (len(runs) - 1,))
    return off_saddles(target, rows, [end], floor, plan.tol, plan.max_iter)


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

    Those that are far behind the best that is believed stay as they are, where they have converged
    or would remain behind if every step left gained as much as late ones did. In `runs`, the run of
    the start that is followed takes the place of the short one.
    """
    believed = [c.run.objective for c in found if not flagged(target, rows, c.run)]
    enough = max(believed, default=-math.inf) - target.behind
    ends = []
    for candidate in found:
        run = candidate.run
        finished = run.status is FitStatus.COLLAPSED or len(run.path) > max_iter
        left = max_iter + 1 - len(run.path)
        hoped = 0.0 if run.status is FitStatus.CONVERGED else left * _late_gain(run.path)
        finished |= run.objective + hoped < enough
        if not finished:
            longer = target.climb(rows, run.x, floor, tol, left)
            run = longer._replace(path=run.path + longer.path[1:])
            runs[candidate.starts[0]] = run
        ends.append((run, candidate.starts))
    return ends


def _late_gain(path: list[float]) -> float:
    """Return the mean gain of a step in the last third of a climb, nats."""
    since = 2 * len(path) // 3
    return (path[-1] - path[since]) / max(len(path) - 1 - since, 1)


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
    middle = Rows(target.resolved, _sampled(data, target.resolved, rng, _MIDDLE_ROWS))
    most = min(max_iter, _SAMPLED_ITER)
    runs = [
        (target.climb(middle, candidate.run.x, floor, _SAMPLED_TOL, most), candidate.starts)
        for candidate in _best(target, few, found, _ON_MIDDLE)
    ]
    return _best(target, middle, distinct(target, runs, middle.n_rows, _SAMPLED_TOL), _ON_ALL)


def _best(target: Target, rows: Rows, found: list[Candidate], n: int) -> list[Candidate]:
    """Keep the n best candidates that are believed and not far behind, and the best of the others.

    A difference of the objectives on a sample is the sum over rows of differences whose standard
    deviation is seldom above 1 nat. All are kept where none is believed.
    """
    flags = [flagged(target, rows, candidate.run) for candidate in found]
    believed = [c for c, flag in zip(found, flags, strict=True) if not flag]
    if not believed:
        return found
    doubted = [c for c, flag in zip(found, flags, strict=True) if flag]
    doubted = [c for c in doubted if c.run.status is not FitStatus.COLLAPSED]
    lowest = believed[0].run.objective - _CLEAR * math.sqrt(rows.n_rows)
    kept = believed[:n] + doubted[: n // _ON_ALL]
    return [candidate for candidate in kept if candidate.run.objective >= lowest]


def _sampled(
    data: Dataset, resolved: ResolvedSpec, rng: np.random.Generator, n_rows: int
) -> RowTable:
    rows = rows_of(data, resolved.n_components)
    if data.n_obs <= n_rows:
        if isinstance(rows, AnnotatedRows) and data.in_memory:
            return rows
        return rows_at(rows, np.arange(data.n_obs))
    chosen = np.sort(rng.choice(data.n_obs, n_rows, replace=False, shuffle=False))
    return rows_at(rows, chosen)


def floor_of(scaled: Array, resolved: ResolvedSpec) -> Array:
    """Smallest variance of each feature given those before it, fitting coordinates.

    A recording error needs no help against poles, in structures that keep to it.
    """
    if len(scaled) > scaled.shape[1]:
        total = np.cov(scaled, rowvar=False, bias=True).reshape(scaled.shape[1], scaled.shape[1])
        floor = FLOOR * np.diag(np.linalg.cholesky(total)) ** 2
    else:  # no structure of so few rows has free correlations
        floor = FLOOR * scaled.var(axis=0)
    bounded = (resolved.resolution > 0.0) & (resolved.structure.factors is None)
    return np.where(bounded, 0.0, floor)
