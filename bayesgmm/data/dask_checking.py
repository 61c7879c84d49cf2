"""The checks and facts of rows in the partitions of a Dask collection, found by its workers."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from bayesgmm.data.annotated_checks import (
    AnnotatedPass,
    concluded_annotated,
    require_observed,
    weighted_blocks,
)
from bayesgmm.data.annotations import Annotations
from bayesgmm.data.checking import (
    BLOCK,
    ArrayRows,
    Facts,
    bounded_correlation,
    concluded,
    require_sound,
)
from bayesgmm.data.dask_rows import DaskRows
from bayesgmm.data.incomplete import Normal, NormalSums
from bayesgmm.data.passes import KEPT_HASHES, Bounds, FirstPass, SecondPass
from bayesgmm.data.suspicions import Suspicions
from bayesgmm.typing import Array

__all__ = ["examine_annotated_parts", "examine_parts"]

_LEAST_HASHES = 2**12  # of a partition
_SAMPLED_VALUES = 2**20


def examine_parts(rows: DaskRows) -> tuple[Facts, Suspicions]:
    """Check rows as `examine` does, but for columns that count them, which are not sought.

    The hash is that of the hashes of the partitions: the same rows in others have another.
    """
    (n_obs, n_features), features = rows.shape, rows.features
    first, digests = FirstPass(n_obs, features), []
    for part, digest in rows.each(_first_pass, features, _kept_of_each(rows)):
        first.merge(part)
        digests.append(digest)
    require_sound(first, n_obs, features)
    second = SecondPass(first.bounds, counting=False)
    for found in rows.each(_second_pass, first.bounds):
        second.merge(found)

    def bounded() -> Array:
        size = min(n_obs, max(1, _SAMPLED_VALUES // n_features))
        places = np.linspace(0, n_obs - 1, size).astype(np.int64)
        return bounded_correlation(ArrayRows(rows.at(places)), first.high - first.low)

    facts = concluded(first, second, _digest_of_all(rows, digests), features, bounded)
    return facts, second.suspicions


def examine_annotated_parts(rows: DaskRows, known: Annotations) -> tuple[Facts, Normal, list[str]]:
    """Check rows of which something is known beside their values, as `examine_annotated` does."""
    features, digests = rows.features, []
    found = AnnotatedPass(rows.shape[0], features)
    passes = rows.each(_annotated_pass, features, _kept_of_each(rows), own=rows.known)
    for part, digest in passes:
        found.merge(part)
        digests.append(digest)
    require_observed(found, known, features)
    origin = found.total / found.counted
    sums = NormalSums(origin)
    for of_part in rows.each(_normal_sums, origin, own=rows.known):
        sums.merge(of_part)
    return concluded_annotated(found, sums, known, _digest_of_all(rows, digests), features)


def _kept_of_each(rows: DaskRows) -> int:
    """Return how many hashes of rows each partition sends."""
    return max(KEPT_HASHES // rows.n_parts, _LEAST_HASHES)


def _digest_of_all(rows: DaskRows, digests: Sequence[str]) -> str:
    shape_and_digests = json.dumps([*rows.shape, *rows.features, *digests])
    return hashlib.sha256(shape_and_digests.encode()).hexdigest()


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


def _annotated_pass(
    values: Array, features: tuple[str, ...], kept: int, known: Annotations
) -> tuple[AnnotatedPass, str]:
    """Return what a partition with what is known of it holds, and the hash of its values."""
    found = AnnotatedPass(len(values), features, kept)
    for block, weights in weighted_blocks(ArrayRows(values), known):
        found.add(block, weights)
    digest = found.digest.hexdigest()
    del found.digest  # no hash in the making goes from one process to another
    return found, digest


def _normal_sums(values: Array, origin: Array, known: Annotations) -> NormalSums:
    sums = NormalSums(origin)
    for block, weights in weighted_blocks(ArrayRows(values), known):
        sums.add(block, weights)
    return sums
