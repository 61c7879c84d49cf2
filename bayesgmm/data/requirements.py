"""What a model asks of the data."""

import os
import warnings

import numpy as np

from bayesgmm.advice import Advice, Option
from bayesgmm.arguments import check_flag
from bayesgmm.data.columns import plural
from bayesgmm.data.dataset import Dataset
from bayesgmm.errors import DataError, DataWarning

__all__ = ["check_components", "check_labels", "require_whole_weights"]

_PACKAGE = os.path.dirname(os.path.dirname(__file__))


def check_components(
    data: Dataset, n_components: int, *, bounded: bool = False, prior: bool = True
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

    Raises
    ------
    DataError
        When there are not more rows than components, or fewer distinct rows.

    Warns
    -----
    DataWarning
        When there are fewer than ``K (D + 1)`` rows.
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
            " is for rows that were picked for their labels, and these rows have none; pass ",
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
            "frequency weights must be whole numbers but for a fit by EM (fit_em): got "
            f"{known.weights[row]:.6g} in row {row + 1}.",
            rows=(row + 1,),
        )
