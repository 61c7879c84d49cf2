"""The posterior mode: EM with a numerical M-step, finished by quasi-Newton steps."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy.optimize import minimize

from bayesgmm.data import as_dataset, check_components, require_whole_weights
from bayesgmm.errors import ConfigError
from bayesgmm.fit.climbs import Run
from bayesgmm.fit.degeneracy import narrowest
from bayesgmm.fit.multistart import best_of_starts
from bayesgmm.fit.points import n_plain, parts, split
from bayesgmm.fit.result import FitStatus, PointFit
from bayesgmm.likelihood.engines import check_engine
from bayesgmm.likelihood.factor_coordinates import log_unit_of_loadings
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.moments import Moments
from bayesgmm.likelihood.rows import Rows
from bayesgmm.limits import ON_THE_WAY_TO_A_POLE
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import Covariance, MixtureSpec, as_spec
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array

__all__ = ["Posterior", "fit_map"]

_EM_STEPS = 2
_M_STEP_ITERATIONS = 10
_LARGEST = 40.0  # of log weights, log scales and log odds: beyond, their exponentials overflow
_MEMORY = 20
_OPENED = 0.01
_WEAK = 1e3  # times the floor: the climb into a pole slows down long before it


@keywords()
def fit_map(
    data: Any,
    spec: MixtureSpec | int,
    *,
    covariance: Covariance | None = None,
    columns: Sequence[str] | None = None,
    cluster_names: Sequence[str] | None = None,
    seed: int | None = None,
    n_starts: int = 60,
    tol: float = 1e-10,
    max_iter: int = 10_000,
    starts: Sequence[Parameters] | None = None,
    engine: Literal["compiled", "jax"] = "compiled",
) -> PointFit:
    """Find the best regular mode of the posterior density, from many starts.

    The density is that in (weights, means, scales, partial correlations), without the Jacobian
    of any other coordinates: what `pymc.find_MAP` maximises on `build_model`. With resolution 0
    it can have poles; starts that climb into one are counted and never returned.

    Parameters
    ----------
    data : Dataset, array of shape (obs, feature) or frame
        Data in a memory map or left in a Parquet file are streamed; an array is read where it
        lies, without a copy, and must not change during the call.
    spec : MixtureSpec or int
        An integer is the number of components of the default spec.
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
        A run has converged when EM and quasi-Newton steps together gain less than `tol` nats a
        row.
    max_iter : int
        Largest number of iterations, EM and quasi-Newton together, of a run.
    starts : sequence of Parameters or None
        Climb from these (weights, means and covariances count, data units) on all rows, from each
        exactly once, in place of `n_starts` drawn ones.
    engine : {"compiled", "jax"}
        What evaluates all rows: "jax" does on JAX's device, complete rows of Gaussians only.

    Returns
    -------
    PointFit

    Raises
    ------
    ConfigError, DataError
        For a wrong spec or option (a concentration below 1 puts poles where a weight is 0), or
        unusable data.
    DegenerateFitError
        When every start ends in a spike.

    Warns
    -----
    ConvergenceWarning
        When the best run stopped at `max_iter`.

    References
    ----------
    Fisher's identity, by which EM's sums give the gradient: Louis (1982), J. Royal Statistical
    Society B 44:226.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> data = np.concatenate([rng.normal(0, 1, 60), rng.normal(9, 1, 40)])[:, None]
    >>> fit_map(data, 2, seed=1).weights.round(3).tolist()
    [0.6, 0.4]
    """
    dataset, spec = as_dataset(data, columns, copy=False), as_spec(spec, covariance)
    require_whole_weights(dataset)
    check_components(dataset, spec.n_components, correlated=spec.has_correlations)
    resolved = resolve(spec, dataset, names=cluster_names)
    if resolved.concentrations.min() < 1.0:
        raise ConfigError(
            "the posterior has no mode with a concentration below 1 (its density is infinite where "
            f"a weight is 0), got {spec.priors.concentration!r}; set it to 1 or more, or sample.",
            key="priors.concentration",
            value=spec.priors.concentration,
        )
    target = Posterior(resolved)
    return best_of_starts(
        target,
        dataset,
        seed=seed,
        n_starts=n_starts,
        tol=tol,
        max_iter=max_iter,
        starts=starts,
        engine=check_engine(engine, dataset, spec),
    )


@dataclass(frozen=True)
class Posterior:
    """The log posterior density as a target, on its unconstrained coordinates, no Jacobian."""

    resolved: ResolvedSpec

    @cached_property
    def _prior(self) -> LogPosterior:
        """The posterior without rows: their sums are given to it."""
        return LogPosterior(self.resolved, np.empty((0, self.resolved.n_features)))

    @cached_property
    def _bounds(self) -> list[tuple[float, float]]:
        bounds = [(-_LARGEST, _LARGEST)] * self._prior.dim
        means = self._prior.slices["means"]
        bounds[means] = [(-np.inf, np.inf)] * (means.stop - means.start)
        return bounds

    @property
    def key(self) -> Hashable:
        """The spec."""
        return self.resolved.spec

    @property
    def behind(self) -> float:
        """No limit: chains start from all of the modes."""
        return np.inf

    def fewer(self) -> None:
        """Return None: climbs are dear, and fits start from the likelihood's optima."""

    def by_chance(self, rows: Rows, run: Run) -> bool:
        """Whether a component is narrow without a recording error, on rows that fix no covariance.

        That is the way into a pole. With a recording error there are none: every mode is believed.
        """
        if self.resolved.resolution.all():
            return False
        parameters = self.parameters(run.x)
        few = parameters.weights * rows.n_counted < self.resolved.n_features + 2
        narrow = narrowest(parameters, self.resolved.structure) < ON_THE_WAY_TO_A_POLE
        return bool((few & narrow).any())

    def widened(self, rows: Rows, x: Array, floor: Array) -> Array:
        """Return x itself: the prior keeps components wide enough."""
        return x

    def start(self, point: Array) -> Array:
        """Return x of a point of EM.

        The recording error is taken off and a hundredth of the pooled covariance put on instead: a
        component at its bound has no scale, and a prior of scales no density there.
        """
        resolved = self.resolved
        error, point = resolved.resolution / resolved.unit, self._prior.bounded(point)
        k, d = resolved.n_components, resolved.n_features
        weights, means, covariances = split(point, k, d)
        of_all, noise, tail = parts(point, k, d, resolved.n_noises)
        if error.any():
            pooled = np.einsum("k,kij->ij", weights, covariances)
            covariances = covariances - np.diag(error**2) + _OPENED * pooled
        scales = np.sqrt(np.einsum("kdd->kd", covariances))
        correlations = covariances / (scales[:, :, None] * scales[:, None, :])
        scales, correlations = resolved.structure.nearest(weights, scales, correlations)
        start = Parameters(
            weights=of_all,
            means=resolved.centre + resolved.unit * means,
            scales=resolved.unit * scales,
            correlations=correlations,
            covariances=covariances,
            noise=noise,
            **resolved.of_tail(tail),
        )
        x = self._prior.unconstrain(resolved.completed(start))
        return np.clip(x, *np.transpose(self._bounds))

    def point(self, x: Array) -> Array:
        """Return the point of EM at x."""
        return self._prior.em_point(x)

    def parameters(self, x: Array) -> Parameters:
        """Return the parameters at x, data units."""
        return self._prior.constrain(x[None]).at(0)

    def data_units(self, rows: Rows) -> float:
        """Return the log density in data units less that in fitting units.

        Each row, each mean vector and each free scale vector carries one sum of log units, each
        loading the log unit of its feature.
        """
        scales = self._prior.slices["scales"]
        vectors = (scales.stop - scales.start) / self.resolved.n_features
        of_loadings = log_unit_of_loadings(self.resolved, diagonal=True)
        return -rows.log_unit(self.resolved, self.resolved.n_components + vectors) - of_loadings

    def log_posterior(self, objective: float) -> float:
        """Return the objective itself."""
        return objective

    def climb(self, rows: Rows, x: Array, floor: Array, tol: float, max_iter: int) -> Run:
        """Alternate a few EM steps and quasi-Newton steps until a round gains too little."""
        path = [self._value(rows, x)]
        while True:
            before = path[-1]
            for _ in range(min(_EM_STEPS, max_iter + 1 - len(path))):
                x = self.step(x, rows.moments(self.point(x)))
                path.append(self._value(rows, x))
            x = self._ascend_all(rows, x, path, max_iter)
            weak = self._weak_component(x, floor)
            if weak >= 0:
                return Run(x, path, FitStatus.COLLAPSED, weak)
            if path[-1] - before < tol * rows.n_rows:
                return Run(x, path, FitStatus.CONVERGED)
            if len(path) > max_iter:
                return Run(x, path, FitStatus.MAX_ITER)

    def _ascend_all(self, rows: Rows, x: Array, path: list[float], max_iter: int) -> Array:
        left = max_iter + 1 - len(path)
        if left < 1:
            return x
        return _ascend(lambda x: self.value_and_gradient(rows, x), x, self._bounds, path, left)

    def step(self, x: Array, moments: Moments) -> Array:
        """M-step: maximise the expected log posterior given the moments taken at x."""

        def expected(x: Array) -> tuple[float, Array]:
            there = self._prior.evaluate_expected(x, moments)
            return there.value, there.gradient

        return _ascend(expected, x, self._bounds, [expected(x)[0]], _M_STEP_ITERATIONS)

    def value_and_gradient(self, rows: Rows, x: Array) -> tuple[float, Array]:
        """Return the log posterior density at x and its gradient, by Fisher's identity."""
        moments = rows.moments(self.point(x))
        there = self._prior.evaluate_expected(x, moments)
        return moments.log_likelihood + there.log_prior, there.gradient

    def _value(self, rows: Rows, x: Array) -> float:
        return self.value_and_gradient(rows, x)[0]

    def _weak_component(self, x: Array, floor: Array) -> int:
        """Return the first component with a variance below the floor, or -1."""
        k, d = self.resolved.n_components, self.resolved.n_features
        factors = self.point(x)[k * (1 + d) : n_plain(k, d)].reshape(k, d, d)
        log_variances = 2.0 * np.einsum("kdd->kd", factors)
        weak = np.flatnonzero((np.exp(log_variances) < _WEAK * floor).any(axis=1))
        return int(weak[0]) if weak.size else -1


def _ascend(
    objective: Callable[[Array], tuple[float, Array]],
    x: Array,
    bounds: list[tuple[float, float]],
    path: list[float],
    max_iter: int,
) -> Array:
    """Maximise by L-BFGS-B from x, appending each accepted value to `path`, which never falls."""

    def descent(x: Array) -> tuple[float, Array]:
        value, gradient = objective(x)
        return (-value, -gradient) if np.isfinite(value) else (1e100, np.zeros_like(x))

    def record(intermediate_result: Any) -> None:
        path.append(-float(intermediate_result.fun))

    start = path[-1]
    result = minimize(
        descent,
        x,
        method="L-BFGS-B",
        jac=True,
        bounds=bounds,
        callback=record,
        options={"maxcor": _MEMORY, "maxiter": max_iter, "ftol": 1e-14, "gtol": 1e-9},
    )
    return result.x if -result.fun >= start else x
