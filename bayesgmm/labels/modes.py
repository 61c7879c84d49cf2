"""Chains grouped by the mode in which they stayed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from bayesgmm.labels.quantities import Quantity, label_free_quantities
from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.limits import CHAINS_APART, STAYING_DRAWS
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.kept_rows import with_kept_rows
from bayesgmm.typing import Array

__all__ = ["Mode", "group_chains"]

_ROWS = 200


@dataclass(frozen=True)
class Mode:
    """The chains that stayed in one mode.

    Parameters
    ----------
    chains : tuple of int
        Positions of the chains.
    log_likelihood, log_likelihood_sd : float
        Mean and standard deviation over their draws, nats, data units.
    sorted_weights : tuple of float
        Mean of the weights, the largest first.

    Examples
    --------
    >>> Mode((0, 2), -1130.3, 1.6, (0.64, 0.36)).chains
    (0, 2)
    """

    chains: tuple[int, ...]
    log_likelihood: float
    log_likelihood_sd: float
    sorted_weights: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}


def group_chains(draws: Draws, quantities: list[Quantity] | None = None) -> tuple[Mode, ...]:
    """Group chains by mode through what does not depend on labels.

    Two chains lie apart when the means of some quantity differ by more than 2 of its standard
    deviations within the chains; chains linked by neighbours share a mode. Compared are the
    label-free quantities and the log likelihoods of at most 200 rows. Chains of fewer than 20
    draws are all put together.

    Parameters
    ----------
    draws : Draws
    quantities : list of Quantity, optional
        The label-free quantities, if they are at hand.

    Returns
    -------
    tuple of Mode
        The highest log likelihood first; chains that are not finite belong to none.
    """
    quantities = label_free_quantities(draws) if quantities is None else quantities
    values = np.stack([q.values for q in quantities], axis=-1)
    rows = _row_log_likelihoods(draws)
    values = values if rows is None else np.concatenate([values, rows], axis=-1)
    finite = np.flatnonzero(np.isfinite(values).all(axis=(1, 2)))
    values = values[finite]
    _, labels = connected_components(_near(values), directed=False)
    weights = draws.parameters.weights.reshape(*draws.shape, -1)[finite]
    weights = -np.sort(-weights, axis=2)
    modes = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        log_likelihood = values[members, :, 0]
        modes.append(
            Mode(
                chains=tuple(finite[members].tolist()),
                log_likelihood=float(log_likelihood.mean()),
                log_likelihood_sd=float(log_likelihood.std()),
                sorted_weights=tuple(weights[members].mean(axis=(0, 1)).tolist()),
            )
        )
    return tuple(sorted(modes, key=lambda mode: -mode.log_likelihood))


def _near(values: Array) -> NDArray[np.bool_]:
    """Say of each pair of chains whether they lie near: values (chain, draw, quantity)."""
    if values.shape[1] < STAYING_DRAWS:
        return np.ones((len(values), len(values)), dtype=bool)
    means, variances = values.mean(axis=1), values.var(axis=1)
    differences = np.abs(means[:, None] - means[None])
    within = np.sqrt(0.5 * (variances[:, None] + variances[None]))
    return (differences <= CHAINS_APART * within + 1e-12 * np.abs(means)).all(axis=2)


def _row_log_likelihoods(draws: Draws) -> Array | None:
    """Return log p(x_i) of rows spread over the data, shape (chain, draw, row), nats.

    Where the components are not Gaussian, what is stored; None where nothing is.
    """
    table = with_kept_rows(draws).table
    every = -(-len(table) // _ROWS)
    if not draws.gaussian:
        if "log_likelihood" not in draws.tree:
            return None
        return draws.tree["log_likelihood"].to_dataset()["x"].values[:, :, ::every]
    part = table[::every]
    rows = part if isinstance(part, AnnotatedRows) else np.ascontiguousarray(part)
    return draws.log_densities(rows).reshape(*draws.shape, len(rows))
