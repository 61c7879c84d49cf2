"""Integers out of seed sequences and generators, for samplers that take nothing else."""

from typing import Literal

import numpy as np

__all__ = ["SEED_BYTES", "drawn_integer", "integer", "integers"]

SEED_BYTES = 1000  # that a seed sequence takes


def integer(sequence: np.random.SeedSequence, bits: Literal[32, 64] = 32) -> int:
    """Return the integer of a seed sequence, which is always the same.

    Parameters
    ----------
    sequence : numpy.random.SeedSequence
    bits : {32, 64}

    Examples
    --------
    >>> integer(np.random.SeedSequence(1)), integer(np.random.SeedSequence(1), 64)
    (1835504127, 7434755675892716031)
    """
    return int(sequence.generate_state(1, np.uint64 if bits == 64 else np.uint32)[0])


def integers(sequence: np.random.SeedSequence, number: int) -> list[int]:
    """Return so many integers of 32 bits; the first is that of `integer`."""
    numbers: list[int] = sequence.generate_state(number).tolist()
    return numbers


def drawn_integer(rng: np.random.Generator, bits: int = 32) -> int:
    """Draw the next integer of a generator, below 2 to the power `bits`."""
    return int(rng.integers(2**bits))
