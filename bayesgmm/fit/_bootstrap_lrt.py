"""Is one component more needed? The parametric bootstrap of the likelihood ratio."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bayesgmm.advice import Advice, Option
from bayesgmm.arguments import check_count, seed_of
from bayesgmm.data import Dataset, as_dataset, require_taken
from bayesgmm.errors import (
    ConvergenceWarning,
    DataError,
    DataWarning,
    DegeneracyWarning,
    DegenerateFitError,
)
from bayesgmm.fit.em import fit_em
from bayesgmm.fit.result import PointFit
from bayesgmm.fit.simulated import draw_recorded_rows
from bayesgmm.limits import ERROR_PER_STEP
from bayesgmm.model.spec import Covariance, MixtureSpec
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.memory import require_bytes
from bayesgmm.runtime.seeds import SEED_BYTES, integer
from bayesgmm.typing import Array

__all__ = ["BootstrapTest", "bootstrap_lrt"]

_TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapTest:
    """A test of K components against K + 1.

    Parameters
    ----------
    statistic : float
        Twice the difference of the log likelihoods, nats.
    replicates : array of shape (n,)
        The statistic of each data set simulated from the fit with K components.
    n_failed : int
        Simulated data sets on which a fit collapsed; they are not among the replicates.
    null, alternative : PointFit
        The fits with K and with K + 1 components.
    seed : int

    Examples
    --------
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> test = bootstrap_lrt(rows, 1, n_bootstrap=19, seed=1)
    >>> test.alternative.spec.n_components, len(test.replicates) + test.n_failed
    (2, 19)
    """

    statistic: float
    replicates: Array = field(repr=False)
    n_failed: int
    null: PointFit
    alternative: PointFit
    seed: int

    @property
    def k(self) -> int:
        """Number of components under the null hypothesis."""
        return self.null.spec.n_components

    @property
    def p_value(self) -> float:
        """(1 + number of replicates at or above the statistic) / (1 + number of replicates)."""
        reached = int((self.replicates >= self.statistic).sum())
        return (1 + reached) / (1 + len(self.replicates))

    @property
    def error(self) -> float:
        """Monte Carlo standard error of the p-value, binomial."""
        return math.sqrt(self.p_value * (1.0 - self.p_value) / (1 + len(self.replicates)))

    def __repr__(self) -> str:
        """Say the test in one sentence."""
        failed = f", {self.n_failed} collapsed" if self.n_failed else ""
        return (
            f"BootstrapTest: K = {self.k} against {self.k + 1}, "
            f"{self.null.spec.covariance}: statistic {self.statistic:.3f}, p = {self.p_value:.4f} "
            f"(Monte Carlo error {self.error:.4f}; {len(self.replicates)} replicates{failed})"
        )


@keywords(k="n_components")
def bootstrap_lrt(
    data: Any,
    n_components: int,
    n_bootstrap: int = 999,
    *,
    covariance: Covariance = "full",
    resolution: Any = "auto",
    columns: Sequence[str] | None = None,
    seed: int | None = None,
    n_starts: int = 10,
) -> BootstrapTest:
    """Test K components against K + 1 by the parametric bootstrap of the likelihood ratio.

    The statistic has no chi-squared distribution, as K components lie on the border of K + 1. Its
    distribution is found by fitting both to data sets simulated from the fit with K. All fits,
    those of the data included, go the same way, so that a search that misses the best optimum
    does so on both sides. Simulated rows are recorded in the steps of the data, and fitted with
    the same recording error. What chance explains is set aside as in `fit_em`; where that is all
    that K + 1 components offer, they gain nothing.

    Parameters
    ----------
    data : Dataset, array of shape (obs, feature) or frame
    n_components : int
        Number of components under the null hypothesis.
    n_bootstrap : int
        Number of simulated data sets; the p-value is at least 1 / (n_bootstrap + 1).
    covariance : str
        Covariance structure, as in `MixtureSpec`.
    resolution : "auto", float or tuple of float
        Recording step of the data, as in `MixtureSpec`.
    columns : sequence of str, optional
        The features among the columns of `data`, in this order; all by default.
    seed : int or None
        None draws one; it is stored in the result.
    n_starts : int
        Number of starts of every fit.

    Returns
    -------
    BootstrapTest
        With statistic, p_value, its Monte Carlo error, and the two fits.

    Raises
    ------
    ConfigError, DataError
        For a wrong option, or data that are unusable or more than complete rows.
    DegenerateFitError
        When every start collapses on the data themselves, or on all simulated ones.

    References
    ----------
    McLachlan (1987), Applied Statistics 36:318. Davison and Hinkley (1997), Bootstrap Methods and
    their Application, section 4.2: the p-value.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> rows = np.concatenate([rng.normal(0, 1, 60), rng.normal(9, 1, 40)])[:, None]
    >>> test = bootstrap_lrt(rows, 1, 19, seed=1)
    >>> len(test.replicates) + test.n_failed, test.p_value < 0.06
    (19, True)
    """
    dataset, seed = as_dataset(data, columns), seed_of(seed)
    require_taken("bootstrap_lrt", dataset)
    check_count("n_bootstrap", n_bootstrap)
    require_bytes(SEED_BYTES * n_bootstrap, f"{n_bootstrap} data sets", "take fewer")
    k = n_components
    spec = MixtureSpec(n_components=k, covariance=covariance, resolution=resolution)
    own, *children = np.random.SeedSequence(seed).spawn(n_bootstrap + 1)
    null, alternative = _fit_both(dataset, spec, own, n_starts)
    steps = null.resolved.resolution / ERROR_PER_STEP
    spec = replace(spec, resolution=tuple(steps.tolist()))
    origin = next(dataset.blocks(1))[1][0]
    statistics = [_replicate(null, spec, origin, child, n_starts) for child in children]
    replicates = np.array([value for value in statistics if value is not None])
    if not len(replicates):
        raise DegenerateFitError(
            Advice(
                f"none of {n_bootstrap} data sets simulated with K = {k} has a regular fit with "
                f"{k + 1} components; take a structure with shared covariances (",
                Option("covariance", "tied"),
                ").",
            )
        )
    n_failed = n_bootstrap - len(replicates)
    return BootstrapTest(
        _statistic(null, alternative), replicates, n_failed, null, alternative, seed
    )


def _fit_both(
    data: Dataset, spec: MixtureSpec, seed: np.random.SeedSequence, n_starts: int
) -> tuple[PointFit, PointFit]:
    options: dict[str, Any] = {
        "seed": integer(seed),
        "n_starts": n_starts,
        "tol": _TOLERANCE,
    }
    larger = replace(spec, n_components=spec.n_components + 1)
    return fit_em(data, spec, **options), fit_em(data, larger, **options)


def _statistic(null: PointFit, alternative: PointFit) -> float:
    """Return the likelihood ratio statistic; the models are nested, so it is not below 0."""
    return max(0.0, 2.0 * (alternative.log_likelihood - null.log_likelihood))


def _replicate(
    null: PointFit, spec: MixtureSpec, origin: Array, seed: np.random.SeedSequence, n_starts: int
) -> float | None:
    """Return the statistic of one simulated data set, or None where a fit collapsed."""
    for_rows, for_fits = seed.spawn(2)
    rng = np.random.default_rng(for_rows)
    rows = draw_recorded_rows(
        null.parameters, null.resolved.resolution, origin, int(null.n_obs), rng
    )
    with warnings.catch_warnings():
        for category in (ConvergenceWarning, DataWarning, DegeneracyWarning):
            warnings.simplefilter("ignore", category)
        try:
            fits = _fit_both(as_dataset(rows), spec, for_fits, n_starts)
        except (DataError, DegenerateFitError):
            return None
    if fits[0].flagged:
        return None
    return 0.0 if fits[1].flagged else _statistic(*fits)
