"""Which optima chance explains: narrow components on the few rows that always lie near a plane.

McLachlan and Peel (2000), Finite Mixture Models, section 3.10, call them spurious maximisers.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaln

from bayesgmm.likelihood.annotated_rows import RowTable, groups_of
from bayesgmm.likelihood.responsibilities import responsibilities
from bayesgmm.likelihood.rows import Rows
from bayesgmm.limits import CHANCE_SLABS, NARROW
from bayesgmm.model.components import Structure
from bayesgmm.model.parameters import Parameters
from bayesgmm.typing import Array, IntArray

__all__ = ["by_chance", "log_expected_slabs", "narrowest", "rows_that_see", "slimmest"]

_LOG_CHANCE = math.log(CHANCE_SLABS)


def narrowest(parameters: Parameters, structure: Structure) -> Array:
    """Return each component's smallest variance, relative to the pooled one: shape (cluster,).

    The smallest is that in any direction, which an affine map of the data leaves alone; or that of
    any feature where a component is narrow by its scales alone.

    References
    ----------
    Rocci, Gattone and Di Mari (2018), Advances in Data Analysis and Classification 12:235, who
    bound the same ratio.
    """
    if structure.narrows_by_feature:
        return _relative_variances(parameters).min(axis=1)
    return np.linalg.eigvalsh(_whitened(parameters)[1])[:, 0]


def by_chance(
    parameters: Parameters,
    structure: Structure,
    n_obs: float,
    rows: Rows | None = None,
) -> NDArray[np.bool_]:
    """Which components chance explains: narrow ones, and more than 0.001 such slabs are expected.

    Narrow is a component with less than a tenth of the pooled standard deviation in some direction.

    Parameters
    ----------
    parameters : Parameters
    structure : Structure
    n_obs : float
    rows : Rows, optional
        The rows. Where some have missing cells or errors only those count that see a component
        narrow; the others lie in its slab whatever they are.

    Returns
    -------
    array of shape (cluster,), bool
    """
    slim = narrowest(parameters, structure) < NARROW
    if not slim.any():
        return slim
    counts: tuple[float | Array, Array | None] = n_obs, None
    if rows is not None and rows.blurred:
        counts = rows_that_see(parameters, structure, rows)
    return slim & (log_expected_slabs(parameters, structure, *counts) > _LOG_CHANCE)


def rows_that_see(parameters: Parameters, structure: Structure, rows: Rows) -> tuple[Array, Array]:
    """Count the rows to which each component is narrow, and how many of them it holds.

    A row sees the margin of a component in its observed cells, widened by its errors.

    Returns
    -------
    n, held : arrays of shape (cluster,)
    """
    pooled = np.einsum("k,kij->ij", parameters.shares, parameters.covariances)
    centre, unit = parameters.shares @ parameters.means, np.sqrt(np.diag(pooled))
    n, held = np.zeros((2, len(parameters.covariances)))
    for seeing, its in rows.each(_that_see, parameters, structure, centre, unit):
        n += seeing
        held += its
    return n, held


def _that_see(
    chunk: RowTable, parameters: Parameters, structure: Structure, centre: Array, unit: Array
) -> tuple[Array, Array]:
    """Return what `rows_that_see` does, of a chunk of the rows."""
    n, held = np.zeros((2, len(parameters.covariances)))
    shares = responsibilities(parameters, chunk, centre, unit)
    for group in groups_of(chunk):
        if not len(group.observed):
            continue
        square = np.ix_(group.observed, group.observed)
        margin = parameters._replace(
            means=parameters.means[:, group.observed],
            covariances=parameters.covariances[(slice(None), *square)] + np.diag(group.errors**2),
        )
        see = narrowest(margin, structure) < NARROW
        times = np.ones(len(group.places)) if group.weights is None else group.weights
        n += see * times.sum()
        held += see * (shares[:, group.places] @ times)
    return n, held


def slimmest(parameters: Parameters, structure: Structure, n_obs: float) -> int:
    """Return the component that chance explains; the narrowest where missing cells hide which."""
    chance = by_chance(parameters, structure, n_obs)
    return int(chance.argmax() if chance.any() else narrowest(parameters, structure).argmin())


def log_expected_slabs(
    parameters: Parameters,
    structure: Structure,
    n_obs: float | Array,
    held: Array | None = None,
) -> Array:
    """Return the log of the number of slabs as full as each component that chance offers.

    A slab is fixed by D + 1 of the n rows: D lie in a plane, one more sets its width. The other
    rows of component k must have fallen into it, where the components j expect

        e_k = sum_j n_j integral(f_k f_j) / integral(f_k^2)

    rows. C(n, D + 1) P(Poisson(e_k) >= n_k - D - 1) slabs as full as that are expected. Where a
    component has no correlations of its own, slabs lie across the features: two rows fix one, and a
    component that is narrow in m features is one of C(D, m) C(n, 2 m). With q factors a slab lies
    in q + 1 features, where q + 2 rows fix it: C(D, q + m) C(n, (q + 2) m) are narrow in m
    directions; and q + 1 rows lie on their factors whatever they are. A small cluster that stands
    apart is believed however narrow, as e_k is 0 there.

    Parameters
    ----------
    parameters : Parameters
    structure : Structure
    n_obs : float or array of shape (cluster,)
        Number of rows that see each component narrow: all where no cell is missing.
    held : array of shape (cluster,), optional
        How many of these it holds; its weight times their number by default.

    Returns
    -------
    array of shape (cluster,)

    References
    ----------
    Glaz, Naus and Wallenstein (2001), Scan Statistics: clusters of points by chance.
    """
    means, covariances = _whitened(parameters)
    rows = parameters.weights * n_obs if held is None else held
    n_features = means.shape[1]
    gaps = means[:, None] - means
    sums = covariances[:, None] + covariances
    distances = (gaps * np.linalg.solve(sums, gaps[..., None])[..., 0]).sum(axis=-1)
    log_ratios = np.linalg.slogdet(2.0 * covariances)[1][:, None] - np.linalg.slogdet(sums)[1]
    others = parameters.weights * np.asarray(n_obs)[..., None]
    shares = np.exp(0.5 * (log_ratios - distances)) * others
    np.fill_diagonal(shares, 0.0)
    if structure.narrows_by_feature:
        narrow = (_relative_variances(parameters) < NARROW).sum(axis=1)
        fixed, log_ways = 2 * np.maximum(narrow, 1), _log_choices(n_features, narrow)
    elif structure.has_loadings:
        narrow = np.maximum((np.linalg.eigvalsh(covariances) < NARROW).sum(axis=1), 1)
        fixed = (structure.n_factors + 2) * narrow
        within = np.minimum(structure.n_factors + narrow, n_features)
        log_ways = _log_choices(n_features, within)
    else:
        fixed, log_ways = np.full(len(rows), n_features + 1), np.zeros(len(rows))
    free = rows - fixed
    tails = np.where(free > 0.0, gammainc(np.maximum(free, 1e-3), shares.sum(axis=1)), 1.0)
    log_tails = np.log(np.maximum(tails, 1e-300))
    found = log_ways + _log_choices(n_obs, fixed) + log_tails
    if structure.has_loadings:
        found = np.where(rows < structure.n_factors + 1.5, 0.0, found)
    return np.asarray(found)


def _log_choices(of: float | Array, chosen: Array | IntArray) -> Array:
    return gammaln(of + 1) - gammaln(chosen + 1) - gammaln(np.maximum(of - chosen, 0) + 1)


def _relative_variances(parameters: Parameters) -> Array:
    """Return variances (cluster, feature) divided by the pooled ones."""
    variances = np.einsum("kdd->kd", parameters.covariances)
    return variances / (parameters.shares @ variances)


def _whitened(parameters: Parameters) -> tuple[Array, Array]:
    """Return means and covariances where the pooled covariance is the identity."""
    pooled = np.einsum("k,kij->ij", parameters.shares, parameters.covariances)
    inverse = np.linalg.inv(np.linalg.cholesky(pooled))
    return parameters.means @ inverse.T, inverse @ parameters.covariances @ inverse.T
