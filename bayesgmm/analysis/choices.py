"""The choices of a model file that are one or several: numbers, structures, families."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from bayesgmm.advice import nearest
from bayesgmm.errors import ConfigError
from bayesgmm.limits import MOST_COMPONENTS
from bayesgmm.model.components import SAMPLED, STRUCTURES, WITH_FACTORS
from bayesgmm.model.several import EACH_ONCE, covariances_in, is_all
from bayesgmm.model.spec import COVARIANCES, FITTED_COVARIANCES, MCLUST_NAMES

__all__ = [
    "Components",
    "FactorCounts",
    "Families",
    "Noises",
    "Scanned",
    "Structures",
    "component_counts",
]

_RANGE = re.compile(r"(\d{1,4})(?:\s*-\s*(\d{1,4}))?", re.ASCII)


def component_counts(value: Any) -> tuple[int, ...]:
    """Read numbers of components: 3, [1, 2, 4], "1-6" or "1,2,4-6".

    Parameters
    ----------
    value : int, str or iterable of these

    Returns
    -------
    tuple of int
        Distinct, increasing.

    Raises
    ------
    ValueError
        When it is anything else, empty, or not between 1 and 200.

    Examples
    --------
    >>> component_counts("1-3, 6")
    (1, 2, 3, 6)
    """
    counts = sorted(_counts_in(value))
    if not counts or counts[0] < 1 or counts[-1] > MOST_COMPONENTS:
        raise ValueError(
            f"must be integers between 1 and {MOST_COMPONENTS}, such as 3, '1,2,4' or '1-6'"
        )
    return tuple(counts)


def _counts_in(value: Any) -> set[int]:
    if isinstance(value, int) and not isinstance(value, bool):
        return {value}
    if isinstance(value, str):
        matches = [_RANGE.fullmatch(part.strip()) for part in value.split(",")]
        ends = [(int(m[1]), int(m[2] or m[1])) for m in matches if m]
        return {k for low, high in ends for k in range(low, high + 1)} if all(matches) else set()
    if isinstance(value, Iterable):
        parts = [_counts_in(part) for part in value]
        return set().union(*parts) if all(parts) else set()
    return set()


Components = Annotated[tuple[int, ...], BeforeValidator(component_counts)]
FactorCounts = Components


def _scanned(value: Any) -> Any:
    return value if value == "auto" else component_counts(value)


Scanned = Annotated[Literal["auto"] | tuple[int, ...], BeforeValidator(_scanned)]


def _structures(value: Any) -> Any:
    """Return the structure by our name, or several as a tuple."""
    try:
        names = covariances_in(value)
    except ConfigError:
        raise ValueError(EACH_ONCE) from None
    for name in names:
        if name in FITTED_COVARIANCES and name not in COVARIANCES:
            holding = STRUCTURES[name].nearest_sampled
            raise ValueError(
                f"must be a structure with a posterior, such as {holding!r}, which holds this one"
            )
    allowed = (*COVARIANCES, *WITH_FACTORS)
    *others, last = map(repr, allowed)
    unknown = [str(name) for name in names if name not in allowed]
    if unknown:
        close = nearest(unknown[0], (*allowed, *MCLUST_NAMES))
        hint = f" (did you mean {close!r}?)" if close else ""
        raise ValueError(f"must be {', '.join(others)} or {last}, several of these, or 'all'{hint}")
    if is_all(value):
        beside = tuple(name for name in names if name not in SAMPLED)
        return ("all", *beside) if beside else "all"
    return names[0] if len(names) == 1 else names


Structures = Annotated[str | tuple[str, ...], BeforeValidator(_structures)]


def _one_or_several(value: Any, allowed: tuple[str, ...]) -> Any:
    """Return one of some words, or several of them as a tuple."""
    names = [value] if isinstance(value, str) else list(value)
    if not names or len(set(names)) < len(names) or not set(names) <= set(allowed):
        listed = " or ".join(map(repr, allowed))
        raise ValueError(f"must be {listed}, or several of these, each once")
    return names[0] if len(names) == 1 else tuple(names)


def _families(value: Any) -> Any:
    return _one_or_several(value, ("normal", "t", "contaminated"))


def _noises(value: Any) -> Any:
    return _one_or_several(value, ("none", "uniform"))


Families = Annotated[str | tuple[str, ...], BeforeValidator(_families)]
Noises = Annotated[str | tuple[str, ...], BeforeValidator(_noises)]
