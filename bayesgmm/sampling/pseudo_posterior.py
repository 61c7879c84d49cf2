"""Draws under the weights of a survey: those of a pseudo-posterior, adjusted to the design.

With weights that correct for unequal chances of selection the weighted log likelihood has its
maximum near the population's, but its curvature H is not the inverse of the variance of that
maximum, H^-1 J H^-1, J being the variance of the sum of the weighted scores. An affine move of the
draws about their mean by A = (H^-1 J)^(1/2) gives them that variance; it is the identity where
J = H, as for equal weights and a model that holds.

References
----------
Williams and Savitsky (2021), International Statistical Review 89:72.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.data import Dataset
from bayesgmm.errors import SamplingError
from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.likelihood.climbing import row_scores
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import IDENTIFIED_TO_MATCH, VISIBLE
from bayesgmm.posterior.tree import attribute, parameters_of, with_attributes
from bayesgmm.sampling.nuts import ChainDraws
from bayesgmm.sampling.posterior_modes import (
    Labelling,
    PosteriorMode,
    climbed_mode,
    laplace_shares,
)
from bayesgmm.typing import Array

__all__ = ["PSEUDO_POSTERIOR", "adjusted", "surveyed"]

PSEUDO_POSTERIOR = "pseudo_posterior"  # the attribute that says how draws were adjusted
_OF_LABELS = ("relabelling", "identification", "order_feature")


def surveyed(data: Dataset) -> bool:
    """Whether rows have the weights of a survey."""
    return data.annotations is not None and data.annotations.surveyed


def adjusted(
    log_posterior: LogPosterior,
    tree: xr.DataTree,
    drawn: ChainDraws,
    modes: Sequence[PosteriorMode],
    assembled: Callable[[ChainDraws], xr.DataTree],
) -> xr.DataTree:
    """Return draws of a pseudo-posterior with the variance that the design gives.

    Parameters
    ----------
    log_posterior : LogPosterior
        Of rows with weights that sum to their number.
    tree : DataTree
        The draws as sampled, in one labelling.
    drawn : ChainDraws
        The same before they were laid out, of which the sampler's statistics are kept.
    modes : sequence of PosteriorMode
        All that a search found.
    assembled : callable
        Lays draws out as a result.

    Raises
    ------
    SamplingError
        Where one affine move does not fit all draws: they have several modes, or labels that are
        not identified.
    """
    _require_one_labelling(tree, modes)
    shape = drawn.x.shape
    x = log_posterior.unconstrain(parameters_of(tree)).reshape(-1, shape[2])
    mean = x[np.isfinite(x).all(axis=1)].mean(axis=0)
    mode = climbed_mode(log_posterior, mean)
    if mode is None or not Labelling(log_posterior).is_at(modes[0], mode.x, mode.log_density):
        raise _not_adjusted("their mean is not at their mode")
    move, stretch = _move(log_posterior, mode)
    moved = np.ascontiguousarray((mean + (x - mean) @ move.T).reshape(shape))
    statistics = {**drawn.statistics, "lp": log_posterior.log_densities(moved)}
    new = assembled(replace(drawn, x=moved, statistics=statistics))
    stats = new["sample_stats"].to_dataset()
    if "permutation" in tree["sample_stats"]:
        kept = tree["sample_stats"].to_dataset()["permutation"]
        new["sample_stats"] = xr.DataTree(stats.assign(permutation=kept))
    of_labels = {name: attribute(tree, name) for name in _OF_LABELS}
    return with_attributes(
        new,
        **{name: value for name, value in of_labels.items() if value is not None},
        **{PSEUDO_POSTERIOR: _facts(log_posterior.rows, stretch)},
    )


def _require_one_labelling(tree: xr.DataTree, modes: Sequence[PosteriorMode]) -> None:
    shares = laplace_shares(modes) if modes else np.empty(0)
    if (shares >= VISIBLE).sum() != 1:
        count = int((shares >= VISIBLE).sum())
        raise _not_adjusted(f"{count} modes hold {100 * VISIBLE:g} % of them or more")
    scores = attribute(tree, "identification") or [1.0]
    if min(scores) < IDENTIFIED_TO_MATCH:
        raise _not_adjusted(
            f"their labels are uncertain: cluster {int(np.argmin(scores)) + 1} is "
            f"identified in {100 * min(scores):.0f} % of the draws"
        )


def _not_adjusted(why: str) -> SamplingError:
    return SamplingError(
        "with a survey's weights draws are adjusted by one affine map, which does not suit these: "
        f"{why}. Take fewer clusters; fit_em and fit_map give estimates."
    )


def _move(log_posterior: LogPosterior, mode: PosteriorMode) -> tuple[Array, Array]:
    """Return (H^-1 J)^(1/2) at a mode, and by how much it stretches draws along its axes.

    With H^-1 = L L' it is L (L' J L)^(1/2) L^-1, whatever root L is taken.
    """
    root = np.linalg.inv(np.linalg.cholesky(mode.precision)).T
    of_scores = root.T @ _variance_of_scores(log_posterior, mode.x) @ root
    values, axes = np.linalg.eigh(of_scores)
    stretch = np.sqrt(np.maximum(values, 0.0))
    return root @ (axes * stretch) @ axes.T @ np.linalg.inv(root), stretch


def _variance_of_scores(log_posterior: LogPosterior, x: Array) -> Array:
    """Return the variance (dim, dim) of the sum of weighted scores of rows drawn independently."""
    rows = log_posterior.rows
    assert isinstance(rows, AnnotatedRows) and rows.weights is not None
    total, squares = np.zeros(len(x)), np.zeros((len(x), len(x)))
    for part, scores in row_scores(log_posterior, x):
        weighted = rows.weights[part, None] * scores
        total += weighted.sum(axis=0)
        squares += weighted.T @ weighted
    n = int(np.count_nonzero(rows.weights))
    return (squares - np.outer(total, total) / n) * (n / max(n - 1, 1))


def _facts(rows: Any, stretch: Array) -> dict[str, Any]:
    weights = rows.weights
    return {
        "adjustment": "sandwich",
        "assumes": "rows drawn independently of one another: no strata, no clusters",
        "effective_rows": float(weights.sum() ** 2 / (weights @ weights)),
        "stretch": [float(stretch.min()), float(stretch.max())],
    }
