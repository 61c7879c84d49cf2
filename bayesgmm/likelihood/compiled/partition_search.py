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
    joint: NDArray[np.int32],
    gain: Array,
    order: IntArray,
) -> None:
    """Move rows one by one to the cluster that lowers the expected loss most, until none does."""
    n_labels, n_samples, _ = joint.shape
    sizes = np.zeros(n_labels, dtype=np.int64)
    for label in labels:
        if label >= 0:
            sizes[label] += 1
    for _ in range(SWEEPS):
        moved = False
        for i in order:
            old = labels[i]
            if old >= 0:
                sizes[old] -= 1
                for s in range(n_samples):
                    joint[old, s, sampled[i, s]] -= 1
            best, lowest, empty_tried = old, np.inf, False
            for step in range(n_labels + 1):
                label = old if step == 0 else step - 1
                if label < 0 or (
                    step > 0 and (label == old or (sizes[label] == 0 and empty_tried))
                ):
                    continue
                empty_tried |= sizes[label] == 0
                shared = 0.0
                for s in range(n_samples):
                    shared += gain[joint[label, s, sampled[i, s]]]
                change = gain[sizes[label]] - 2.0 * shared / n_samples
                if change < lowest - 1e-9:
                    best, lowest = label, change
            moved |= best != old
            labels[i] = best
            sizes[best] += 1
            for s in range(n_samples):
                joint[best, s, sampled[i, s]] += 1
        if not moved:
            return
