"""Rows that belong to one cluster at all of some points, told from the others in one pass.

Where the components at a point are those of a reference, whitened rows moved by at most d and
stretched by a factor between a and b, a row at the distance q from a mean of the reference is
between a q - d and b q + d from that of the point. So bounds of log w_k N(x) hold at all points.
"""

import math

import numpy as np

from bayesgmm.likelihood.compiled.block import BLOCK, add_moments, empty_scratch, log_joint, padded
from bayesgmm.likelihood.compiled.coordinates import read
from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array, IntArray

__all__ = ["HIGHEST", "LOWEST", "MOVE", "NARROWEST", "WIDEST", "sort_rows"]

HIGHEST, NARROWEST, LOWEST, WIDEST, MOVE = range(5)  # rows of the bounds


@compiled
def sort_rows(
    flat: Array,
    whitening: Array,
    shift: Array,
    constant: Array,
    bounds: Array,
    least: float,
    clusters: IntArray,
    mass: Array,
    first: Array,
    second: Array,
) -> None:
    """Write which clusters each row may belong to, and add up the rows that have one alone.

    Parameters
    ----------
    flat : array
        The problem with its rows, `bayesgmm.likelihood.compiled.coordinates.flatten`.
    whitening, shift, constant : arrays
        The reference, as `.kernels` takes components.
    bounds : array of shape (5, cluster)
        Highest constant at the points, smallest stretch, lowest constant, largest stretch, move.
    least : float, nats
        A cluster so far behind another counts for nothing.
    clusters : array of shape (row,), written
        Bit k is set where cluster k counts at one of the points.
    mass, first, second : arrays, added to
        Sums of 1, z and z z' (lower triangle) over each cluster's own rows, whitened by the
        reference.
    """
    problem = read(flat)
    n_clusters, n_features = shift.shape
    scratch, apart = empty_scratch(n_clusters, n_features), np.empty(n_clusters)
    for i in range(problem.blocks.shape[0]):
        rows = min(BLOCK, problem.n_rows - i * BLOCK)
        width = padded(rows)
        log_joint(problem.blocks, i, whitening, shift, constant, width, scratch.z, scratch.joint)
        for t in range(rows):
            highest = -math.inf
            for k in range(n_clusters):
                apart[k] = math.sqrt(max(2.0 * (constant[k] - scratch.joint[k, t]), 0.0))
                far = bounds[WIDEST, k] * apart[k] + bounds[MOVE, k]
                highest = max(highest, bounds[LOWEST, k] - 0.5 * far * far)
            found, number = 0, 0
            for k in range(n_clusters):
                near = max(bounds[NARROWEST, k] * apart[k] - bounds[MOVE, k], 0.0)
                if bounds[HIGHEST, k] - 0.5 * near * near >= highest - least:
                    found |= 1 << k
                    number += 1
            clusters[i * BLOCK + t] = found
            scratch.total[t] = 1.0 if number == 1 else 0.0
            for k in range(n_clusters):
                scratch.joint[k, t] = 1.0 if found == 1 << k else 0.0
        for t in range(rows, width):
            scratch.total[t] = 0.0
        add_moments(
            scratch.joint,
            scratch.total,
            scratch.z,
            width,
            scratch.largest,
            mass,
            first,
            second,
        )
