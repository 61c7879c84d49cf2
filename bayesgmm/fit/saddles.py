"""Climbs that ended where components coincide are led on."""

from bayesgmm.fit.climbs import Run, Target, flagged
from bayesgmm.fit.result import FitStatus
from bayesgmm.fit.splitting import merged, split_points
from bayesgmm.likelihood.rows import Rows
from bayesgmm.typing import Array

__all__ = ["GAIN", "off_saddles"]

GAIN = 1e-6  # nats: less is rounding
_SHORT_ITER, _SHORT_TOL = 20, 1e-6
_FOLLOWED = 4


def off_saddles(
    target: Target,
    rows: Rows,
    ends: list[tuple[Run, tuple[int, ...]]],
    floor: Array,
    tol: float,
    max_iter: int,
) -> list[tuple[Run, tuple[int, ...]]]:
    """Lead the highest end, and the highest that is believed, on where components coincide.

    Parameters
    ----------
    target : Target
    rows : Rows
    ends : list of (run, starts)
    floor, tol, max_iter
        As in `Target.climb`.

    Returns
    -------
    list of (run, starts)
        With another run, or the status "fewer components fit as well", in place of a saddle.
    """
    ends = sorted(ends, key=lambda end: -end[0].objective)
    regular = [i for i, (run, _) in enumerate(ends) if run.status is not FitStatus.COLLAPSED]
    believed = [i for i in regular if not flagged(target, rows, ends[i][0])]
    for i in {*regular[:1], *believed[:1]}:
        run, starts = ends[i]
        ends[i] = (_led_on(target, rows, run, floor, tol, max_iter), starts)
    return ends


def _led_on(target: Target, rows: Rows, run: Run, floor: Array, tol: float, max_iter: int) -> Run:
    """Return the highest optimum that splits lead to from a point where components coincide."""
    resolved = target.resolved
    n_clusters = resolved.n_components
    while True:
        fewer = merged(target.point(run.x), n_clusters, resolved.n_features, rows.n_rows)
        if len(fewer[0]) == n_clusters:
            return run
        short = [
            target.climb(rows, target.start(point), floor, _SHORT_TOL, _SHORT_ITER)
            for point in split_points(*fewer, n_clusters)
        ]
        short.sort(key=lambda climb: -climb.objective)
        open_ended = [climb for climb in short if climb.status is not FitStatus.COLLAPSED]
        longer = [
            target.climb(rows, climb.x, floor, tol, max_iter) for climb in open_ended[:_FOLLOWED]
        ]
        collapsed = [c for c in [*short, *longer] if c.status is FitStatus.COLLAPSED]
        longer = [climb for climb in longer if climb.status is not FitStatus.COLLAPSED]
        best = max(longer, key=lambda climb: climb.objective, default=None)
        if best is not None and best.objective > run.objective + GAIN:
            run = best
        elif collapsed:
            return collapsed[0]
        else:
            return run._replace(status=FitStatus.NO_GAIN)
