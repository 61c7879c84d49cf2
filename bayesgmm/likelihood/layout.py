"""Rows as compiled passes read them, fitting coordinates."""

from typing import NamedTuple

import numpy as np

from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowGroup, RowTable, groups_of
from bayesgmm.likelihood.compiled.kernels import blocked
from bayesgmm.likelihood.compiled.row_groups import Part, flatten_parts
from bayesgmm.typing import Array, IntArray

__all__ = ["Layout", "lay_out", "pass_weights"]


class Layout(NamedTuple):
    """Rows laid out: the complete ones without annotations in blocks, then the others.

    Parameters
    ----------
    n_plain : int
        Number of the complete rows without annotations.
    blocks : array of shape (blocks, feature, row)
    annotated : array of shape (size,) or None
        The others, `bayesgmm.likelihood.compiled.row_groups.flatten_parts`; None where there are
        none, and what they need is then not even compiled.
    order : array of shape (obs,) or None
        Where the rows stand that a pass comes to one after another; None where that is their order.
    """

    n_plain: int
    blocks: Array
    annotated: Array | None
    order: IntArray | None


def lay_out(
    rows: RowTable,
    centre: Array,
    unit: Array,
    n_clusters: int,
    *,
    n_layers: int = 1,
    gaussian: bool = True,
) -> Layout:
    """Lay rows out.

    Parameters
    ----------
    rows : AnnotatedRows or array of shape (obs, feature), data units
    centre, unit : arrays of shape (feature,), data units
        Rows become (values - centre) / unit.
    n_clusters : int
    n_layers : int
        Gaussians a cluster, as `bayesgmm.likelihood.compiled.layers` orders them.
    gaussian : bool
        Whether components are Gaussian: the pass over plain rows knows no others.

    Raises
    ------
    ValueError
        Where rows say which of another number of clusters they may belong to.
    """
    plain, others = _divided(rows, gaussian)
    if isinstance(rows, AnnotatedRows):
        rows.require_clusters(n_clusters)
    values = plain[0].values if plain else np.empty((0, len(centre)))
    return Layout(
        len(values),
        blocked(values, centre, unit),
        flatten_parts([_part(each, centre, unit, n_layers) for each in others]) if others else None,
        np.concatenate([group.places for group in (*plain, *others)]) if others else None,
    )


def pass_weights(rows: RowTable, *, gaussian: bool = True) -> Array:
    """Return how often each row counts (obs,), in the order in which a pass comes to them."""
    plain, others = _divided(rows, gaussian)
    return np.concatenate(
        [
            np.ones(len(group.places)) if group.weights is None else group.weights
            for group in (*plain, *others)
        ]
    )


def _divided(rows: RowTable, gaussian: bool) -> tuple[list[RowGroup], list[RowGroup]]:
    groups = [group for group in groups_of(rows) if len(group.places) or gaussian]
    plain = [group for group in groups if group.plain and gaussian]
    return plain, [group for group in groups if not (group.plain and gaussian)]


def _part(group: RowGroup, centre: Array, unit: Array, n_layers: int) -> Part:
    centre, unit = centre[group.observed], unit[group.observed]
    return Part(
        group.observed,
        (group.errors / unit) ** 2,
        (group.values - centre) / unit,
        group.whole,
        group.weights,
        None if group.allowed is None else np.tile(group.allowed, n_layers),
        None if group.background is None else group.background + np.log(unit).sum(),
    )
