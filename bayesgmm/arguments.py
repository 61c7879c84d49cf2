"""Checks of arguments that many verbs share: each returns the clean value or says what is wrong."""

import operator
import os
from collections.abc import Iterable
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from bayesgmm.errors import ConfigError
from bayesgmm.runtime.seeds import integer

__all__ = ["check_between", "check_count", "check_one_of", "check_prob", "path_of", "seed_of"]


def check_count(name: str, value: Any, least: int = 1) -> int:
    """Return an integer of at least `least`; NumPy's integers count, True and 2.0 do not.

    Examples
    --------
    >>> check_count("draws", 100), check_count("tune", 0, least=0)
    (100, 0)
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise ConfigError(
            f"{name} must be an integer >= {least}, got {value!r:.80}.", key=name, value=value
        )
    return number


def check_between(name: str, value: Any, low: float, high: float) -> float:
    """Return a real number strictly between two others."""
    number = value if isinstance(value, Real) and not isinstance(value, bool) else None
    if number is None or not low < float(number) < high:
        raise ConfigError(
            f"{name} must be a number between {low:g} and {high:g}, got {value!r:.80}.",
            key=name,
            value=value,
        )
    return float(number)


def check_prob(prob: Any) -> float:
    """Return the probability of an interval, strictly between 0 and 1."""
    return check_between("prob", prob, 0.0, 1.0)


def check_one_of[Value](name: str, value: Value, allowed: Iterable[Value]) -> Value:
    """Return the value when it is one of those allowed."""
    known = list(allowed)
    if not any(value is one or (isinstance(value, str) and value == one) for one in known):
        raise ConfigError(
            f"{name} must be one of {', '.join(map(str, known))}, got {value!r:.80}.",
            key=name,
            value=value,
        )
    return value


def path_of(path: Any, name: str = "path") -> Path:
    """Return a path given as text that is not empty, or as a path."""
    try:
        text = os.fspath(path)
    except TypeError:
        text = b""
    if not text or not isinstance(text, str):
        raise ConfigError(f"{name} must be text or a path, got {path!r:.80}.", key=name, value=path)
    return Path(text)


def seed_of(seed: Any) -> int:
    """Return the seed, or draw one.

    Examples
    --------
    >>> seed_of(3)
    3
    """
    if seed is None:
        return integer(np.random.SeedSequence())
    try:
        return check_count("seed", seed, least=0)
    except ConfigError:
        raise ConfigError(
            f"seed must be an integer >= 0 or None, got {seed!r:.80}.", key="seed", value=seed
        ) from None
