"""From the distinct optima to one fit, with what chance explains set aside and said."""

import os
import warnings
from typing import NoReturn

import numpy as np

from bayesgmm.advice import Advice, Option
from bayesgmm.data import Dataset
from bayesgmm.errors import ConvergenceWarning, DegeneracyWarning, DegenerateFitError
from bayesgmm.fit.climbs import Candidate, Run, Target, flagged
from bayesgmm.fit.degeneracy import slimmest
from bayesgmm.fit.result import Climb, FitStatus, Optimum, PointFit
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.numbering import cluster_names, number_clusters

__all__ = ["conclude", "warn_of_max_iter"]

_PACKAGE = os.path.dirname(os.path.dirname(__file__))


def conclude(
    target: Target,
    rows: Rows,
    data: Dataset,
    found: list[Candidate],
    runs: list[Run],
    climbed: Rows,
    seed: int,
) -> PointFit:
    """Return the best optimum that is believed, beside all that were found.

    Parameters
    ----------
    target : Target
    rows : Rows
        All rows.
    data : Dataset
    found : list of Candidate
        The highest first; starts that collapsed among them.
    runs : list of Run
        Of each start, on the rows `climbed`.
    climbed : Rows
    seed : int

    Raises
    ------
    DegenerateFitError
        When every start collapsed.

    Warns
    -----
    ConvergenceWarning
        When the best run stopped before it converged.
    DegeneracyWarning
        When chance explains every optimum.
    """
    shift = target.data_units(rows)
    optima = [c for c in found if c.run.status is not FitStatus.COLLAPSED]
    if not optima:
        _refuse(target, found[0], data)
    flags = [flagged(target, rows, candidate.run) for candidate in optima]
    best = next((c for c, flag in zip(optima, flags, strict=True) if not flag), optima[0])
    if all(flags):
        _warn_of_chance(target, best, data)
    if best.run.status is FitStatus.MAX_ITER:
        warn_of_max_iter(target.resolved.n_components, len(best.run.path))
    status = best.run.status
    if status is FitStatus.CONVERGED and best is not optima[0]:
        status = FitStatus.SET_ASIDE
    point = target.point(best.run.x)
    return PointFit(
        resolved=target.resolved,
        parameters=best.parameters,
        log_likelihood=rows.moments(point).log_likelihood - rows.log_unit(target.resolved),
        log_posterior=target.log_posterior(best.run.objective + shift),
        log_certainty=rows.log_certainty(point),
        path=np.array(best.run.path) + shift,
        status=status,
        flagged=all(flags),
        optima=tuple(
            Optimum(c.run.objective + shift, len(c.starts), flag, c.parameters)
            for c, flag in zip(optima, flags, strict=True)
        ),
        n_collapsed=sum(len(c.starts) for c in found if c.run.status is FitStatus.COLLAPSED),
        climbs=_climbs(target, optima, runs, climbed),
        order_feature=target.resolved.features[best.feature],
        n_obs=data.n_counted,
        data_hash=data.hash,
        seed=seed,
        units=data.units,
    )


def warn_of_max_iter(n_components: int, n_iter: int) -> None:
    """Warn that the best run stopped before it converged."""
    warnings.warn(
        f"the fit with K = {n_components} stopped at max_iter after {n_iter} iterations; raise "
        "max_iter or tol.",
        ConvergenceWarning,
        skip_file_prefixes=(_PACKAGE,),
    )


def _climbs(
    target: Target, optima: list[Candidate], runs: list[Run], rows: Rows
) -> tuple[Climb, ...]:
    """Return the path of every start, and the optimum it reached."""
    reached = {start: i for i, candidate in enumerate(optima) for start in candidate.starts}
    shift = target.data_units(rows)
    return tuple(
        Climb(
            np.array(run.path) + shift,
            rows.n_rows,
            reached.get(start),
            run.status is FitStatus.COLLAPSED,
        )
        for start, run in enumerate(runs)
    )


def _cure(target: Target) -> Advice:
    """Say what can be done that is not done already."""
    resolved = target.resolved
    cures: list[str | Option] = ["fewer components"]
    if resolved.structure.own_covariances:
        tied = Option("covariance", "tied")
        cures.append(Advice("a structure with shared covariances (", tied, ")"))
    exact = [
        name for name, h in zip(resolved.features, resolved.resolution, strict=True) if h == 0.0
    ]
    if exact:
        which = ", ".join(map(repr, exact))
        step = Advice(
            f"a recording step for {which:.60} (", Option("resolution"), ", one per feature)"
        )
        cures.append(step)
    return Advice("Ask for ", Advice.joined(" or ", cures), ".")


def _refuse(target: Target, candidate: Candidate, data: Dataset) -> NoReturn:
    resolved, component = target.resolved, candidate.run.component
    order, _ = number_clusters(target.parameters(candidate.run.x).means, resolved.spread)
    k = int(np.flatnonzero(order == component)[0])
    number = cluster_names(resolved.n_components)[k].item()
    rows = float(candidate.parameters.weights[k] * data.n_counted)
    raise DegenerateFitError(
        f"every start collapsed: {data.n_obs} rows in {resolved.n_features} features do not "
        f"support K = {resolved.n_components} ({resolved.structure.name}). In the best, component "
        f"{number} holds {rows:.2f} effective rows and its covariance is singular. "
        + _cure(target),
        component=number,
        effective_rows=rows,
    )


def _warn_of_chance(target: Target, candidate: Candidate, data: Dataset) -> None:
    k = slimmest(candidate.parameters, target.resolved.structure, data.n_counted)
    number = cluster_names(target.resolved.n_components)[k]
    rows = candidate.parameters.weights[k] * data.n_counted
    free = target.resolved.structure.factors is not None and target.resolved.resolution.any()
    below = ", or narrower than the recording error" if free else ""
    warnings.warn(
        f"chance explains every solution with K = {target.resolved.n_components} for {data.n_obs} "
        f"rows in {data.n_features} features: in the best, component {number} of {rows:.1f} "
        f"effective rows is as narrow as chance makes some{below}. " + _cure(target),
        DegeneracyWarning,
        skip_file_prefixes=(_PACKAGE,),
    )
