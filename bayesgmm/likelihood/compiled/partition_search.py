"""Sweeps over rows that lower the expected loss of a partition."""

import numpy as np
from numpy.typing import NDArray

from bayesgmm.runtime.compiling import compiled
from bayesgmm.typing import Array, IntArray

__all__ = ["SWEEPS", "count_joint", "improve_partition"]

SWEEPS = 100


@compiled
def count_joint(labels: IntArray, sampled: NDArray[np.int16], joint: NDArray[np.int32]) -> None:
    """Add up the sizes of all intersections, joint (label, sample, sampled label)."""
    for i in range(labels.shape[0]):
        if labels[i] >= 0:
            for s in range(sampled.shape[1]):
                joint[labels[i], s, sampled[i, s]] += 1


@compiled
def improve_partition(
    labels: IntArray,
    sampled: NDArray[np.int16],
    ends: IntArray,
    joint: NDArray[np.int32],
    gain: Array,
    order: IntArray,
) -> None:
    """Move rows one by one to the cluster that lowers the expected loss most, until none does.

    Row i is the copies from ends[i - 1] to ends[i], which move together.
    """
    n_labels, n_samples, _ = joint.shape
    sizes = np.zeros(n_labels, dtype=np.int64)
    for i in range(labels.shape[0]):
        if labels[i] >= 0:
            sizes[labels[i]] += ends[i] - _start(ends, i)
    for _ in range(SWEEPS):
        moved = False
        for i in order:
            old, start, end = labels[i], _start(ends, i), ends[i]
            if old >= 0:
                sizes[old] -= end - start
                _count(joint[old], sampled, start, end, -1)
            best, lowest, empty_tried = old, np.inf, False
            for step in range(n_labels + 1):
                label = old if step == 0 else step - 1
                if label < 0 or (
                    step > 0 and (label == old or (sizes[label] == 0 and empty_tried))
                ):
                    continue
                empty_tried |= sizes[label] == 0
                shared = _shared(joint[label], sampled, start, end, gain)
                change = -2.0 * shared / n_samples
                for size in range(sizes[label], sizes[label] + end - start):
                    change += gain[size]
                if change < lowest - 1e-9:
                    best, lowest = label, change
            moved |= best != old
            labels[i] = best
            sizes[best] += end - start
            _count(joint[best], sampled, start, end, 1)
        if not moved:
            return


@compiled
def _start(ends: IntArray, i: int) -> int:
    return ends[i - 1] if i > 0 else 0


@compiled
def _count(
    sizes: NDArray[np.int32], sampled: NDArray[np.int16], start: int, end: int, change: int
) -> None:
    """Add copies to the sizes (sample, sampled label) of a cluster's intersections."""
    for copy in range(start, end):
        for s in range(sampled.shape[1]):
            sizes[s, sampled[copy, s]] += change


@compiled
def _shared(
    sizes: NDArray[np.int32], sampled: NDArray[np.int16], start: int, end: int, gain: Array
) -> float:
    """Return what the intersections gain, summed over samples, where copies join a cluster."""
    shared = 0.0
    for s in range(sampled.shape[1]):
        shared += gain[sizes[s, sampled[start, s]]]
    if end > start + 1:
        for s in range(sampled.shape[1]):
            for copy in range(start + 1, end):
                sizes[s, sampled[copy - 1, s]] += 1
                shared += gain[sizes[s, sampled[copy, s]]]
            for copy in range(start, end - 1):
                sizes[s, sampled[copy, s]] -= 1
    return shared
