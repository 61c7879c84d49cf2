"""Search for the partition of least expected loss over sampled partitions.

Both losses have the form [sum_c g(n_c) + sum_k g(m_k) - 2 sum_ck g(n_ck)] / norm of the sizes of
the clusters of two partitions and of their intersections: variation of information with
g(x) = x log x and norm n, Binder's loss with g(x) = x^2 and norm n^2. Moving one row changes the
expected loss by a few differences of g, so that greedy moves (Dahl, Johnson and Mueller 2022)
are exact and need no matrix of pairs. A row that stands for several moves with all of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from bayesgmm.likelihood.compiled.partition_search import count_joint, improve_partition
from bayesgmm.runtime.parallel import in_threads
from bayesgmm.typing import Array, IntArray

__all__ = ["LOSSES", "Loss", "best_partition", "losses", "placed"]


class Loss(NamedTuple):
    """A loss between partitions of n rows: g(0), ..., g(n) and the norm."""

    g: Array
    norm: float


def _variation_of_information(n: int) -> Loss:
    sizes = np.arange(n + 1.0)
    return Loss(xlogy(sizes, sizes), float(n))


def _binder(n: int) -> Loss:
    return Loss(np.arange(n + 1.0) ** 2, float(n) ** 2)


LOSSES = {"vi": _variation_of_information, "binder": _binder}


def losses(labels: IntArray, sampled: NDArray[np.int16], loss: Loss) -> Array:
    """Return the loss between a partition and each sampled one.

    Parameters
    ----------
    labels : array of shape (obs,)
    sampled : array of shape (obs, sample)
    loss : Loss

    Returns
    -------
    array of shape (sample,)
    """
    joint = _joint_sizes(labels, sampled, int(labels.max()) + 1)
    own = loss.g[np.bincount(labels)].sum()
    theirs = loss.g[joint.sum(axis=0)].sum(axis=1)
    shared = loss.g[joint].sum(axis=(0, 2))
    return np.maximum(own + theirs - 2.0 * shared, 0.0) / loss.norm


def best_partition(
    sampled: NDArray[np.int16],
    loss: Loss,
    starts: Sequence[IntArray],
    max_clusters: int,
    seed: np.random.SeedSequence,
    times: IntArray | None = None,
) -> tuple[IntArray, float]:
    """Return the partition of least expected loss found from the starts, and its expected loss.

    Parameters
    ----------
    sampled : array of shape (copy, sample)
        The sampled partitions.
    loss : Loss
    starts : sequence of arrays of shape (obs,)
        Labels, -1 for rows that are to be placed one by one. Each start is improved by moving
        single rows, in an order of its own, until no move lowers the expected loss.
    max_clusters : int
    seed : numpy.random.SeedSequence
    times : array of shape (obs,), optional
        How many of the copies, one after another, are of each row; one by default.
    """
    gain = np.diff(loss.g)
    times = np.ones(len(sampled), dtype=np.int64) if times is None else times
    ends = times.cumsum()

    def improve(start: IntArray, child: np.random.SeedSequence) -> tuple[float, IntArray]:
        labels = start.copy()
        order = np.random.default_rng(child).permutation(len(labels))
        joint = _joint_sizes(np.repeat(labels, times), sampled, max_clusters)
        improve_partition(labels, sampled, ends, joint, gain, order)
        labels = np.unique(labels, return_inverse=True)[1]
        return float(losses(np.repeat(labels, times), sampled, loss).mean()), labels

    found = in_threads(improve, starts, seed.spawn(len(starts)))
    expected, labels = min(found, key=lambda pair: pair[0])
    return labels, expected


def placed(
    labels: IntArray, sampled: NDArray[np.int16], others: NDArray[np.int16], loss: str
) -> IntArray:
    """Return the cluster in which each of other rows would add least to the expected loss.

    Parameters
    ----------
    labels : array of shape (copy,)
        The partition.
    sampled : array of shape (copy, sample)
    others : array of shape (other, sample)
        Sampled labels of the rows to be placed; each is judged alone.
    loss : {"vi", "binder"}
    """
    gain, samples = np.diff(LOSSES[loss](len(labels) + 1).g), np.arange(sampled.shape[1])
    n_sampled = max(int(sampled.max()), int(others.max())) + 1
    joint = np.zeros((int(labels.max()) + 1, len(samples), n_sampled), dtype=np.int32)
    count_joint(labels, sampled, joint)
    own = gain[np.bincount(labels)]
    changes = [own - 2.0 * gain[joint[:, samples, row]].mean(axis=1) for row in others]
    return np.argmin(changes, axis=1)


def _joint_sizes(labels: IntArray, sampled: NDArray[np.int16], n_labels: int) -> NDArray[np.int32]:
    """Return the sizes of all intersections (label, sample, sampled label)."""
    joint = np.zeros((n_labels, sampled.shape[1], int(sampled.max()) + 1), dtype=np.int32)
    count_joint(labels, sampled, joint)
    return joint
