"""Checks of arguments that many verbs share: each returns the clean value or says what is wrong."""

import math
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesgmm.advice import shown
from bayesgmm.errors import ConfigError
from bayesgmm.runtime.memory import require_bytes
from bayesgmm.runtime.seeds import integer

__all__ = [
    "check_between",
    "check_count",
    "check_flag",
    "check_instance",
    "check_numbers",
    "check_one_of",
    "check_prob",
    "check_real",
    "check_several",
    "check_texts",
    "is_storable",
    "items_of",
    "path_of",
    "path_text",
    "require_listed",
    "seed_of",
]


_MOST = 2**63 - 1  # what compiled code counts to


def check_count(name: str, value: Any, least: int = 1, most: int = _MOST) -> int:
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
    if number is None or not least <= number <= most:
        allowed = f">= {least}" if number is None or number < least else f"of at most {most}"
        raise ConfigError(
            f"{name} must be an integer {allowed}, got {shown(value)}.", key=name, value=value
        )
    return number


def check_flag(name: str, value: Any) -> bool:
    """Return True or False; NumPy's count, 1 and 0 do not.

    Examples
    --------
    >>> check_flag("overwrite", np.bool_(True))
    True
    """
    if not isinstance(value, bool | np.bool):
        raise ConfigError(
            f"{name} must be True or False, got {shown(value)}.", key=name, value=value
        )
    return bool(value)


def check_instance(name: str, value: Any, kind: type, expected: str) -> Any:
    """Return a value of a type; `expected` says what that is."""
    if not isinstance(value, kind):
        raise ConfigError(f"{name} must be {expected}, got {shown(value)}.", key=name, value=value)
    return value


def items_of(name: str, value: Any, expected: str) -> Iterator[Any]:
    """Return an iterator over several things; `expected` says what they are. Text is one thing.

    Examples
    --------
    >>> list(items_of("rows", [1, 2], "row numbers"))
    [1, 2]
    """
    try:
        if isinstance(value, str | bytes | memoryview | Mapping) or not isinstance(value, Iterable):
            raise TypeError
        return iter(value)
    except TypeError:
        raise ConfigError(
            f"{name} must be a list of {expected}, got {shown(value)}.", key=name, value=value
        ) from None


def is_storable(text: str) -> bool:
    r"""Whether a file can hold a text: none can where a half of a surrogate pair stands alone.

    Examples
    --------
    >>> is_storable("größe"), is_storable("\ud800")
    (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_texts(name: str, value: Any) -> list[str]:
    """Return a list of texts."""
    return [
        check_instance(f"each of {name}", each, str, "text")
        for each in items_of(name, value, "texts")
    ]


def check_numbers(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return finite numbers of one shape.

    Examples
    --------
    >>> check_numbers("weights_init", [0.5, 0.5], (2,))
    array([0.5, 0.5])
    """
    require_listed(value)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # a ragged list
        array = np.empty(0)
    kind = array.dtype.kind
    if array.shape != shape or kind not in "fiu" or not np.isfinite(array).all():
        of = f"shape {array.shape}" if kind in "fiu" else shown(value)
        raise ConfigError(
            f"{name} must hold finite numbers in the shape {shape}, got {of}.", key=name
        )
    return array.astype(np.float64)


def check_several(name: str, given: Any, expected: str, most: int = 1000) -> list[float]:
    """Return finite numbers, however many up to `most`; `expected` says what they are.

    Examples
    --------
    >>> check_several("shares", iter([0.5, 1]), "shares of the rows")
    [0.5, 1.0]
    """
    items = list(islice(items_of(name, given, expected), most))
    return check_numbers(name, items, (len(items),)).tolist() if items else []


def require_listed(value: Any) -> None:
    """Refuse a sequence that would not fit in memory written out, as a range of millions."""
    if not isinstance(value, Sequence):
        return
    try:
        number = len(value)
    except OverflowError:
        number = _MOST
    if number > _MANY:
        require_bytes(_LISTED_BYTES * number, shown(value), "pass fewer values")


_MANY, _LISTED_BYTES = 10**6, 40  # items not worth a look, and what Python takes for a number


def check_real(name: str, value: Any) -> float:
    """Return a finite real number; True is none.

    Examples
    --------
    >>> check_real("low", np.float32(0.5))
    0.5
    """
    try:
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else None
    except OverflowError:
        number = None
    if number is None or not math.isfinite(number):
        raise ConfigError(
            f"{name} must be a finite number, got {shown(value)}.", key=name, value=value
        )
    return number


def check_between(name: str, value: Any, low: float, high: float) -> float:
    """Return a real number strictly between two others."""
    try:
        number = check_real(name, value)
    except ConfigError:
        number = math.nan
    if not low < number < high:
        raise ConfigError(
            f"{name} must be a number between {low:g} and {high:g}, got {shown(value)}.",
            key=name,
            value=value,
        )
    return number


def check_prob(prob: Any) -> float:
    """Return the probability of an interval, strictly between 0 and 1."""
    return check_between("prob", prob, 0.0, 1.0)


def check_one_of[Value](name: str, value: Value, allowed: Iterable[Value]) -> Value:
    """Return the value when it is one of those allowed."""
    known = list(allowed)
    if not any(value is one or (isinstance(value, str) and value == one) for one in known):
        raise ConfigError(
            f"{name} must be one of {', '.join(map(str, known))}, got {shown(value)}.",
            key=name,
            value=value,
        )
    return value


_LONGEST_PATH = 4096  # no system takes a longer one


def path_of(path: Any, name: str = "path") -> Path:
    """Return a path given as text that is not empty, or as a path."""
    return Path(path_text(path, name))


def path_text(path: Any, name: str = "path") -> str:
    """Return the text, which is not empty, of a path."""
    try:
        text = os.fspath(path)
    except TypeError:
        text = b""
    if not text or not isinstance(text, str) or len(text) > _LONGEST_PATH:
        raise ConfigError(
            f"{name} must be text or a path, got {shown(path)}.", key=name, value=path
        )
    return text


_LARGEST_SEED = 2**128 - 1  # NumPy draws as many bits for one


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
        return check_count("seed", seed, least=0, most=_LARGEST_SEED)
    except ConfigError:
        raise ConfigError(
            f"seed must be an integer >= 0 or None, of 128 bits at most, got {shown(seed)}.",
            key="seed",
            value=seed,
        ) from None
