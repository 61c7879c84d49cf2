"""Parameters of a test of which some run by default, and all with ``-m "slow or not slow"``."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

__all__ = ["few"]


def few(values: Iterable[Any], kept: Collection[Any]) -> list[Any]:
    """Return the values as parameters: those kept run by default, the others are slow."""
    every = list(values)
    assert set(kept) <= set(every), "what is kept must be among the values"
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            marks=[] if value in kept else [pytest.mark.slow],
        )
        for value in every
    ]
