"""The checks and facts of rows in the partitions of a Dask collection, found by its workers."""

import hashlib
import json

import numpy as np

from bayesgmm.data.checking import (
    BLOCK,
    ArrayRows,
    Facts,
    bounded_correlation,
    concluded,
    require_sound,
)
from bayesgmm.data.dask_rows import DaskRows
from bayesgmm.data.passes import KEPT_HASHES, Bounds, FirstPass, SecondPass
from bayesgmm.data.suspicions import Suspicions
from bayesgmm.typing import Array

__all__ = ["examine_parts"]

_LEAST_HASHES = 2**12  # of a partition
_SAMPLED_VALUES = 2**20


def examine_parts(rows: DaskRows) -> tuple[Facts, Suspicions]:
    """Check rows as `examine` does, but for columns that count them, which are not sought.

    The hash is that of the hashes of the partitions: the same rows in others have another.
    """
    (n_obs, n_features), features = rows.shape, rows.features
    kept = max(KEPT_HASHES // rows.n_parts, _LEAST_HASHES)
    first, digests = FirstPass(min(n_obs, KEPT_HASHES), features), []
    for part, digest in rows.each(_first_pass, features, kept):
        first.merge(part)
        digests.append(digest)
    require_sound(first, n_obs, features)
    second = SecondPass(first.bounds, counting=False)
    for found in rows.each(_second_pass, first.bounds):
        second.merge(found)
    all_digests = hashlib.sha256(json.dumps([n_obs, n_features, *features, *digests]).encode())

    def bounded() -> Array:
        size = min(n_obs, max(1, _SAMPLED_VALUES // n_features))
        places = np.linspace(0, n_obs - 1, size).astype(np.int64)
        return bounded_correlation(ArrayRows(rows.at(places)), first.high - first.low)

    return concluded(first, second, all_digests.hexdigest(), features, bounded), second.suspicions


def _first_pass(values: Array, features: tuple[str, ...], kept: int) -> tuple[FirstPass, str]:
    """Return what a partition holds, and its hash."""
    found = FirstPass(len(values), features, kept)
    for block in ArrayRows(values).blocks(BLOCK):
        found.add(block)
    digest = found.digest.hexdigest()
    del found.digest  # no hash in the making goes from one process to another
    return found, digest


def _second_pass(values: Array, bounds: Bounds) -> SecondPass:
    found = SecondPass(bounds, counting=False)
    for block in ArrayRows(values).blocks(BLOCK):
        found.add(block)
    return found
