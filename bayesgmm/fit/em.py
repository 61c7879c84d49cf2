"""Maximum likelihood by EM, with squared extrapolation."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from bayesgmm.advice import shown
from bayesgmm.arguments import check_real
from bayesgmm.data import Dataset, as_dataset, check_components
from bayesgmm.errors import ConfigError
from bayesgmm.fit.climbs import Run
from bayesgmm.fit.degeneracy import by_chance
from bayesgmm.fit.factor_points import factors_in, factors_of, n_of_factors
from bayesgmm.fit.multistart import best_of_starts
from bayesgmm.fit.points import beyond, parts, point_of, split
from bayesgmm.fit.result import FitStatus, PointFit
from bayesgmm.likelihood.compiled.em_climb import COLLAPSED, CONVERGED, STOPPED
from bayesgmm.likelihood.engines import check_engine
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.moments import Moments
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.parameters import Parameters, without_error
from bayesgmm.model.resolved import USUAL_NOISE, ResolvedSpec
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import Covariance, MixtureSpec, as_spec
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.parallel import end_if_stopped
from bayesgmm.typing import Array, Engine

__all__ = ["Likelihood", "fit_em", "starting_fit"]

_PLAIN_STEPS = 5
_STATUS = {
    CONVERGED: FitStatus.CONVERGED,
    STOPPED: FitStatus.MAX_ITER,
    COLLAPSED: FitStatus.COLLAPSED,
}
_MAX_ITER = 10_000
_ROUNDING = 1e-10  # of a variance of the data
_LARGEST_RIDGE = 1e100  # of a feature's variance; what is larger leaves no digit of it
_OF_TAILS = 1e-3
_WIDE_RIDGE, _WIDE_TOL, _WIDE_ITER = 0.1, 1e-4, 10


@keywords()
def fit_em(
    data: Any,
    spec: MixtureSpec | int,
    *,
    covariance: Covariance | None = None,
    columns: Sequence[str] | None = None,
    cluster_names: Sequence[str] | None = None,
    seed: int | None = None,
    n_starts: int = 60,
    tol: float = 1e-10,
    max_iter: int = _MAX_ITER,
    starts: Sequence[Parameters] | None = None,
    ridge: float = 0.0,
    engine: Literal["compiled", "jax"] = "compiled",
) -> PointFit:
    """Fit a Gaussian mixture by maximum likelihood, from many starts.

    The likelihood is that of the model that `bayesgmm.sample` draws from: each covariance holds at
    least the recording error h of the spec's resolution, so that a component on tied rows has a
    finite likelihood and is judged by it like any other. The priors play no part. With
    ``resolution=0`` recorded values are exact, as in mclust; the likelihood is then unbounded where
    rows are tied or few, and starts that climb into such a pole are counted, not kept.

    Optima with a component that has less than a tenth of the pooled standard deviation in some
    direction, on no more rows than chance brings together in a slab that narrow, are flagged and
    set aside; the fit is the best of the others. So are optima of mclust's further structures
    (VEI, EVI, VEE, EVE, VVE, EEV, VEV, EVV), whose covariances do not keep to the recording error,
    with a component narrower than that. It names the highest optimum set aside above it,
    and `PointFit.optima` holds all. A small cluster that stands apart is kept however narrow.

    With ``family="t"`` unknown degrees of freedom are kept between 1 and 1,000, where a t is a
    Gaussian for most purposes; a fit that reaches 1,000 says so.

    Two components that coincide are a saddle of the likelihood: it is left by splitting components.
    Where no split gains anything the fit with fewer components is the maximum, and the status says
    so. Up to 5,000 rows, none with a known label, the highest of `PointFit.optima` is at least as
    high as that with one component fewer and the same options: that fit is made first, and kept for
    a later call.

    Parameters
    ----------
    data : Dataset, array of shape (obs, feature) or frame
        Data in a memory map or left in a Parquet file are streamed; an array is read where it
        lies, without a copy, and must not change during the call.
    spec : MixtureSpec or int
        An integer is the number of components of the default spec, whose resolution is "auto".
    covariance : str, optional
        The covariance structure beside a number of components; "full" by default.
    columns : sequence of str, optional
        The features among the columns of `data`, in this order; all by default.
    cluster_names : sequence of str, optional
        What to call the clusters, in the order of their numbers.
    seed : int or None
        None draws one; it is stored in the result.
    n_starts : int
        Number of starts.
    tol : float
        A run has converged when what it can still be expected to gain is below `tol` nats per row.
    max_iter : int
        Largest number of EM steps of a run.
    starts : sequence of Parameters or None
        Climb from these (weights, means and covariances count, data units) on all rows, from each
        exactly once, in place of `n_starts` drawn ones.
    ridge : float
        Added to every variance at each step, relative to the variance of its feature in the data
        (to their mean in the spherical structures); 0 is maximum likelihood. With a ridge, AIC,
        BIC and ICL hold to the extent that it is negligible.
    engine : {"compiled", "jax"}
        What evaluates all rows: "jax" does on JAX's device, complete rows of Gaussians only.

    Returns
    -------
    PointFit

    Raises
    ------
    ConfigError, DataError
        For a wrong spec or option, or unusable data.
    DegenerateFitError
        When every start collapses, which needs features without recording error.

    Warns
    -----
    ConvergenceWarning
        When the best run stopped at `max_iter`.

    References
    ----------
    Heitjan (1989), Statistical Science 4:164 (the likelihood of rounded data). Dempster, Laird and
    Rubin (1977), J. Royal Statistical Society B 39:1. Varadhan and Roland (2008), Scandinavian J.
    Statistics 35:335: the extrapolation, scheme S3.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> data = np.concatenate([rng.normal(0, 1, 60), rng.normal(9, 1, 40)])[:, None]
    >>> fit_em(data, 2, seed=1).weights.round(3).tolist()
    [0.6, 0.4]
    """
    dataset, spec = as_dataset(data, columns, copy=False), as_spec(spec, covariance)
    names = cluster_names
    engine = check_engine(engine, dataset, spec)
    plan = seed, n_starts, tol, max_iter, starts, ridge
    return _fit(dataset, spec, names, *plan, nested=True, engine=engine)


def starting_fit(
    data: Any,
    spec: MixtureSpec | int,
    *,
    seed: int,
    n_starts: int,
    tol: float = 1e-10,
    engine: Engine = "compiled",
) -> PointFit:
    """Fit as `fit_em` does, for who looks for places to start from: fewer are searched less."""
    dataset, spec = as_dataset(data, copy=False), as_spec(spec)
    plan = seed, n_starts, tol, _MAX_ITER, None, 0.0
    return _fit(dataset, spec, None, *plan, nested=False, engine=engine)


def _fit(
    dataset: Dataset,
    spec: MixtureSpec,
    names: Sequence[str] | None,
    seed: int | None,
    n_starts: int,
    tol: float,
    max_iter: int,
    starts: Sequence[Parameters] | None,
    ridge: float,
    *,
    nested: bool,
    engine: Engine,
) -> PointFit:
    if not 0.0 <= check_real("ridge", ridge) <= _LARGEST_RIDGE:
        raise ConfigError(
            f"ridge must be a number from 0 to {_LARGEST_RIDGE:g}, got {shown(ridge)}.", key="ridge"
        )
    check_components(
        dataset,
        spec.n_components,
        bounded=ridge > 0.0,
        prior=False,
        correlated=spec.has_correlations,
    )
    target = Likelihood(resolve(spec, dataset, sampled=False, names=names), float(ridge))
    return best_of_starts(
        target,
        dataset,
        seed=seed,
        n_starts=n_starts,
        tol=tol,
        max_iter=max_iter,
        starts=starts,
        nested=nested,
        engine=engine,
    )


@dataclass(frozen=True)
class Likelihood:
    """The log likelihood as a target; its coordinates are the points of EM."""

    resolved: ResolvedSpec
    ridge: float = 0.0

    @property
    def key(self) -> Hashable:
        """The spec and the ridge."""
        return self.resolved.spec, self.ridge

    @property
    def behind(self) -> float:
        """One nat: a short climb ends within 0.01 of its optimum."""
        return 1.0

    @cached_property
    def steps(self) -> LogPosterior:
        """The model without rows: their moments are given to it."""
        return LogPosterior(self.resolved, np.empty((0, self.resolved.n_features)))

    @cached_property
    def _wide(self) -> "Likelihood":
        """The same with a ridge under which no component is narrow."""
        return replace(self, ridge=max(self.ridge, _WIDE_RIDGE))

    def fewer(self) -> "Likelihood | None":
        """Return the likelihood with one component less."""
        if self.resolved.n_components == 1:
            return None
        return replace(self, resolved=self.resolved.with_fewer_components())

    def by_chance(self, rows: Rows, run: Run) -> bool:
        """Whether a narrow component holds no more rows than some slab does by chance.

        Or is narrower than the recording error, where the structure does not keep to that.
        """
        structure, parameters = self.resolved.structure, self.parameters(run.x)
        if structure.factors is not None and self._below_error(parameters):
            return True
        return bool(by_chance(parameters, structure, rows.n_counted, rows).any())

    def _below_error(self, parameters: Parameters) -> bool:
        resolved = self.resolved
        scaled = parameters.covariances / np.multiply.outer(resolved.spread, resolved.spread)
        left = scaled - np.diag((resolved.resolution / resolved.spread) ** 2)
        return bool(np.linalg.eigvalsh(left).min() < -_ROUNDING)

    def widened(self, rows: Rows, x: Array, floor: Array) -> Array:
        """Return x after ten steps with a ridge, which leads past most spikes.

        Shared covariances have no spikes.
        """
        if not self.resolved.structure.own_covariances:
            return x
        return self._wide.climb(rows, x, floor, _WIDE_TOL, _WIDE_ITER).x

    def start(self, point: Array) -> Array:
        """Return the point with its covariances in the structure and within their bounds.

        What it does not say of noise and tails is set to a usual value.
        """
        resolved, k, d = self.resolved, self.resolved.n_components, self.resolved.n_features
        weights, means, covariances = split(point, k, d)
        scatters = weights[:, None, None] * covariances
        covariances = resolved.structure.covariances(weights, scatters)
        log_noise, tail = beyond(point, k, d, resolved.n_noises)
        if resolved.n_noises and not log_noise.size:
            log_noise = np.array([math.log(USUAL_NOISE / (1.0 - USUAL_NOISE))])
        tail = tail if tail.size else resolved.usual_tail
        plain = point_of(weights, means, covariances)
        factors = factors_of(covariances, resolved.structure)
        return self.steps.bounded(np.concatenate([plain, log_noise, tail, factors]))

    def point(self, x: Array) -> Array:
        """Return x itself; without what it says of factors."""
        return x[: len(x) - n_of_factors(self.resolved)]

    def parameters(self, x: Array) -> Parameters:
        """Return the parameters at x, data units."""
        resolved, unit = self.resolved, self.resolved.unit
        k, d = resolved.n_components, resolved.n_features
        _, means, covariances = split(x, k, d)
        weights, noise, tail = parts(self.point(x), k, d, resolved.n_noises)
        scales, correlations = without_error(covariances, resolved.resolution / unit)
        return Parameters(
            weights=weights,
            means=resolved.centre + unit * means,
            scales=unit * scales,
            correlations=correlations,
            covariances=covariances * unit[:, None] * unit,
            noise=noise,
            **factors_in(x, resolved),
            **resolved.of_tail(tail),
        )

    def data_units(self, rows: Rows) -> float:
        """Return the log likelihood in data units less that in fitting units."""
        return -rows.log_unit(self.resolved)

    def log_posterior(self, objective: float) -> None:
        """Return None: there is no prior."""

    def step(self, x: Array, moments: Moments, floor: Array) -> tuple[Array, int]:
        """Return the next point of EM and the component that collapsed, or -1."""
        return self.steps.m_step(x, moments, floor, self.ridge)

    def climb(self, rows: Rows, x: Array, floor: Array, tol: float, max_iter: int) -> Run:
        """Alternate two EM steps and one extrapolation along them.

        Without a ridge the path never falls.
        """
        blocks = None if self.resolved.structure.has_loadings else rows.plain_blocks
        if blocks is not None:
            end_if_stopped()
            rest = blocks, rows.n_rows, floor, self.ridge, tol * rows.n_rows, max_iter
            end, steps, status, component = self.steps.climb_plain(x, *rest)
            return Run(end, steps, _STATUS[status], component)
        path: list[float] = []
        unknown = self.resolved.n_free_nu > 0  # the likelihood is nearly flat in them
        longest, enough = 1.0, tol * rows.n_rows * (_OF_TAILS if unknown else 1.0)
        moments = rows.moments(x)
        while True:
            path.append(moments.log_likelihood)
            first, collapsed = self.step(x, moments, floor)
            if collapsed >= 0:
                return Run(x, path, FitStatus.COLLAPSED, collapsed)
            moments = rows.moments(first)
            path.append(moments.log_likelihood)
            second, collapsed = self.step(first, moments, floor)
            if collapsed >= 0:
                return Run(first, path, FitStatus.COLLAPSED, collapsed)
            move = first - x
            bend = second - first - move
            length = math.sqrt(float(move @ move) / max(float(bend @ bend), 1e-300))
            gain = path[-1] - path[-2]
            if (abs(gain) if self.ridge else gain) * max(1.0, length) < enough:
                return Run(first, path, FitStatus.CONVERGED)
            if len(path) > max_iter:
                return Run(first, path, FitStatus.MAX_ITER)
            if len(path) == max_iter:
                path.append(rows.moments(second).log_likelihood)
                return Run(second, path, FitStatus.MAX_ITER)
            length = min(length, longest)
            leap = None
            if length > 1.0:
                ahead = self.steps.bounded(x + 2.0 * length * move + length**2 * bend)
                leap = rows.moments(ahead)
            if leap is not None and leap.log_likelihood >= path[-1]:
                x, moments = ahead, leap
            else:
                x, moments = second, rows.moments(second)
            if len(path) < 2 * _PLAIN_STEPS:
                continue
            longest = 4.0 * longest if leap is None or x is ahead else max(1.0, longest / 4.0)
