"""`GaussianMixture`: the point fits behind scikit-learn's interface."""

import warnings
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning as SklearnConvergenceWarning

from bayesgmm.advice import Advice, Option
from bayesgmm.arguments import check_count
from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError, ConvergenceWarning
from bayesgmm.estimator.refusals import check_fitted, check_parameters, check_rows, seed_from
from bayesgmm.estimator.row_values import log_densities, most_probable, responsibilities
from bayesgmm.estimator.rows import fitted_data, row_blocks, weights_of
from bayesgmm.estimator.starting import given_start, starting_parameters
from bayesgmm.estimator.telling import tell
from bayesgmm.fit import FitStatus, PointFit, fit_em, fit_map
from bayesgmm.fit.information import aic, bic
from bayesgmm.fit.simulated import draw_rows
from bayesgmm.likelihood.annotated_rows import RowTable
from bayesgmm.model.components import Structure, structure_of
from bayesgmm.model.components.compact import compact, expand, inverse, precision_cholesky
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec, Priors, our_name
from bayesgmm.posterior.draws import Draws
from bayesgmm.runtime.memory import require_bytes
from bayesgmm.typing import Array, IntArray

__all__ = ["GaussianMixture", "NotConvergedWarning"]


class NotConvergedWarning(ConvergenceWarning, SklearnConvergenceWarning):
    """The best run stopped at `max_iter`; filters for scikit-learn's own warning apply."""


