"""From many starts to one fit: climb from each, keep the distinct optima, set spikes aside."""

import os
import warnings
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from bayesgmm.arguments import check_between, check_count, seed_of
from bayesgmm.data import Dataset
from bayesgmm.errors import (
    ConfigError,
    ConvergenceWarning,
    DegeneracyWarning,
    DegenerateFitError,
)
from bayesgmm.fit.expectation import Rows, Sums
from bayesgmm.fit.maximisation import EMPTY, point_of
from bayesgmm.fit.point import FitStatus, Optimum, PointFit
from bayesgmm.fit.starts import draw_starts
from bayesgmm.mixture.numbering import number_clusters
from bayesgmm.mixture.parameters import Parameters
from bayesgmm.mixture.resolved import ResolvedSpec
from bayesgmm.typing import Array

__all__ = ["Run", "Target", "best_of_starts", "is_spike"]

SAMPLED_ROWS = 5_000
POLISHED = 8
SHORT_TOL, SHORT_ITER = 1e-7, 300
_ROUNDS = 3  # of starts, until one does not collapse
FLOOR = 1e-12
_NARROW, _UNSUPPORTED = 5e-3, 0.1
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_SAME_OBJECTIVE, _SAME_A_ROW = 1e-3, 1e-8
_SAME_MEANS, _SAME_WEIGHTS = 0.1, 0.05


class Run(NamedTuple):
    """One climb: where it ended, the objective on the way (nats, fitting units), and how."""

    x: Array
    path: list[float]
    status: FitStatus
    component: int = -1  # the one that collapsed

    @property
    def objective(self) -> float:
        """The objective where the climb ended."""
        return self.path[-1]


class Target(Protocol):
    """What is maximised, on coordinates x of its own."""

    @property
    def resolved(self) -> ResolvedSpec:
        """The model."""

    def start(self, point: Array) -> Array:
        """Return x of a point of EM."""

    def point(self, x: Array) -> Array:
        """Return the point of EM at x."""

    def parameters(self, x: Array) -> Parameters:
        """Return the parameters at x, data units."""

    def climb(self, rows: Rows, x: Array, floor: Array, tol: float, max_iter: int) -> Run:
        """Climb from x until a step gains less than `tol` nats a row."""

    def data_units(self, n_obs: int) -> float:
        """Return the objective in data units less that in fitting units."""

    def log_posterior(self, objective: float) -> float | None:
        """Return the objective where it is a log posterior."""


class _Candidate(NamedTuple):
    run: Run
    parameters: Parameters
    feature: int  # whose means number the clusters
    times: int


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

    Starts are drawn and first followed on at most 5,000 sampled rows; the distinct optima found
    there (all, or the best 8 where the rows were sampled) are then polished on all rows. Starts
    that are given are followed to their ends on all rows at once.

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
    with threadpool_limits(1, "blas"):  # its threads cost more than they save on small matrices
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
    sample = _sampled(data, np.random.default_rng(seed))
    floor = _floor((sample - resolved.centre) / resolved.unit)
    rows = Rows(resolved, data)
    runs = [(target.climb(rows, target.start(p), floor, tol, max_iter), 1) for p in points]
    return _conclude(target, rows, data, _distinct(target, runs, data.n_obs), seed)


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
    resolved = target.resolved
    rows = Rows(resolved, data)
    sample = _sampled(data, np.random.default_rng(sample_seed))
    few = rows if len(sample) == data.n_obs else Rows(resolved, sample)
    scaled = (sample - resolved.centre) / resolved.unit
    floor = _floor(scaled)
    n_starts = 1 if resolved.n_components == 1 else n_starts
    short: list[Run] = []
    for child in starts_seed.spawn(_ROUNDS):
        points = draw_starts(scaled, resolved.n_components, resolved.structure, n_starts, child)
        short += [
            target.climb(few, target.start(point), floor, SHORT_TOL, min(SHORT_ITER, max_iter))
            for point in points
        ]
        if any(run.status is not FitStatus.COLLAPSED for run in short):
            break
    found = _distinct(target, [(run, 1) for run in short], len(sample))
    if few is not rows:
        found = _best(found, POLISHED)
    spikes = [few is rows and _flagged(target, rows, candidate.run) for candidate in found]
    polished = [
        (c.run, c.times)
        if spike and not all(spikes)
        else (_polish(target, few, rows, c.run, floor, tol, max_iter), c.times)
        for c, spike in zip(found, spikes, strict=True)
    ]
    return _conclude(target, rows, data, _distinct(target, polished, data.n_obs), seed)


def _check_options(n_starts: int, tol: float, max_iter: int) -> None:
    check_count("n_starts", n_starts)
    check_count("max_iter", max_iter)
    check_between("tol", tol, 0.0, 1.0)


def _sampled(data: Dataset, rng: np.random.Generator) -> Array:
    if data.n_obs <= SAMPLED_ROWS:
        return np.concatenate([block for _, block in data.blocks()])
    chosen = np.sort(rng.choice(data.n_obs, SAMPLED_ROWS, replace=False))
    parts = []
    for start, block in data.blocks():
        low, high = np.searchsorted(chosen, (start, start + len(block)))
        parts.append(block[chosen[low:high] - start])
    return np.concatenate(parts)


