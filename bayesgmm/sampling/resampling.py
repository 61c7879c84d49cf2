"""Which draws to keep when they carry weights."""

import numpy as np

from bayesgmm.typing import Array, IntArray

__all__ = ["resample"]


def resample(weights: Array, size: int, rng: np.random.Generator) -> IntArray:
    """Choose `size` positions by systematic resampling, in increasing order.

    Each is chosen as often as its share of `size` says, rounded up or down.

    Parameters
    ----------
    weights : array of shape (position,)
        They need not sum to 1.
    size : int
    rng : numpy.random.Generator
        One number is drawn.

    References
    ----------
    Kitagawa (1996), Journal of Computational and Graphical Statistics 5:1.

    Examples
    --------
    >>> resample(np.array([1.0, 0.0, 3.0]), 4, np.random.default_rng(1))
    array([0, 2, 2, 2])
    """
    edges = np.cumsum(weights)
    points = (rng.random() + np.arange(size)) / size
    return np.minimum(np.searchsorted(edges / edges[-1], points), len(weights) - 1)
