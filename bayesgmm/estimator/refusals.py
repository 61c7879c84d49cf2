"""What the estimator asks before it works, in errors that are scikit-learn's as well as ours."""

from typing import Any

from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from bayesgmm.errors import DataError, NotFittedError

__all__ = ["check_fitted", "check_rows", "seed_from"]


class _NotFitted(NotFittedError, SklearnNotFittedError):
    """Both ours and scikit-learn's, so that either is caught."""


def check_fitted(estimator: Any) -> None:
    """Refuse an estimator that was not fitted."""
    try:
        check_is_fitted(estimator)
    except SklearnNotFittedError as error:
        raise _NotFitted(str(error)) from None


def check_rows(n_obs: int, n_components: int) -> None:
    """Refuse fewer rows than components, before a start is drawn, in scikit-learn's words."""
    if n_obs < n_components:
        raise DataError(
            f"Expected n_samples >= n_components, but got n_components = {n_components}, "
            f"n_samples = {n_obs}; ask for fewer components.",
            n_obs=n_obs,
            n_components=n_components,
        )


def seed_from(random_state: Any) -> int:
    """Return a seed from what scikit-learn takes for one."""
    return int(check_random_state(random_state).randint(2**31 - 1))
