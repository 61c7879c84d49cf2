"""Rank models by their expected log predictive density."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import LinearConstraint, minimize

from bayesgmm.elpd.predictive import WEIGHT
from bayesgmm.model.several import as_models, table_by_model
from bayesgmm.typing import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["rank", "ranked"]

_COLUMNS = ["elpd_diff", "se_diff", "weight"]


def rank(elpds: Mapping[Any, Any]) -> "pd.DataFrame":
    """Compare the elpd of several models by ArviZ.

    Parameters
    ----------
    elpds : mapping of MixtureSpec or int to arviz.ELPDData
        Integers stand for the default spec of that K.

    Returns
    -------
    pandas.DataFrame
        One row per model, index K: covariance, family, noise, n_factors; elpd_diff and se_diff,
        nats, from the best; weight (stacking).
    """
    keyed = as_models(elpds)
    rows = ranked(keyed)
    return table_by_model({spec: rows[spec] for spec in keyed})


def ranked(elpds: Mapping[Any, Any]) -> dict[Any, dict[str, float]]:
    """Return elpd_diff, se_diff and weight of each key.

    Each row of the data is shifted by its largest value over the models first: differences and
    weights do not depend on it, and without it the weights underflow for rows of very low density.
    """
    import arviz as az

    if len(elpds) == 1:
        return {key: dict(zip(_COLUMNS, (0.0, 0.0, 1.0), strict=True)) for key in elpds}
    largest = np.max([np.asarray(e.elpd_i) for e in elpds.values()], axis=0)
    first = next(iter(elpds.values())).elpd_i
    if WEIGHT in first.coords:
        terms = np.array([e.elpd_i.values - largest for e in elpds.values()])
        table = _ranked_by_weight(terms, first[WEIGHT].values)
        return {
            key: dict(zip(_COLUMNS, row, strict=True))
            for key, row in zip(elpds, table.tolist(), strict=True)
        }
    shifted = {
        str(place): replace(e, elpd=e.elpd - largest.sum(), elpd_i=e.elpd_i - largest)
        for place, e in enumerate(elpds.values())
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        table = az.compare(shifted, round_to="none")
    table = table.rename(columns={"dse": "se_diff"})[_COLUMNS].astype(float)
    return {key: table.loc[str(place)].to_dict() for place, key in enumerate(elpds)}


def _ranked_by_weight(terms: Array, counts: Array) -> Array:
    """Return what ArviZ, which knows no weights, says of rows written as often as they count.

    Parameters
    ----------
    terms : array of shape (model, obs), nats
        Of each row at most 0.
    counts : array of shape (obs,)

    Returns
    -------
    array of shape (model, 3)
        elpd_diff, se_diff and weight.
    """
    n, n_models = counts.sum(), len(terms)
    shares = counts / n
    differences = terms - terms[(terms @ shares).argmax()]
    means = differences @ shares
    spread = (differences - means[:, None]) ** 2 @ shares
    densities = np.exp(terms)

    def loss(weights: Array) -> tuple[float, Array]:
        mixed = np.maximum(weights @ densities, 1e-300)
        return -float(shares @ np.log(mixed)), -(densities @ (shares / mixed))

    stacked = minimize(
        loss,
        np.full(n_models, 1.0 / n_models),
        jac=True,
        bounds=[(0.0, 1.0)] * n_models,
        constraints=LinearConstraint(np.ones(n_models), lb=1.0, ub=1.0),
        options={"ftol": 1e-12},
    )
    return np.column_stack([n * means, np.sqrt(n * spread), stacked.x])
