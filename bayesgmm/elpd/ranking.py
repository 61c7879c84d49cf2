"""Rank models by their expected log predictive density."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesgmm.elpd.predictive import WEIGHT
from bayesgmm.model.several import as_models, table_by_model

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
        One row a model, index K: covariance, family, noise, n_factors; elpd_diff and se_diff,
        nats, from the best; weight (stacking).
    """
    keyed = as_models(elpds)
    rows = ranked(keyed)
    return table_by_model({spec: rows[spec] for spec in keyed})


def ranked(elpds: Mapping[Any, Any]) -> dict[Any, dict[str, float]]:
    """Return elpd_diff, se_diff and weight of each key.

    Each row of the data is shifted by its largest value over the models first: differences and
    weights do not depend on it, and without it the weights underflow for rows of very low density.
    A row with a frequency weight is written as often as it counts, as ArviZ knows no weights.
    """
    import arviz as az

    if len(elpds) == 1:
        return {key: dict(zip(_COLUMNS, (0.0, 0.0, 1.0), strict=True)) for key in elpds}
    largest = np.max([np.asarray(e.elpd_i) for e in elpds.values()], axis=0)
    shifted = {
        str(place): _written_out(replace(e, elpd_i=e.elpd_i - largest))
        for place, e in enumerate(elpds.values())
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        table = az.compare(shifted, round_to="none")
    table = table.rename(columns={"dse": "se_diff"})[_COLUMNS].astype(float)
    return {key: table.loc[str(place)].to_dict() for place, key in enumerate(elpds)}


def _written_out(estimate: Any) -> Any:
    """Return an elpd with each row's term as often as it counts, and their sum."""
    terms = estimate.elpd_i
    if WEIGHT in terms.coords:
        terms = terms.isel(obs=np.repeat(np.arange(terms.size), terms[WEIGHT].astype(np.int64)))
    return replace(estimate, elpd=float(terms.sum()), elpd_i=terms)
