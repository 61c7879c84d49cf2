"""What rows with missing cells or annotations must satisfy, and the facts about them."""

import itertools

import numpy as np

from bayesgmm.advice import Advice, Option
from bayesgmm.data.annotations import Annotations
from bayesgmm.data.checking import (
    Facts,
    frozen,
    refuse_collinear,
    refuse_constant,
)
from bayesgmm.data.columns import plural
from bayesgmm.data.faults import Faults, Lines
from bayesgmm.data.incomplete import Normal, normal_of
from bayesgmm.data.passes import digest_of
from bayesgmm.errors import DataError
from bayesgmm.limits import FEW_TOGETHER
from bayesgmm.typing import Array, BoolArray

__all__ = ["examine_annotated", "refuse_few"]


def examine_annotated(
    values: Array, features: tuple[str, ...], lines: Lines, known: Annotations
) -> tuple[Facts, Normal, list[str]]:
    """Check rows of which something is known beside their values.

    Parameters
    ----------
    values : array of shape (obs, feature), data units
        NaN where a cell is missing.
    features : tuple of str
    lines : array of shape (obs,), optional
        Where the rows stand in their file.
    known : Annotations

    Returns
    -------
    facts : Facts
        Centre and spread are those of one Normal fitted to what is observed, rows counted by their
        weights.
    normal : Normal
        That Normal.
    told : list of str
        What the user has to know.

    Raises
    ------
    DataError
        For a cell that no fit can take, a column that is never observed or does not vary, two that
        are never observed together, or one that follows from others.
    """
    weights = np.ones(len(values)) if known.weights is None else known.weights
    counts = weights > 0.0
    observed = ~np.isnan(values)
    faults = Faults(features)
    faults.note(values)
    faults.refuse(lines, allowed="missing")
    _refuse_unseen(observed[counts], features)
    low = np.nanmin(values[counts], axis=0)
    high = np.nanmax(values[counts], axis=0)
    refuse_constant(low, high - low, np.maximum(abs(low), abs(high)), features)
    n = known.n_counted(len(values))
    refuse_few(n, len(features))
    told = [] if observed.all() else _few_together(observed[counts], features)
    normal = normal_of(values, weights)
    deviations = np.sqrt(np.diag(normal.covariance))
    refuse_collinear(normal.covariance / np.outer(deviations, deviations), features)
    told += _nothing_observed(observed)
    facts = Facts(
        _digest_of(values, features, known),
        frozen(normal.mean),
        frozen(deviations * np.sqrt(n / (n - 1.0))),
        len(np.unique(np.where(observed, values, np.inf)[counts], axis=0)),
    )
    return facts, normal, told


def glance_annotated(
    values: Array, features: tuple[str, ...], lines: Lines, known: Annotations
) -> Facts:
    """Check rows that nothing is fitted to: any cell may be missing, and they need not vary."""
    faults = Faults(features)
    faults.note(values)
    faults.refuse(lines, allowed="missing")
    nothing = frozen(np.full(len(features), np.nan))
    return Facts(_digest_of(values, features, known), nothing, nothing, len(values))


def _digest_of(values: Array, features: tuple[str, ...], known: Annotations) -> str:
    digest = digest_of(len(values), features)
    digest.update(np.where(np.isnan(values), np.nan, values).astype("<f8").ravel())
    return known.digest(digest.hexdigest())


def refuse_few(n_obs: float, n_features: int) -> None:
    """Refuse rows that are too few to show how so many features vary together."""
    if n_obs <= n_features:
        raise DataError(
            Advice(
                f"{n_obs:g} rows cannot show the spread of {n_features} features: at least "
                f"{n_features + 1} rows are needed for correlations; choose fewer columns, or, of "
                "complete rows, a structure without correlations, such as ",
                Option("covariance", "diag"),
                ".",
            ),
            n_obs=n_obs,
            n_features=n_features,
        )


def _refuse_unseen(observed: BoolArray, features: tuple[str, ...]) -> None:
    """Raise DataError for columns that are never observed, alone or together."""
    for j in np.flatnonzero(~observed.any(axis=0)).tolist():
        raise DataError(
            f"column {features[j]!r} is never observed; leave it out.", column=features[j]
        )
    for i, j in itertools.combinations(range(len(features)), 2):
        if not (observed[:, i] & observed[:, j]).any():
            names = (features[i], features[j])
            raise DataError(
                f"columns {names[0]!r} and {names[1]!r} are never observed together: nothing shows "
                "how they go together; leave one of them out.",
                column=names[1],
                columns=names,
            )


def _few_together(observed: BoolArray, features: tuple[str, ...]) -> list[str]:
    """Name pairs of columns that few rows show together."""
    together = observed.astype(float).T @ observed
    pairs = [
        f"{features[i]!r} and {features[j]!r} ({int(together[i, j])})"
        for i, j in itertools.combinations(range(len(features)), 2)
        if together[i, j] < FEW_TOGETHER
    ]
    if not pairs:
        return []
    more = f" and {len(pairs) - 3} more pairs" if len(pairs) > 3 else ""
    return [
        f"fewer than {FEW_TOGETHER} rows show both of {', '.join(pairs[:3])}{more}: little but the "
        "other columns and the prior says how they go together."
    ]


def _nothing_observed(observed: BoolArray) -> list[str]:
    empty = np.flatnonzero(~observed.any(axis=1))
    if not len(empty):
        return []
    return [
        f"{plural(len(empty), 'row')} with no cell observed, first row {empty[0] + 1}: kept; "
        "each says nothing of the clusters."
    ]
