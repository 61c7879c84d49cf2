"""The log likelihood of every row at every draw."""

from collections import deque

import numpy as np

from bayesgmm.likelihood.annotated_rows import RowTable, require_noise, row_log_units
from bayesgmm.likelihood.compiled.draws import fill_log_likelihoods
from bayesgmm.likelihood.layout import lay_out
from bayesgmm.likelihood.picked import log_chances
from bayesgmm.model.parameters import Parameters, in_fitting_units, log_of_weights
from bayesgmm.runtime.parallel import in_threads
from bayesgmm.typing import Array

__all__ = ["pointwise_log_likelihood"]

_DRAWS_PER_TASK = 250


def pointwise_log_likelihood(
    parameters: Parameters,
    rows: RowTable,
    centre: Array,
    unit: Array,
    *,
    picked: bool = False,
    cores: int = 1,
) -> Array:
    """Return log p(x_i | draw), labels summed out; each row is counted once.

    Parameters
    ----------
    parameters : Parameters
        Draws, arrays of shape (sample, ...), data units.
    rows : AnnotatedRows or array of shape (obs, feature), data units
        Cells that are missing are left out.
    centre, unit : arrays of shape (feature,), data units
        Coordinates in which the arithmetic is done; the result does not depend on them.
    picked : bool
        Whether rows with labels were picked for these: they have the density given the label.
    cores : int
        Threads; the result does not depend on it.

    Returns
    -------
    array of shape (sample, obs), nats, data units
    """
    log_weights, means, covariances, nu = in_fitting_units(parameters, centre, unit)
    require_noise(rows, parameters)
    out = np.empty((len(log_weights), len(rows)))
    n_plain, blocks, annotated, order = lay_out(
        rows,
        centre,
        unit,
        parameters.weights.shape[1],
        n_layers=parameters.n_layers,
        gaussian=parameters.nu is None,
    )

    def fill(start: int) -> None:
        part = slice(start, start + _DRAWS_PER_TASK)
        found = out[part] if order is None else np.empty_like(out[part])
        mixtures = log_weights[part], means[part], covariances[part], nu[part]
        fill_log_likelihoods(blocks, n_plain, annotated, *mixtures, found)
        if order is not None:
            out[part, order] = found

    deque(in_threads(fill, range(0, len(out), _DRAWS_PER_TASK), cores=cores), maxlen=0)
    out -= row_log_units(rows, unit)
    if picked:
        out -= log_chances(rows, log_of_weights(parameters.weights))
    return out
