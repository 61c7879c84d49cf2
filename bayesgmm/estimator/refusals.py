"""What the estimator asks before it works, in errors that are scikit-learn's as well as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from bayesgmm.advice import shown
from bayesgmm.arguments import check_count, check_flag, check_one_of, check_real
from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError, DataError, NotFittedError
from bayesgmm.fit.starts import START_KINDS
from bayesgmm.model.components import WITH_FACTORS
from bayesgmm.model.spec import FITTED_COVARIANCES, MCLUST_NAMES

__all__ = ["check_fitted", "check_parameters", "check_rows", "refused_as", "seed_from"]

_LONGEST = 500


class _NotFitted(NotFittedError, SklearnNotFittedError):
    """Both ours and scikit-learn's, so that either is caught."""


def check_fitted(estimator: Any) -> None:
    """Refuse an estimator that was not fitted."""
    try:
        check_is_fitted(estimator)
    except SklearnNotFittedError as error:
        raise _NotFitted(str(error)) from None


def check_parameters(estimator: Any) -> None:
    """Refuse a parameter that is none of those allowed."""
    for name in ("n_components", "max_iter", "n_init", "verbose", "verbose_interval"):
        check_count(name, getattr(estimator, name), least=int(name not in ("max_iter", "verbose")))
    for name, allowed in (
        ("covariance_type", (*FITTED_COVARIANCES, *WITH_FACTORS, *MCLUST_NAMES)),
        ("init_params", tuple(START_KINDS)),
        ("method", ("em", "map")),
        ("missing", ("refuse", "mar")),
    ):
        check_one_of(name, getattr(estimator, name), allowed)
    for name in ("tol", "reg_covar"):
        value = getattr(estimator, name)
        if check_real(name, value) < 0.0:
            raise ConfigError(f"{name} must be a number >= 0, got {shown(value)}.", key=name)
    check_flag("warm_start", estimator.warm_start)


def check_rows(data: Dataset, n_components: int) -> None:
    """Refuse fewer rows than components, before a start is drawn, in scikit-learn's words."""
    weights = None if data.annotations is None else data.annotations.weights
    n_obs = data.n_obs if weights is None else int(np.count_nonzero(weights))
    if n_obs < n_components:
        raise DataError(
            f"Expected n_samples >= n_components, but got n_components = {n_components}, "
            f"n_samples = {n_obs}; ask for fewer components.",
            n_obs=n_obs,
            n_components=n_components,
        )


def seed_from(random_state: Any) -> int:
    """Return a seed from what scikit-learn takes for one."""
    with refused_as(ConfigError):
        return int(check_random_state(random_state).randint(2**31 - 1))


class _NotNumbers(DataError, TypeError):
    """Both ours and what scikit-learn raises for rows that hold no numbers."""


@contextmanager
def refused_as(kind: type[DataError | ConfigError]) -> Iterator[None]:
    """Say in an error of ours what scikit-learn's checks in the block refuse."""
    try:
        yield
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        message = " ".join(str(error).split())[:_LONGEST].rstrip(".") + "."
        not_numbers = isinstance(error, TypeError) and kind is DataError
        raise (_NotNumbers if not_numbers else kind)(message) from error