def _floor(scaled: Array) -> Array:
    """Smallest variance of each feature given those before it, fitting coordinates."""
    total = np.cov(scaled, rowvar=False, bias=True).reshape(scaled.shape[1], scaled.shape[1])
    return FLOOR * np.diag(np.linalg.cholesky(total)) ** 2


def _polish(
    target: Target, few: Rows, rows: Rows, run: Run, floor: Array, tol: float, max_iter: int
) -> Run:
    """Follow a short run to its end; its path goes on where it was on the same rows."""
    if few is not rows:
        return target.climb(rows, run.x, floor, tol, max_iter)
    if run.status is FitStatus.COLLAPSED or len(run.path) > max_iter:
        return run
    polished = target.climb(rows, run.x, floor, tol, max_iter + 1 - len(run.path))
    return polished._replace(path=run.path + polished.path[1:])


def _best(found: list[_Candidate], n: int) -> list[_Candidate]:
    """Keep the n best candidates that have not collapsed, or all where all have."""
    regular = [c for c in found if c.run.status is not FitStatus.COLLAPSED]
    return regular[:n] or found


def _distinct(target: Target, runs: list[tuple[Run, int]], n_rows: int) -> list[_Candidate]:
    """Merge runs that reached the same optimum; the highest objective first."""
    near = _SAME_OBJECTIVE + _SAME_A_ROW * n_rows
    kept: list[_Candidate] = []
    for run, times in sorted(runs, key=lambda pair: -pair[0].objective):
        parameters = target.parameters(run.x)
        order, feature = number_clusters(parameters.means, target.resolved.spread)
        new = _Candidate(run, parameters.permuted(order), feature, times)
        for i, old in enumerate(kept):
            if old.run.objective - run.objective < near and _same(old, new, target.resolved.spread):
                kept[i] = old._replace(times=old.times + times)
                break
        else:
            kept.append(new)
    return kept


def _same(one: _Candidate, other: _Candidate, spread: Array) -> bool:
    means = np.abs(one.parameters.means - other.parameters.means) / spread
    weights = np.abs(one.parameters.weights - other.parameters.weights)
    collapsed = FitStatus.COLLAPSED in (one.run.status, other.run.status)
    return bool(means.max() < _SAME_MEANS and weights.max() < _SAME_WEIGHTS and not collapsed)


def is_spike(parameters: Parameters, sums: Sums, n_obs: int) -> bool:
    """Whether a component sits on too few rows, or on tied ones, with too little spread.

    Its covariance, relative to the pooled one, has an eigenvalue below 0.005; and it holds fewer
    than D + 2 effective rows, or the spread of its rows is below a tenth of its own variance in
    some direction (only the prior keeps it from shrinking further). Calibrated on Old Faithful,
    iris, galaxies and acidity, K = 1 to 6: components on so few rows had 1e-3 to 2e-3 where they
    were spurious (galaxies K = 5: two rows) and 0.2 where not (K = 3: three rows).

    Parameters
    ----------
    parameters : Parameters
    sums : Sums
        At these parameters, clusters in the same order.
    n_obs : int

    References
    ----------
    McLachlan and Peel (2000), Finite Mixture Models, section 3.10: spurious local maximisers.
    """
    pooled = np.einsum("k,kij->ij", parameters.weights, parameters.covariances)
    inverse = np.linalg.inv(np.linalg.cholesky(pooled))
    narrowest = np.linalg.eigvalsh(inverse @ parameters.covariances @ inverse.T)[:, 0]
    few = parameters.weights * n_obs < parameters.means.shape[1] + 2
    mass = np.maximum(sums.mass, EMPTY)[:, None]
    offsets = sums.first / mass
    spreads = sums.second / mass[:, None] - offsets[:, :, None] * offsets[:, None, :]
    unsupported = np.linalg.eigvalsh(spreads, UPLO="L")[:, 0] < _UNSUPPORTED
    return bool(np.any((narrowest < _NARROW) & (few | unsupported)))


def _flagged(target: Target, rows: Rows, run: Run) -> bool:
    if run.status is FitStatus.COLLAPSED:
        return True
    sums = rows.expectation(target.point(run.x))
    return is_spike(target.parameters(run.x), sums, rows.n_rows)


def _conclude(
    target: Target, rows: Rows, data: Dataset, found: list[_Candidate], seed: int
) -> PointFit:
    shift = target.data_units(data.n_obs)
    flags = [_flagged(target, rows, candidate.run) for candidate in found]
    best, flagged = _chosen(found, flags, data.n_obs)
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
        flagged=flagged,
        optima=tuple(
            Optimum(c.run.objective + shift, c.times, flag, c.parameters)
            for c, flag in zip(found, flags, strict=True)
        ),
        order_feature=target.resolved.features[best.feature],
        n_obs=data.n_obs,
        data_hash=data.hash,
        seed=seed,
    )


def _chosen(found: list[_Candidate], flags: list[bool], n_obs: int) -> tuple[_Candidate, bool]:
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
