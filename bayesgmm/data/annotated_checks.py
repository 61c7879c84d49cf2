"""What rows with missing cells or annotations must satisfy, and the facts about them."""

import hashlib
import itertools
import json

import numpy as np

from bayesgmm.data.annotations import Annotations
from bayesgmm.data.checking import Facts, Lines, frozen, refuse_collinear, refuse_constant
from bayesgmm.data.columns import plural
from bayesgmm.data.incomplete import Normal, normal_of
from bayesgmm.errors import DataError
from bayesgmm.limits import FEW_TOGETHER, MAX_ABSOLUTE
from bayesgmm.typing import Array, BoolArray

__all__ = ["examine_annotated"]


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
    _refuse_cells(values, features, lines)
    _refuse_unseen(observed[counts], features)
    low = np.nanmin(values[counts], axis=0)
    high = np.nanmax(values[counts], axis=0)
    refuse_constant(low, high - low, np.maximum(abs(low), abs(high)), features)
    n = float(weights.sum()) if known.weights_kind == "frequency" else float(counts.sum())
    if counts.sum() < 2 or n <= len(features):
        raise DataError(
            f"{n:g} rows cannot show the spread of {plural(len(features), 'feature')}: at least "
            f"{max(2, len(features) + 1)} are needed; choose fewer columns.",
            n_obs=n,
            n_features=len(features),
        )
    told = _few_together(observed[counts], features)
    normal = normal_of(values, weights)
    deviations = np.sqrt(np.diag(normal.covariance))
    refuse_collinear(normal.covariance / np.outer(deviations, deviations), features)
    told += _nothing_observed(observed)
    facts = Facts(
        known.digest(_hash_of(values, features)),
        frozen(normal.mean),
        frozen(deviations * np.sqrt(n / (n - 1.0))),
        len(np.unique(np.where(observed, values, np.inf)[counts], axis=0)),
    )
    return facts, normal, told


def _hash_of(values: Array, features: tuple[str, ...]) -> str:
    digest = hashlib.sha256(json.dumps([*values.shape, *features]).encode())
    digest.update(np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes())
    return digest.hexdigest()


def _refuse_cells(values: Array, features: tuple[str, ...], lines: Lines) -> None:
    """Raise DataError for cells that are infinite or too large."""
    with np.errstate(invalid="ignore"):
        bad = np.argwhere(np.abs(values) > MAX_ABSOLUTE)
    if len(bad):
        row, j = bad[0].tolist()
        place = f"row {row + 1}" if lines is None else f"line {int(lines[row])}"
        raise DataError(
            f"data has {plural(len(bad), 'value')} infinite or above {MAX_ABSOLUTE:g} in size; "
            f"first in {place} ({features[j]!r}); correct these cells.",
            column=features[j],
            rows=(row + 1,),
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