class GaussianMixture(DensityMixin, BaseEstimator):
    """Gaussian mixture by maximum likelihood or at the posterior mode, for scikit-learn.

    Parameters, attributes and methods are those of `sklearn.mixture.GaussianMixture`, with two
    more covariance types, the posterior mode, and rows with missing cells or weights. The work is
    done by `bayesgmm.fit_em` and `bayesgmm.fit_map`, with these differences: EM is accelerated
    after its first steps; a start that ends in a spike is set aside, with a warning where none is
    left; constant and collinear columns are refused; clusters are numbered by increasing mean of
    the first feature (or of the one that separates best), whatever the start.

    There are neither tails nor noise: components are Gaussian, as the name says, and scikit-learn's
    contract has no place for a row of no cluster, as ``weights_`` and `predict_proba` sum to 1.
    ``fit_em(X, MixtureSpec(K, noise="uniform"))`` and `membership` give both.

    Parameters
    ----------
    n_components : int
        Number of components K.
    covariance_type : str
        A structure of `MixtureSpec`, or mclust's name of one. The tied three share one covariance
        among all components: any matrix, a diagonal one, one variance.
    tol : float
        A run has converged when what it can still be expected to gain is below `tol` nats per row.
        scikit-learn asks the last step to gain less, which may be a hundredth of it. Above 1 it
        counts as 1.
    reg_covar : float
        Added to every variance at each step, in multiples of the variance of its column in the
        data (of their mean for the spherical types), so that the fit does not depend on the units.
        scikit-learn adds it in squared data units. It plays no part in ``method="map"``, where
        the prior keeps covariances regular. As many components as rows need it above 0.
    max_iter : int
        Largest number of iterations of a run; for ``method="em"`` these are EM steps. 0 keeps
        the first start as it is.
    n_init : int
        Number of starts, each followed to its end on all rows; the best is kept.
    init_params : {"kmeans", "k-means++", "random", "random_from_data"}
        The first start is one M-step on a partition of at most 5,000 sampled rows (by k-means, or
        by the nearest k-means++ seed or random row), or on random responsibilities. The others
        are those of `fit_em`, of several kinds: k-means alone never finds clusters longer than
        they are far apart.
    weights_init : array of shape (cluster,) or None
        Weights of every start, in place of what is drawn. A weight of 0, which no EM step would
        change, starts at a hundredth of a row.
    means_init : array of shape (cluster, feature) or None
        Means of every start, data units.
    precisions_init : array or None
        Inverse covariances of every start, in the shape of `covariances_`.
    random_state : int, RandomState or None
        Draws the starts, and the rows of `sample`.
    warm_start : bool
        Start the next fit from the last one's solution, where it has the same numbers of
        components and features; then nothing is drawn and `n_init` plays no part. With
        ``max_iter=1`` each fit is one EM step.
    verbose : int
        1 logs how the fit ended, by the logger "bayesgmm" at level INFO; 2 also its path.
        Nothing is printed.
    verbose_interval : int
        With ``verbose=2``, the number of iterations from one logged bound to the next.
    method : {"em", "map"}
        Maximum likelihood, or the posterior mode under `priors`.
    priors : Priors or None
        For ``method="map"``; None is the default ``Priors()``.
    resolution : "auto", float, tuple of float or None
        Recording step of the data, see `MixtureSpec`. None is 0 for ``method="em"``, recorded
        values taken as exact as scikit-learn takes them, and "auto" for ``method="map"``.
    missing : {"refuse", "mar"}
        What to do about NaN in X: an error, or a missing cell, marginalised over exactly. This
        assumes that cells are missing at random: that depends on observed cells only.
    n_factors : int, optional
        Factors of ``covariance_type="factor"`` and its kin, as in `MixtureSpec`.

    Attributes
    ----------
    weights_ : array of shape (cluster,)
    means_ : array of shape (cluster, feature), data units
    covariances_, precisions_, precisions_cholesky_ : arrays, data units
        Of shape (cluster, feature, feature) for "full" and what shares scales or correlations
        only, (feature, feature) for "tied", (cluster, feature) for "diag", (cluster,) for
        "spherical", (feature,) for "tied_diag", () for "tied_spherical". ``precisions_`` = U U'
        with U, upper triangular, in ``precisions_cholesky_``.
        All are float32 where X was; the fit itself is made in float64.
        With ``method="map"`` variances hold the recording error, except the one variance of the
        spherical types: features may differ in their errors, which `predict` and `sample` add.
    converged_ : bool
        Whether the best run converged.
    n_iter_ : int
        Iterations of the best run.
    lower_bounds_ : array of shape (``n_iter_``,)
        After each iteration of the best run, the log likelihood in nats per row; the log posterior
        density divided by the number of rows for ``method="map"``. They never fall, but where
        ``reg_covar`` is above 0: its steps do not climb the likelihood exactly, and it may fall
        by about `reg_covar` a row, mostly at the end of a run.
    lower_bound_ : float
        The last of them.
    point_fit_ : PointFit or None
        The fit as `fit_em` or `fit_map` returned it, with every distinct optimum; None with
        ``max_iter=0``.
    n_features_in_ : int
    feature_names_in_ : array of shape (feature,)
        Where X had column names that are all strings.

    Raises
    ------
    ConfigError, DataError
        By `fit`, for a wrong parameter or unusable data; both are ValueErrors.
    DegenerateFitError
        By `fit`, when every start collapses.

    Warns
    -----
    NotConvergedWarning
        By `fit`, when the best run stopped at `max_iter`.

    Examples
    --------
    >>> rows = [[1.0, 2], [1.5, 4], [0.5, 0], [10, 2], [10.5, 4], [9.5, 1]]
    >>> mixture = GaussianMixture(2, covariance_type="tied_diag", random_state=0).fit(rows)
    >>> mixture.predict([[0, 0], [12, 3]]).tolist()
    [0, 1]
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str = "kmeans",
        weights_init: Any = None,
        means_init: Any = None,
        precisions_init: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        method: str = "em",
        priors: Priors | None = None,
        resolution: Any = None,
        missing: str = "refuse",
        n_factors: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.method = method
        self.priors = priors
        self.resolution = resolution
        self.missing = missing
        self.n_factors = n_factors

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "mar"
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the mixture to rows X (obs, feature), or a `Dataset`; y is ignored.

        A row with the weight w counts as w rows; whole numbers for ``method="map"``.
        """
        check_parameters(self)
        data, dtype = fitted_data(self, X, sample_weight)
        check_rows(data, self.n_components)
        spec, seed = self._spec(), seed_from(self.random_state)
        resolved = resolve(spec, data, sampled=self.method == "map")
        starts = self._starts(data, resolved, seed)
        if not self.max_iter:
            self._keep_start(resolved, starts[0], dtype)
            return self
        fit = self._point_fit(data, spec, starts, seed)
        if fit.status is FitStatus.MAX_ITER:
            warnings.warn(
                f"the best of {self.n_init} starts stopped at max_iter = {self.max_iter} before it "
                "converged; raise max_iter or tol.",
                NotConvergedWarning,
                stacklevel=2,
            )
        self._keep(fit, dtype)
        tell(self)
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> IntArray:
        """Fit the mixture to X and return the most probable cluster of each of its rows."""
        return self.fit(X, sample_weight=sample_weight).predict(X)

    def predict(self, X: Any) -> IntArray:
        """Return the most probable cluster of each row: array of shape (obs,)."""
        return self._of_rows(X, most_probable)

    def predict_proba(self, X: Any) -> Array:
        """Return P(cluster | row): array of shape (obs, cluster)."""
        return self._of_rows(X, responsibilities)

    def score_samples(self, X: Any) -> Array:
        """Return the log density of what is observed of each row, nats: array of shape (obs,)."""
        return self._of_rows(X, log_densities)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the mean log density of the rows, nats; each counts by its weight."""
        log_densities = self.score_samples(X)
        return float(np.average(log_densities, weights=weights_of(sample_weight, log_densities)))

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Return Akaike's criterion on X, smaller is better; of a maximum likelihood fit only."""
        log_likelihood, _ = self._scored("AIC", X, sample_weight)
        return aic(log_likelihood, self._n_parameters())

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """Return Schwarz's criterion on X, smaller is better; of a maximum likelihood fit only."""
        log_likelihood, n_rows = self._scored("BIC", X, sample_weight)
        return bic(log_likelihood, self._n_parameters(), n_rows)

    def sample(self, n_samples: int = 1) -> tuple[Array, IntArray]:
        """Draw rows (n_samples, feature) and their clusters (n_samples,), cluster by cluster."""
        check_fitted(self)
        need = 8 * check_count("n_samples", n_samples) * (self.means_.shape[1] + 4)
        require_bytes(need, f"{n_samples} rows", "draw fewer, several times")
        rng = np.random.default_rng(seed_from(self.random_state))
        rows, clusters = draw_rows(self._parameters(), n_samples, rng)
        return rows.astype(self.means_.dtype, copy=False), clusters

    @property
    def _structure(self) -> Structure:
        return structure_of(our_name(self.covariance_type), self.n_factors)

    def _spec(self) -> MixtureSpec:
        resolution: Any = self.resolution
        if resolution is None:
            resolution = 0.0 if self.method == "em" else "auto"
        return MixtureSpec(
            self.n_components,
            covariance=self.covariance_type,  # type: ignore[arg-type]
            n_factors=self.n_factors,
            priors=Priors() if self.priors is None else self.priors,
            resolution=resolution,
        )

    def _starts(self, data: Dataset, resolved: ResolvedSpec, seed: int) -> list[Parameters]:
        given = given_start(
            resolved, self.weights_init, self.means_init, self.precisions_init, data.n_counted
        )
        if self.warm_start and self._continues(data.n_features):
            return [self._parameters()]
        return starting_parameters(resolved, data, given, self.init_params, self.n_init, seed)

    def _point_fit(
        self, data: Dataset, spec: MixtureSpec, starts: list[Parameters], seed: int
    ) -> PointFit:
        options: dict[str, Any] = {
            "seed": seed,
            "tol": min(max(float(self.tol), np.finfo(float).tiny), np.nextafter(1.0, 0.0)),
            "max_iter": self.max_iter,
            "starts": starts,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            if self.method == "map":
                return fit_map(data, spec, **options)
            return fit_em(data, spec, ridge=float(self.reg_covar), **options)

    def _continues(self, n_features: int) -> bool:
        """Whether the last solution is a start for this fit."""
        return (
            hasattr(self, "point_fit_")
            and self._kind == (self.covariance_type, self.n_factors)
            and self.means_.shape == (self.n_components, n_features)
        )

    def _keep(self, fit: PointFit, dtype: Any) -> None:
        self.point_fit_: PointFit | None = fit
        self._keep_parameters(fit.parameters, fit.resolved, dtype)
        self.converged_ = fit.status.converged
        self.lower_bounds_ = fit.path[1:] / fit.n_obs
        self.lower_bound_ = float(self.lower_bounds_[-1])
        self.n_iter_ = len(self.lower_bounds_)

    def _keep_start(self, resolved: ResolvedSpec, start: Parameters, dtype: Any) -> None:
        """Keep a start as it is, its clusters in the order of their means."""
        order = np.argsort(start.means[:, 0], kind="stable")
        self.point_fit_ = None
        ordered = start.at(order)
        self._keep_parameters(ordered, resolved, dtype)
        self.converged_, self.n_iter_ = False, 0
        self.lower_bounds_, self.lower_bound_ = np.empty(0), -np.inf

    def _keep_parameters(self, found: Parameters, resolved: ResolvedSpec, dtype: Any) -> None:
        structure = self._structure
        self._kind = (self.covariance_type, self.n_factors)
        free = compact(structure, found.covariances)
        for name, value in (
            ("weights_", found.weights),
            ("means_", found.means),
            ("covariances_", free),
            ("precisions_", inverse(structure, free)),
            ("precisions_cholesky_", precision_cholesky(structure, free)),
        ):
            setattr(self, name, np.asarray(value).astype(dtype, copy=False))

    def _parameters(self) -> Parameters:
        n_components, n_features = self.means_.shape
        covariances = expand(self._structure, self.covariances_, n_components, n_features)
        scales = np.sqrt(np.einsum("kdd->kd", covariances))
        correlations = covariances / (scales[:, :, None] * scales[:, None, :])
        weights, means = (np.asarray(v, dtype=float) for v in (self.weights_, self.means_))
        return Parameters(weights / weights.sum(), means, scales, correlations, covariances)

    def _of_rows(self, X: Any, function: Callable[[Draws, RowTable, Any], Any]) -> Any:
        """Return what a function of the fit says of rows, in their type, one after another."""
        check_fitted(self)
        one_draw = self._parameters().at(None)
        draws = Draws.of(one_draw, tuple(map(str, range(self.n_features_in_))))
        found = [
            function(draws, rows, np.result_type(given, self.means_.dtype))
            for rows, given in row_blocks(self, X)
        ]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _scored(self, criterion: str, X: Any, sample_weight: Any) -> tuple[float, float]:
        """Return the log likelihood, and the number of rows that count."""
        if self.method == "map":
            raise ConfigError(
                Advice(
                    f"{criterion} is defined at the maximum of the likelihood, and this is a MAP "
                    "fit; fit with ",
                    Option("method", "em"),
                    ".",
                ),
                criterion=criterion,
            )
        log_densities = self.score_samples(X)
        weights = weights_of(sample_weight, log_densities)
        if weights is None:
            return float(log_densities.sum()), len(log_densities)
        return float(weights @ log_densities), float(weights.sum())

    def _n_parameters(self) -> int:
        return self._structure.n_parameters(*self.means_.shape)
