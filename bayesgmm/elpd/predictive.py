"""WAIC and PSIS-LOO: how well new rows are predicted, from the label-free log likelihood."""

import warnings
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import arviz as az
import numpy as np
import xarray as xr
from arviz_stats.utils import ELPDData
from scipy.special import logsumexp

from bayesgmm.errors import ConfigError, DataError
from bayesgmm.limits import ROW_VARIANCE, TAIL_DRAWS
from bayesgmm.posterior.mcmc_error import effective_size
from bayesgmm.posterior.tree import check_tree

__all__ = ["WAIC", "check_enough_draws", "loo", "relative_efficiency", "waic"]

_BLOCK_VALUES = 2**22


@dataclass(kw_only=True, repr=False)
class WAIC(ELPDData):
    """Expected log pointwise predictive density by WAIC, nats; `az.compare` ranks it.

    Parameters
    ----------
    elpd, se, p : float
        The estimate, its standard error over rows, and the effective number of parameters.
    n_samples, n_data_points : int
    warning : bool
        Whether the posterior variance of some row's log likelihood exceeds 0.4.
    n_high_variance : int
        In how many rows it does: there WAIC is unreliable, and LOO is to be preferred.
    elpd_i, variance_i : DataArray of shape (obs,), nats
        Pointwise values.

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


def waic(posterior: xr.DataTree) -> WAIC:
    """Estimate the expected log pointwise predictive density by WAIC.

    Of row i: log mean_s p(x_i | s) - var_s log p(x_i | s), the variance with S - 1. No Python
    warning is emitted; `.warning` and `.n_high_variance` say where the result is unreliable.

    Parameters
    ----------
    posterior : DataTree
        As `bayesgmm.sample` returns it, with the group log_likelihood.

    Returns
    -------
    WAIC

    Raises
    ------
    ConfigError
        When the tree has no log likelihood of each row, or one that is not finite.

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
    values = _log_likelihood(posterior)
    n_obs = values.sizes["obs"]
    samples = values.transpose("chain", "draw", "obs").values.reshape(-1, n_obs)
    predictive, variance = np.empty(n_obs), np.empty(n_obs)
    width = max(1, _BLOCK_VALUES // len(samples))
    for start in range(0, n_obs, width):
        part = slice(start, start + width)
        predictive[part] = logsumexp(samples[:, part], axis=0) - np.log(len(samples))
        variance[part] = samples[:, part].var(axis=0, ddof=1)
    pointwise = predictive - variance
    high = int((variance > ROW_VARIANCE).sum())
    coords = {"obs": values["obs"]}
    return WAIC(
        elpd=float(pointwise.sum()),
        se=float(np.sqrt(n_obs * pointwise.var(ddof=1))),
        p=float(variance.sum()),
        n_samples=len(samples),
        n_data_points=n_obs,
        scale="log",
        warning=high > 0,
        good_k=np.inf,
        elpd_i=xr.DataArray(pointwise, coords, ("obs",)),
        n_high_variance=high,
        variance_i=xr.DataArray(variance, coords, ("obs",)),
    )


def loo(posterior: xr.DataTree) -> Any:
    """Estimate the expected log pointwise predictive density by PSIS-LOO.

    ArviZ's `az.loo` on the label-free log likelihood, with the relative efficiency of its total
    (that of the parameters would depend on the labels). The warning about high Pareto k is not
    emitted: `.warning`, `.pareto_k` and `.good_k` carry it.

    Parameters
    ----------
    posterior : DataTree
        As `bayesgmm.sample` returns it, with the group log_likelihood.

    Returns
    -------
    arviz ELPDData
        With pointwise `.elpd_i` and `.pareto_k`; without the importance weights, which are as
        large as the log likelihood.

    Raises
    ------
    ConfigError
        When the tree has no log likelihood of each row, or one that is not finite.

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
    relative = relative_efficiency(posterior)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter", category=UserWarning)
        estimate = az.loo(posterior, pointwise=True, var_name="x", reff=relative)
    return replace(estimate, log_weights=None)


def relative_efficiency(posterior: xr.DataTree) -> float:
    """Return the effective share of the draws for the mean of the total log likelihood."""
    total = _log_likelihood(posterior).sum("obs").transpose("chain", "draw").values
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
    """Return the log likelihood (chain, draw, obs), checked."""
    if "log_likelihood" not in check_tree(posterior) or "x" not in posterior["log_likelihood"]:
        raise ConfigError(
            "the posterior holds no log likelihood of each row (log_likelihood/x), which WAIC and "
            "LOO need; sample with log_likelihood=True, or adopt(tree, data, spec_or_model).",
            group="log_likelihood",
        )
    if "observed_data" in posterior and "weights" in posterior["observed_data"]:
        raise DataError(
            "WAIC and LOO do not take rows with weights so far; compare such models by the "
            "evidence, or write each row as often as it counts."
        )
    values = posterior["log_likelihood"].to_dataset()["x"]
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise ConfigError(
            f"the posterior's log likelihood has {n_bad} values that are not finite, of "
            f"{values.size}; WAIC and LOO need all of them finite. Sample again.",
            n_bad=n_bad,
        )
    return values
