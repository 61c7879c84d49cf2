"""What a model asks of the data."""

import os
import warnings

import numpy as np

from bayesgmm.advice import Advice, Option
from bayesgmm.arguments import check_flag
from bayesgmm.data.columns import in_percent, plural
from bayesgmm.data.dataset import Dataset
from bayesgmm.errors import DataError, DataWarning

__all__ = ["check_components", "check_labels", "require_whole_weights"]

_SCALE_PRECISION = 1.0 / 0.8**2  # of the log of a scale under the default prior; a row has 2
_PACKAGE = os.path.dirname(os.path.dirname(__file__))


def check_components(
    data: Dataset,
    n_components: int,
    *,
    bounded: bool = False,
    prior: bool = True,
    correlated: bool = True,
) -> None:
    """Check that the data can carry this number of components.

    Parameters
    ----------
    data : Dataset
        The data.
    n_components : int
        Number of components K.
    bounded : bool
        Whether variances are kept above 0, so that a component may hold a single row: then K may
        be the number of rows.
    prior : bool
        Whether a prior stands in where rows are few.
    correlated : bool
        Whether a component has a free correlation matrix, which needs more rows than features.

    Raises
    ------
    DataError
        When there are not more rows than components, or fewer distinct rows, or too few for
        correlations.

    Warns
    -----
    DataWarning
        When there are fewer than ``K (D + 1)`` rows, or without correlations than features.
    """
    n_obs, n_features = data.n_counted, data.n_features
    facts = {"n_obs": n_obs, "n_distinct": data.n_distinct, "n_components": n_components}
    if n_obs < n_components + (not bounded):
        raise DataError(
            f"{plural(n_components, 'component')} need more than {plural(n_components, 'row')}, "
            f"got {n_obs}; ask for fewer components.",
            **facts,
        )
    if data.n_distinct < n_components:
        raise DataError(
            f"{n_components} components need as many distinct rows, got {data.n_distinct} among "
            f"{n_obs}; ask for at most {data.n_distinct} components.",
            **facts,
        )
    seen = min(n_obs, data.n_obs)  # a row with a weight shows no more than one
    if not correlated:
        _say_few(seen, n_features, n_components, prior=prior)
        return
    _refuse_few(seen, n_features)
    enough = n_components * (n_features + 1)
    if n_obs < enough:
        danger = "the prior dominates" if prior else "they may fit no more than chance"
        warnings.warn(
            f"{n_obs} rows are few for {plural(n_components, 'component')} in "
            f"{plural(n_features, 'feature')} (fewer than K (D + 1) = {enough}): "
            f"{danger}. Take fewer components or a simpler covariance structure, such as 'tied'.",
            DataWarning,
            skip_file_prefixes=(_PACKAGE,),
        )


def _say_few(n_obs: float, n_features: int, n_components: int, *, prior: bool) -> None:
    """Warn where there are no more rows than features, of which each has a scale of its own."""
    if n_obs > n_features:
        return
    each = n_obs / n_components
    share = _SCALE_PRECISION / (_SCALE_PRECISION + 2.0 * each)
    told = f"; the default prior gives {in_percent(share)} of the information on a scale"
    decided = told if prior else ""
    warnings.warn(
        f"{n_obs:g} rows in {plural(n_features, 'feature')} cannot show how features vary together "
        "within clusters: what the model says of that, no correlations or those that its factors "
        "make, is an assumption. Each scale of a cluster rests on about "
        f"{plural(round(each), 'row')}{decided}.",
        DataWarning,
        skip_file_prefixes=(_PACKAGE,),
    )


def _refuse_few(n_obs: float, n_features: int) -> None:
    """Refuse rows that are too few to show how so many features vary together."""
    if n_obs > n_features:
        return
    raise DataError(
        Advice(
            f"{n_obs:g} rows cannot show the spread of {n_features} features: at least "
            f"{n_features + 1} rows are needed for free correlations; choose fewer columns, or a "
            "structure without them, such as ",
            Option("covariance", "diag"),
            " or ",
            Option("covariance", "factor"),
            ".",
        ),
        n_obs=n_obs,
        n_features=n_features,
    )


def check_labels(data: Dataset, inform_weights: bool) -> None:
    """Check that there are labels where rows are said to be picked for them.

    Raises
    ------
    DataError
        Where no row has a label, and labels are not to inform the weights.
    """
    known, inform = data.annotations, check_flag("labels_inform_weights", inform_weights)
    if inform or (known is not None and known.possible is not None):
        return
    raise DataError(
        Advice(
            Option("labels_inform_weights", False),
            " is for rows that were selected for their labels, and these rows have none; pass ",
            Option("labels"),
            ", or leave it out.",
        )
    )


def require_whole_weights(data: Dataset) -> None:
    """Check that weights are numbers of rows: only point fits take others.

    Raises
    ------
    DataError
        Where a frequency weight is no whole number.
    """
    known = data.annotations
    if known is None or known.weights is None or known.weights_kind != "frequency":
        return
    fractions = np.flatnonzero(known.weights % 1.0)
    if len(fractions):
        row = int(fractions[0])
        raise DataError(
            "frequency weights must be whole numbers, except in fit_em: got "
            f"{known.weights[row]:.6g} in row {row + 1}.",
            rows=(row + 1,),
        )
