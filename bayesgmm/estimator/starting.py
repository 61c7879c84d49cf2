"""Starting points of the estimator: drawn in the way asked for, or given by the user."""

from typing import Any, NamedTuple

import numpy as np

from bayesgmm.advice import shown
from bayesgmm.arguments import check_numbers
from bayesgmm.data import Dataset
from bayesgmm.errors import ConfigError
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.multistart import SAMPLED_ROWS
from bayesgmm.fit.starts import draw_start, draw_starts
from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.likelihood.rows import rows_at
from bayesgmm.model.components.compact import compact_shape, expand, inverse
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array

__all__ = ["GivenStart", "given_start", "starting_parameters"]

_LEAST_ROWS = 0.01  # EM leaves a weight of 0 where it is


class GivenStart(NamedTuple):
    """What the user gave of a start, data units; None is drawn."""

    weights: Array | None
    means: Array | None
    covariances: Array | None


def given_start(
    resolved: ResolvedSpec, weights_init: Any, means_init: Any, precisions_init: Any, n_obs: float
) -> GivenStart:
    """Check what the user gave of a start for `n_obs` rows.

    Raises
    ------
    ConfigError
        For a wrong shape, weights below 0 or without sum 1, or precisions that are not
        positive definite.
    """
    k, d, structure = resolved.n_components, resolved.n_features, resolved.structure
    weights = _checked("weights_init", weights_init, (k,))
    if weights is not None:
        if not (np.all(weights >= 0.0) and np.isclose(weights.sum(), 1.0, rtol=1e-6)):
            raise ConfigError(
                f"weights_init must be numbers >= 0 with sum 1, got {shown(weights_init)}.",
                key="weights_init",
            )
        weights = np.maximum(weights, _LEAST_ROWS / n_obs)
        weights /= weights.sum()
    means = _checked("means_init", means_init, (k, d))
    precisions = _checked("precisions_init", precisions_init, compact_shape(structure, k, d))
    covariances = None
    if precisions is not None:
        try:
            covariances = expand(structure, inverse(structure, precisions), k, d)
        except np.linalg.LinAlgError:
            raise ConfigError(
                "precisions_init must be symmetric and positive definite.", key="precisions_init"
            ) from None
    return GivenStart(weights, means, covariances)


def starting_parameters(
    resolved: ResolvedSpec,
    data: Dataset,
    given: GivenStart,
    init_params: str,
    n_init: int,
    seed: int,
) -> list[Parameters]:
    """Return `n_init` starts: the first of the kind asked for, the others as `fit_em` draws them.

    Parameters
    ----------
    resolved : ResolvedSpec
    data : Dataset
        The starts are drawn from at most 5,000 sampled rows, missing cells filled.
    given : GivenStart
        Takes the place of what is drawn.
    init_params : str
        A key of `bayesgmm.fit.starts.START_KINDS`, the kind of the first start.
    n_init, seed : int
    """
    sample_seed, first, rest = np.random.SeedSequence(seed).spawn(3)
    rng = np.random.default_rng(sample_seed)
    values = data.completed(_sampled(data, rng), rng)
    rows = (values - resolved.centre) / resolved.unit
    k, structure = resolved.n_components, resolved.structure
    points = [draw_start(init_params, rows, k, structure, np.random.default_rng(first))]
    points += draw_starts(rows, k, structure, n_init - 1, rest)
    replaced = {name: value for name, value in given._asdict().items() if value is not None}
    target = Likelihood(resolved)
    return [target.parameters(point)._replace(**replaced) for point in points]


def _sampled(data: Dataset, rng: np.random.Generator) -> Array:
    """Return rows, each as often as it counts, or so many of them, drawn by their weights."""
    n_obs, known = data.n_obs, data.annotations
    if known is None or known.weights is None:
        few = n_obs <= SAMPLED_ROWS
        places = np.arange(n_obs) if few else rng.choice(n_obs, SAMPLED_ROWS, replace=False)
    elif known.weights.sum() <= SAMPLED_ROWS and not (known.weights % 1.0).any():
        places = np.repeat(np.arange(n_obs), known.weights.astype(np.int64))
    else:
        places = rng.choice(n_obs, SAMPLED_ROWS, p=known.weights / known.weights.sum())
    if data.in_memory:
        return np.asarray(data.values[places])
    order = np.argsort(places, kind="stable")
    rows = np.empty((len(places), data.n_features))
    rows[order] = values_of(rows_at(data, places[order]))
    return rows


def _checked(name: str, value: Any, shape: tuple[int, ...]) -> Array | None:
    if value is None:
        return None
    return check_numbers(name, value, shape)
