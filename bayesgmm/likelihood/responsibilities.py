"""Responsibilities of many draws, streamed: n x K x draws never lies in memory."""

from collections.abc import Callable, Iterator

import numpy as np

from bayesgmm.likelihood.annotated_rows import RowTable, require_noise
from bayesgmm.likelihood.compiled.draws import fill_responsibilities
from bayesgmm.likelihood.layout import lay_out
from bayesgmm.model.parameters import Parameters, in_fitting_units
from bayesgmm.runtime.parallel import in_threads
from bayesgmm.typing import Array

__all__ = ["over_draws", "responsibilities"]

_BLOCK_VALUES = 2**21  # responsibilities that a task holds at a time: 16 MiB
_BLOCK_DRAWS = 250


def responsibilities(parameters: Parameters, rows: RowTable, centre: Array, unit: Array) -> Array:
    """Return P(cluster | row) at one draw.

    Parameters
    ----------
    parameters : Parameters
        One mixture, arrays of shape (cluster, ...), data units.
    rows : AnnotatedRows or array of shape (obs, feature), data units
    centre, unit : arrays of shape (feature,), data units
        Coordinates in which the arithmetic is done; the result does not depend on them.

    Returns
    -------
    array of shape (cluster, obs)
        Columns sum to 1, or to what is not noise; NaN throughout where the parameters are not
        finite or a covariance is not positive definite.
    """
    single = parameters.at(None)
    (block,) = over_draws(lambda block, _: block, single, rows, centre, unit, cores=1)
    return block[0]


def over_draws[Result](
    reduce: Callable[[Array, slice], Result],
    parameters: Parameters,
    rows: RowTable,
    centre: Array,
    unit: Array,
    *,
    cores: int | None = None,
) -> Iterator[Result]:
    """Reduce the responsibilities of draws, block of draws by block of draws, in order.

    A pass costs about 2 ns a row, cluster, feature and draw on one core. The blocks depend on the
    problem's size only, so what is yielded does not depend on the number of threads.

    Parameters
    ----------
    reduce : callable of (block, part)
        ``block`` is an array of shape (draw, cluster, obs), the responsibilities of the draws
        ``part`` (a slice along sample; what is missing to 1 is the noise's), and the callable's to
        overwrite; NaN in draws that have none. Called from several threads at a time: it must not
        write to what they share, save to ``out[part]``.
    parameters : Parameters
        Draws, arrays of shape (sample, ...), data units; weights, means and covariances are used.
    rows : AnnotatedRows or array of shape (obs, feature), data units
    centre, unit : arrays of shape (feature,), data units
        Coordinates in which the arithmetic is done; the result does not depend on them.
    cores : int, optional
        Threads; all that there are by default.

    Yields
    ------
    What `reduce` returned for each block, in the order of the draws.

    Examples
    --------
    >>> import numpy as np
    >>> draws = Parameters(np.full((9, 2), 0.5), np.tile([[-3.0], [3.0]], (9, 1, 1)),
    ...                    *np.ones((3, 9, 2, 1, 1)))
    >>> sums = over_draws(lambda block, part: block.sum(axis=0), draws,
    ...                   np.array([[-3.0], [2.9]]), np.zeros(1), np.ones(1))
    >>> sum(sums).round(2)
    array([[9., 0.],
           [0., 9.]])
    """
    log_weights, means, covariances, nu = in_fitting_units(parameters, centre, unit)
    n_draws, n_parts = log_weights.shape
    require_noise(rows, parameters)
    n_layers, n_normals = parameters.n_layers, means.shape[1]
    n_clusters = n_normals // n_layers
    n_plain, blocks, annotated, order = lay_out(
        rows, centre, unit, n_clusters, n_layers=n_layers, gaussian=parameters.nu is None
    )
    step = max(1, min(_BLOCK_DRAWS, _BLOCK_VALUES // (n_parts * len(rows))))

    def task(start: int) -> Result:
        part = slice(start, min(start + step, n_draws))
        block = np.empty((part.stop - start, n_parts, len(rows)))
        mixtures = log_weights[part], means[part], covariances[part], nu[part]
        fill_responsibilities(blocks, n_plain, annotated, *mixtures, block)
        if order is not None:
            block[:, :, order] = block.copy()
        if n_layers > 1:
            layers = block[:, :n_normals].reshape(len(block), n_layers, n_clusters, -1)
            block = layers.sum(axis=1)
        elif n_parts > n_clusters:
            block = np.ascontiguousarray(block[:, :n_clusters])
        return reduce(block, part)

    yield from in_threads(task, range(0, n_draws, step), cores=cores)
