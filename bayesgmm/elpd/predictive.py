"""WAIC and PSIS-LOO: how well new rows are predicted, from the label-free log likelihood."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from arviz_stats.utils import ELPDData, ELPDDataLOO
from scipy.special import logsumexp

from bayesgmm.advice import Advice, Option
from bayesgmm.data import Dataset, require_likelihood_of
from bayesgmm.elpd.by_blocks import Pointwise, pointwise_of
from bayesgmm.elpd.psis import psis_loo
from bayesgmm.errors import ConfigError, SamplingError
from bayesgmm.limits import PARETO_K, ROW_VARIANCE, TAIL_DRAWS
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.kept_rows import require_its_rows, require_kept_likelihood
from bayesgmm.posterior.mcmc_error import effective_size
from bayesgmm.posterior.pareto import EQUAL
from bayesgmm.posterior.tree import check_tree, require_likelihood, weights_in
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array, BoolArray

__all__ = [
    "WEIGHT",
    "WAIC",
    "check_enough_draws",
    "efficiency_of",
    "loo",
    "loo_of",
    "relative_efficiency",
    "totals",
    "waic",
    "waic_of",
]

WEIGHT = "weight"  # the coordinate of pointwise values that says how often each row counts
_BLOCK_VALUES = 2**22
_Coordinates = Mapping[Any, Any]


@dataclass(kw_only=True, repr=False)
class WAIC(ELPDData):
    """Expected log pointwise predictive density by WAIC, nats; `az.compare` ranks it.

    Parameters
    ----------
    elpd, se, p : float
        The estimate, its standard error over rows, and the effective number of parameters.
    n_samples, n_data_points : int
        A row of frequency weight w is w data points.
    warning : bool
        Whether the posterior variance of some row's log likelihood exceeds 0.4.
    n_high_variance : int
        In how many rows it does: there WAIC is unreliable, and LOO is to be preferred.
    elpd_i, variance_i : DataArray of shape (obs,), nats
        Pointwise values; those of one copy of a row with a weight.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> estimate = waic(sample(rows, 1, draws=200, seed=1))
    >>> estimate.n_data_points, estimate.n_high_variance
    (8, 0)
    """

    n_high_variance: int
    variance_i: xr.DataArray

    _kind: ClassVar[str | None] = "waic"

    def _footer(self) -> str:
        if not self.warning:
            return ""
        share = 100.0 * self.n_high_variance / self.n_data_points
        return (
            f"\n\nThe posterior variance of the log likelihood exceeds {ROW_VARIANCE} in "
            f"{self.n_high_variance} rows ({share:.1f} %): prefer LOO."
        )


@keywords()
def waic(posterior: xr.DataTree, rows: Dataset | None = None) -> WAIC:
    """Estimate the expected log pointwise predictive density by WAIC.

    Of row i: log mean_s p(x_i | s) - var_s log p(x_i | s), the variance with S - 1. No Python
    warning is emitted; `.warning` and `.n_high_variance` say where the result is unreliable. Rows
    with weights or labels count as in `loo`.

    Parameters
    ----------
    posterior : DataTree
        As `bayesgmm.sample` returns it, with the group log_likelihood.
    rows : Dataset, optional
        The rows that it was sampled from, wherever they lie: their log likelihood is then computed
        block by block, and need not be kept.

    Returns
    -------
    WAIC

    Raises
    ------
    ConfigError
        When the tree has no log likelihood of each row, or one that is not finite; when `rows` are
        others.
    DataError
        For rows with the weights of a survey.

    References
    ----------
    Watanabe (2010), JMLR 11:3571. Gelman, Hwang and Vehtari (2014), Statistics and Computing
    24:997, section 3.4.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> tree = sample(rows, 1, draws=200, seed=1)
    >>> estimate = waic(tree)
    >>> estimate.n_data_points, estimate.elpd < 0
    (8, True)
    """
    if rows is not None:
        draws = Draws(posterior)
        found = pointwise_of(draws, _with_likelihood(draws, rows))
        return waic_of(found, rows, draws.n_samples)
    values = _log_likelihood(posterior)
    samples = values.transpose("chain", "draw", "obs").values.reshape(-1, values.sizes["obs"])
    return _waic(*_predictive_and_variance(samples), len(samples), _coordinates(values))


def _with_likelihood(draws: Draws, rows: Any) -> Dataset:
    """Return the rows of a posterior, given anew, which have a likelihood."""
    data = require_its_rows(draws, rows)
    require_likelihood_of(data.annotations, "WAIC and LOO")
    return data


def waic_of(found: Pointwise, rows: Dataset, n_samples: int) -> WAIC:
    """Return WAIC, given how well each row is predicted by so many draws."""
    return _waic(found.predictive, found.variance, n_samples, _coordinates_of(found, rows))


def _waic(predictive: Array, variance: Array, n_samples: int, coordinates: _Coordinates) -> WAIC:
    weights = _weights(coordinates)
    loss = variance if weights is None else np.where(weights > 0.0, variance, 0.0)
    pointwise = _by_row(predictive - loss, coordinates)
    elpd, se = totals(pointwise)
    high = _counted(variance > ROW_VARIANCE, weights)
    return WAIC(
        elpd=elpd,
        se=se,
        p=float(variance.sum() if weights is None else weights @ variance),
        n_samples=n_samples,
        n_data_points=_counted(np.ones(len(variance), dtype=bool), weights),
        scale="log",
        warning=high > 0,
        good_k=np.inf,
        elpd_i=pointwise,
        n_high_variance=high,
        variance_i=_by_row(variance, coordinates),
    )


@keywords()
def loo(posterior: xr.DataTree, rows: Dataset | None = None) -> Any:
    """Estimate the expected log pointwise predictive density by PSIS-LOO.

    ArviZ's `az.loo` on the label-free log likelihood, with the relative efficiency of its total
    (that of the parameters would depend on the labels). The warning about high Pareto k is not
    emitted: `.warning`, `.pareto_k` and `.good_k` carry it.

    One row is left out at a time, with all that is known of it:

    - of a row with frequency weight w, one copy. It counts w times in `.elpd`, `.se` and `.p`, and
      `.elpd_i` holds the term of one copy; `rank` counts alike. A row of weight 0 counts nothing:
      its term is its predictive density, and its Pareto k is 0.
    - of a row with missing cells, what was observed, so that values are comparable between models
      of the same cells only. A row with no cell observed has the term 0.
    - a row with a known label, with its label: its term is the joint log density of values and
      label, as the model scores it. Where one row alone tells two clusters apart, its term takes
      for granted which is which.

    Parameters
    ----------
    posterior : DataTree
        As `bayesgmm.sample` returns it, with the group log_likelihood.
    rows : Dataset, optional
        As for `waic`.

    Returns
    -------
    arviz ELPDData
        With pointwise `.elpd_i` and `.pareto_k`; without the importance weights, which are as
        large as the log likelihood.

    Raises
    ------
    ConfigError
        When the tree has no log likelihood of each row, or one that is not finite; when `rows` are
        others.
    DataError
        For rows with the weights of a survey.
    SamplingError
        Where the chains hardly moved, so that a row has no tail of weights to smooth.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), Statistics and Computing 27:1413.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> tree = sample(rows, 1, draws=200, seed=1)
    >>> estimate = loo(tree)
    >>> estimate.pareto_k.shape, bool(estimate.elpd < 0)
    ((8,), True)
    """
    if rows is not None:
        draws = Draws(posterior)
        found = pointwise_of(draws, _with_likelihood(draws, rows), efficiency_of(draws))
        return loo_of(found, rows, draws.n_samples)
    relative = relative_efficiency(posterior)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter", category=UserWarning)
        try:
            estimate = psis_loo(posterior, relative)
        except ValueError as error:  # no tail to fit: its draws are all the same
            raise _hardly_moved(str(error)) from error
    estimate = replace(estimate, log_weights=None)
    values = _log_likelihood(posterior)
    return estimate if WEIGHT not in values.coords else _weighted(estimate, values)


def _hardly_moved(why: str) -> SamplingError:
    return SamplingError(
        Advice(
            f"LOO has no estimate from these draws ({why:.80}): the chains hardly moved; sample "
            "longer, or with ",
            Option("target_accept", 0.95),
            ".",
        )
    )


def loo_of(found: Pointwise, rows: Dataset, n_samples: int) -> Any:
    """Return LOO, given how well each row is predicted by so many draws."""
    if (found.pareto_k == -np.inf).any() or (found.variance <= EQUAL**2).all():
        raise _hardly_moved("All tail values are the same")
    coordinates = _coordinates_of(found, rows)
    pointwise, pareto_k = (_by_row(a, coordinates) for a in (found.by_loo, found.pareto_k))
    elpd, se = totals(pointwise)
    good_k = min(1.0 - 1.0 / np.log10(n_samples), PARETO_K)
    estimate = ELPDDataLOO(
        elpd=elpd,
        se=se,
        p=float(found.predictive.sum()) - elpd,
        n_samples=n_samples,
        n_data_points=rows.n_obs,
        scale="log",
        warning=bool((pareto_k > good_k).any()),
        good_k=good_k,
        elpd_i=pointwise,
        pareto_k=pareto_k,
        approx_posterior=False,
    )
    if found.weights is None:
        return estimate
    return _counted_by_weight(estimate, found.predictive, coordinates)


def _weighted(estimate: Any, values: xr.DataArray) -> Any:
    n_obs = values.sizes["obs"]
    samples = values.transpose("chain", "draw", "obs").values.reshape(-1, n_obs)
    predictive, _ = _predictive_and_variance(samples)
    return _counted_by_weight(estimate, predictive, _coordinates(values))


def _counted_by_weight(estimate: Any, predictive: Array, coordinates: _Coordinates) -> Any:
    """Return the estimate with each row counted by its weight, given that of one copy each."""
    weights: Any = _weights(coordinates)
    present = weights > 0.0
    pointwise = _by_row(np.where(present, estimate.elpd_i.values, predictive), coordinates)
    pareto_k = _by_row(np.where(present, estimate.pareto_k.values, 0.0), coordinates)
    elpd, se = totals(pointwise)
    return replace(
        estimate,
        elpd=elpd,
        se=se,
        p=float(weights @ predictive) - elpd,
        n_data_points=_counted(present, weights),
        elpd_i=pointwise,
        pareto_k=pareto_k,
        warning=bool((pareto_k > estimate.good_k).any()),
    )


def totals(pointwise: xr.DataArray) -> tuple[float, float]:
    """Return the sum of pointwise values (obs,) and its standard error, rows counted by weight."""
    values = pointwise.values
    if WEIGHT not in pointwise.coords:
        return float(values.sum()), float(np.sqrt(len(values) * values.var(ddof=1)))
    weights = pointwise[WEIGHT].values
    total, n = float(weights @ values), float(weights.sum())
    spread = float(weights @ (values - total / n) ** 2)
    return total, float(np.sqrt(n / (n - 1.0) * spread)) if n > 1.0 else np.nan


def _predictive_and_variance(samples: Array) -> tuple[Array, Array]:
    """Return log mean_s p(x_i | s) and var_s log p(x_i | s) of samples (sample, obs)."""
    n_samples, n_obs = samples.shape
    predictive, variance = np.empty(n_obs), np.empty(n_obs)
    width = max(1, _BLOCK_VALUES // n_samples)
    for start in range(0, n_obs, width):
        part = slice(start, start + width)
        predictive[part] = logsumexp(samples[:, part], axis=0) - np.log(n_samples)
        variance[part] = samples[:, part].var(axis=0, ddof=1)
    return predictive, variance


def _coordinates(values: xr.DataArray) -> _Coordinates:
    return {name: values[name] for name in ("obs", WEIGHT) if name in values.coords}


def _coordinates_of(found: Pointwise, rows: Dataset) -> _Coordinates:
    weights = {} if found.weights is None else {WEIGHT: ("obs", found.weights)}
    return xr.Dataset(coords={"obs": rows.obs(), **weights}).coords


def _weights(coordinates: _Coordinates) -> Array | None:
    return np.asarray(coordinates[WEIGHT]) if WEIGHT in coordinates else None


def _counted(rows: BoolArray, weights: Array | None) -> int:
    """Count some of the rows, each by its weight."""
    return int(rows.sum() if weights is None else weights @ rows)


def _by_row(pointwise: Array, coordinates: _Coordinates) -> xr.DataArray:
    return xr.DataArray(pointwise, coordinates, ("obs",))


def relative_efficiency(posterior: xr.DataTree) -> float:
    """Return the effective share of the draws for the mean of the total log likelihood."""
    values = _log_likelihood(posterior)
    summed = values.dot(values[WEIGHT]) if WEIGHT in values.coords else values.sum("obs")
    return _efficiency(summed.transpose("chain", "draw").values)


def efficiency_of(draws: Draws) -> float:
    """Return the same where the log likelihood of single rows is not kept."""
    total = draws.tree["sample_stats"].to_dataset()["log_likelihood"]
    return _efficiency(total.transpose("chain", "draw").values)


def _efficiency(total: Array) -> float:
    check_enough_draws(total.size)
    return min(1.0, effective_size(total) / total.size)


def check_enough_draws(n_draws: int) -> None:
    """Refuse draws of all chains together that are too few for PSIS-LOO."""
    if n_draws < TAIL_DRAWS:
        raise ConfigError(
            f"PSIS-LOO needs at least {TAIL_DRAWS} draws to fit the tail of its weights, got "
            f"{n_draws}; sample with more draws.",
            n_draws=n_draws,
        )


def _log_likelihood(posterior: xr.DataTree) -> xr.DataArray:
    """Return the log likelihood (chain, draw, obs), checked; weights of rows are a coordinate."""
    if "log_likelihood" not in check_tree(posterior) or "x" not in posterior["log_likelihood"]:
        require_kept_likelihood(posterior)
        raise ConfigError(
            "the posterior holds no log likelihood of each row (log_likelihood/x), which WAIC and "
            "LOO need; sample with log_likelihood=True, or adopt(tree, data, spec_or_model).",
            group="log_likelihood",
        )
    require_likelihood(posterior, "WAIC and LOO")
    values = posterior["log_likelihood"].to_dataset()["x"]
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise ConfigError(
            f"the posterior's log likelihood has {n_bad} values that are not finite, of "
            f"{values.size}; WAIC and LOO need all of them finite. Sample again.",
            n_bad=n_bad,
        )
    weights = weights_in(posterior)
    return values if weights is None else values.assign_coords({WEIGHT: ("obs", weights)})
