"""Short climbs from drawn starts, those built on fewer components, rearranged and shaken ones."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle, islice, repeat

import numpy as np

from bayesgmm.fit.additions import added_component, splits_of, tied_groups
from bayesgmm.fit.climbs import Run, Target
from bayesgmm.fit.result import FitStatus
from bayesgmm.fit.splitting import split_and_merged
from bayesgmm.fit.starts import draw_starts, swap_component
from bayesgmm.likelihood.annotated_rows import RowTable
from bayesgmm.likelihood.rows import Rows, rows_at
from bayesgmm.limits import REACHED
from bayesgmm.runtime.parallel import Threads
from bayesgmm.typing import Array, IntArray

__all__ = ["ShortClimbs", "short_runs"]

_ROUNDS = 3  # of drawn starts, until one is believed
_REARRANGED, _ADDED = 3, 6  # one start in so many
_AT_ONCE = 4  # starts made from the same optima: fixed, so that results do not depend on threads
_THREADED = 200_000  # rows x clusters x features from which on a pass outweighs Python's lock
_LIGHTER, _LEAST = 6, 6  # starts for each smaller number of components
_SHAKEN, _SHAKES = 0.5, 30  # share of the rows, and steps on them
_PATIENCE = 24  # shakes that do not raise the best
_SURE = 3  # drawn starts that reach the best: one as likely is missed by all once in 20 times
_FURTHER = 2  # times as many swaps that do not raise the best, where it was reached less often
_VARIED = 1.0  # sd of the log size of what they set down
_GLANCE = 4  # EM steps after which splits are compared


@dataclass(frozen=True)
class ShortClimbs:
    """What the starts of one fit share.

    Parameters
    ----------
    target : Target
    rows : Rows
    scaled : array of shape (obs, feature)
        The same rows in fitting coordinates, missing cells filled.
    table : AnnotatedRows or array of shape (obs, feature), data units
        The same rows as they were read.
    floor : array of shape (feature,)
    tol : float
    max_iter : int
    below : tuple of Run
        The leaders with one component less, where a whole search for them was made.
    """

    target: Target
    rows: Rows
    scaled: Array
    table: RowTable
    floor: Array
    tol: float
    max_iter: int
    below: tuple[Run, ...] = ()

    def climb(self, point: Array, wide: bool = False, max_iter: int | None = None) -> Run:
        """Climb from a point of EM; `wide` takes the first steps with components kept wide."""
        x = self.target.start(point)
        if wide:
            x = self.target.widened(self.rows, x, self.floor)
        return self.target.climb(self.rows, x, self.floor, self.tol, max_iter or self.max_iter)

    def shaken(self, x: Array, some: IntArray) -> Run:
        """Climb from where some of the rows lead from x, in a few steps."""
        rows = Rows(self.target.resolved, rows_at(self.table, some))
        there = self.target.climb(rows, x, self.floor, self.tol, _SHAKES)
        return self.target.climb(self.rows, there.x, self.floor, self.tol, self.max_iter)

    def leaders(self, runs: list[Run]) -> list[Run]:
        """Return the two highest runs that differ and are believed, and a higher one that is not.

        No run that collapsed is among them. Of runs as high as one another the first is taken, so
        that the last bits of a sum decide nothing.
        """
        believed: list[Run] = []
        doubted: list[Run] = []
        left = [run for run in runs if run.status is not FitStatus.COLLAPSED]
        while left and len(believed) < 2:
            top = max(run.objective for run in left)
            near = [run for run in left if top - run.objective < self.tolerance]
            left = [run for run in left if top - run.objective >= self.tolerance]
            if not self.target.by_chance(self.rows, near[0]):
                believed.append(near[0])
            elif not believed and not doubted:
                doubted.append(near[0])
        return believed + doubted

    @property
    def tolerance(self) -> float:
        """Nats by which two ends may differ that are one."""
        return self.tol * self.rows.n_rows + 1e-3

    def fewer(self) -> "ShortClimbs | None":
        """Return the same with one component less; None where that is no help."""
        target = self.target.fewer()
        if target is None or target.resolved.classes:
            return None
        rows = self.rows.with_components(target.resolved)
        return replace(self, target=target, rows=rows, below=())


def short_runs(climbs: ShortClimbs, seed: np.random.SeedSequence, n_starts: int) -> list[Run]:
    """Climb from `n_starts` starts.

    Half of them are drawn. A sixth add a component to the best optima with one fewer, on rows that
    share a value, or by splitting one; a lighter search of the same kind finds those optima where
    they are not given. A third take a component away from one of the best optima found so far and
    set it down elsewhere.

    Where there are factors, the best is then shaken until that raises it no more. Elsewhere, where
    a whole search with one component fewer was made and fewer than three drawn starts reached the
    best that is believed, more components are set down elsewhere, until twice `n_starts` in a row
    have not raised it. Three starts are the mark since a solution that a start reaches as often is
    then missed by all with probability exp(-3).

    Parameters
    ----------
    climbs : ShortClimbs
    seed : SeedSequence
    n_starts : int

    Returns
    -------
    list of Run
        More where no drawn start is believed, which are then drawn anew, at most twice; with
        factors; and where the best is in doubt.
    """
    k = climbs.target.resolved.n_components
    if climbs.scaled.size * k <= _THREADED:
        return _in_rounds(climbs, seed, n_starts, None)
    with Threads() as threads:
        return _in_rounds(climbs, seed, n_starts, threads)


def _in_rounds(
    climbs: ShortClimbs, seed: np.random.SeedSequence, n_starts: int, threads: Threads | None
) -> list[Run]:
    target, k = climbs.target, climbs.target.resolved.n_components
    noisy = target.resolved.noise is not None
    n_starts = 1 if k == 1 and not noisy else n_starts
    *drawn, nested, swapped = seed.spawn(_ROUNDS + 2)
    n_swaps, smaller = n_starts // _REARRANGED, climbs.fewer()
    n_added = 0 if smaller is None else n_starts // _ADDED
    runs: list[Run] = []
    for child in drawn:
        n_drawn = n_starts - n_swaps - n_added
        points = draw_starts(
            *(climbs.scaled, k, target.resolved.structure, n_drawn, child, climbs.table),
            noisy=noisy,
        )
        runs += _over(threads, climbs, points)
        leaders = climbs.leaders(runs)
        if leaders and not target.by_chance(climbs.rows, leaders[0]):
            break
    n_drawn = len(runs)
    if smaller is not None and n_added:
        below = [*climbs.below]
        if not below:
            lighter = short_runs(smaller, nested, max(_LEAST, n_starts // _LIGHTER))
            below = smaller.leaders(lighter)
        points = _additions(climbs, smaller, below, n_added)
        n_swaps += n_added - len(points)
        runs += _over(threads, climbs, points)
        leaders = climbs.leaders(runs)
    if leaders:
        rng = np.random.default_rng(swapped)
        runs += _swapped(climbs, leaders, rng, n_swaps, threads)
        if target.resolved.structure.has_loadings:
            runs += _shaken(climbs, climbs.leaders(runs), rng, threads)
        elif climbs.below and n_swaps and _in_doubt(climbs, runs, n_drawn):
            runs += _further(climbs, climbs.leaders(runs), rng, _FURTHER * n_starts, threads)
    return runs


def _in_doubt(climbs: ShortClimbs, runs: list[Run], n_drawn: int) -> bool:
    """Whether few of the first runs, those of drawn starts, reached the best that is believed."""
    best = climbs.leaders(runs)[0].objective
    reached = sum(abs(run.objective - best) < climbs.tolerance for run in runs[:n_drawn])
    return reached < _SURE


def _swapped(
    climbs: ShortClimbs,
    leaders: list[Run],
    rng: np.random.Generator,
    n_swaps: int,
    threads: Threads | None,
) -> list[Run]:
    """Climb from the leaders with one component set down elsewhere."""
    target, k, runs = climbs.target, climbs.target.resolved.n_components, list[Run]()
    while len(runs) < n_swaps:
        points = [
            swap_component(target.point(leaders[i % len(leaders)].x), climbs.scaled, k, rng)
            for i in range(min(_AT_ONCE, n_swaps - len(runs)))
        ]
        swaps = _over(threads, climbs, points)
        runs += swaps
        leaders = climbs.leaders(leaders + swaps)
    return runs


def _shaken(
    climbs: ShortClimbs, leaders: list[Run], rng: np.random.Generator, threads: Threads | None
) -> list[Run]:
    """Climb again and again from where half of the rows lead from the best, for factors.

    These have many optima within one arrangement of the components, which lie behind one another.
    It ends when `_PATIENCE` climbs in a row have not raised the best by what would be noticed.

    References
    ----------
    Lourenco, Martin and Stutzle (2003), Iterated local search, in Handbook of Metaheuristics.
    """
    n_rows = len(climbs.scaled)
    over = map if threads is None else threads.map

    def shaken(leaders: list[Run]) -> list[Run]:
        halves = [
            np.sort(rng.choice(n_rows, int(_SHAKEN * n_rows), replace=False))
            for _ in range(_AT_ONCE)
        ]
        return list(over(climbs.shaken, repeat(leaders[0].x), halves))

    return _until_raised_no_more(climbs, leaders[:1], shaken, _PATIENCE)


def _further(
    climbs: ShortClimbs,
    leaders: list[Run],
    rng: np.random.Generator,
    patience: int,
    threads: Threads | None,
) -> list[Run]:
    """Climb on from the leaders, rearranged in two ways in turn.

    One component is set down elsewhere, in many sizes; or two are made one and one is split. Which
    finds the best sooner differs from data to data by a factor of ten.
    """
    target, k = climbs.target, climbs.target.resolved.n_components
    over = map if threads is None else threads.map

    def rearranged(leaders: list[Run]) -> list[Run]:
        points = []
        for i in range(_AT_ONCE):
            point = target.point(leaders[i // 2 % len(leaders)].x)
            if i % 2:
                points.append(split_and_merged(point, k, climbs.scaled.shape[1], rng))
            else:
                points.append(swap_component(point, climbs.scaled, k, rng, _VARIED))
        return list(over(climbs.climb, points))

    return _until_raised_no_more(climbs, leaders, rearranged, patience)


def _until_raised_no_more(
    climbs: ShortClimbs,
    leaders: list[Run],
    moved: Callable[[list[Run]], list[Run]],
    patience: int,
) -> list[Run]:
    """Move the leaders and climb until `patience` climbs in a row have not raised the best."""
    runs = list[Run]()
    failed, reached = 0, leaders[0].objective
    while failed < patience:
        new = moved(leaders)
        runs += new
        leaders = climbs.leaders([*leaders, *new])
        failed += len(new)
        if leaders[0].objective > reached + REACHED:
            failed, reached = 0, leaders[0].objective
    return runs


def _over(threads: Threads | None, climbs: ShortClimbs, points: Iterable[Array]) -> list[Run]:
    over = map if threads is None else threads.map
    return list(over(climbs.climb, points, cycle((False, True))))


def _additions(
    climbs: ShortClimbs, smaller: ShortClimbs, leaders: list[Run], number: int
) -> list[Array]:
    """Return points with a component added: on ties and by splits, in turn.

    It is added to the best leader that is believed and to one above it that is not, which the best
    with one more may be built on.
    """
    above = [run for run in leaders[1:] if run.objective > leaders[0].objective]
    points = [smaller.target.point(run.x) for run in (*leaders[:1], *above)]
    on_ties, by_splits = _on_ties(climbs, points), iter(_best_splits(climbs, points))
    taken: list[Array] = []
    for source in islice(cycle((on_ties, by_splits)), 2 * number):
        point = next(source, None)
        if point is not None and len(taken) < number:
            taken.append(point)
    return taken


def _on_ties(climbs: ShortClimbs, points: list[Array]) -> Iterator[Array]:
    resolved = climbs.target.resolved
    error = resolved.resolution / resolved.unit
    for feature, members in tied_groups(climbs.scaled, error):
        for point in points:
            yield added_component(
                point, climbs.scaled, resolved.n_components - 1, feature, members, error
            )


def _best_splits(climbs: ShortClimbs, points: list[Array]) -> list[Array]:
    """Return the splits of all points, what promises most after a few steps first."""
    resolved = climbs.target.resolved
    splits = splits_of(points, resolved.n_components - 1, resolved.n_features)
    runs = [climbs.climb(point, max_iter=_GLANCE) for point in splits]
    runs = [run for run in runs if run.status is not FitStatus.COLLAPSED]
    runs.sort(key=lambda run: -run.objective)
    return [climbs.target.point(run.x) for run in runs]
