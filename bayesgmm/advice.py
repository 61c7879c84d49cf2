"""Messages that hold the options they name as data, for readers who pass these in another way.

To Python a message says ``pass sep=';'``. The command line takes the option out of the message and
says ``pass --sep ';'``, of a model file ``pass sep = ';' in [data]``.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Self

__all__ = ["Advice", "Option", "nearest", "shown"]

_LONGEST = 120


def shown(value: Any, longest: int = 80) -> str:
    """Return the repr of a value in one line, cut where it is longer than a message can hold.

    Examples
    --------
    >>> shown("a"), shown(list(range(99)), 12)
    ("'a'", '[0, 1, 2,...')
    """
    try:
        text = _BREAK.sub(" ", repr(value))
    except (RecursionError, ValueError):  # nested deeply, or an integer of thousands of digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= longest else text[: longest - 3] + "..."


_BREAK = re.compile(r"\s*\n\s*")


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """Return the name that was probably meant, whatever its case, or None where none is near.

    Examples
    --------
    >>> nearest("vvv", ["VVE", "VVV"]), nearest("ful", ["full", "tied"]), nearest("x", ["full"])
    ('VVV', 'full', None)
    """
    by_lower = {each.lower(): each for each in allowed}
    close = get_close_matches(name.lower(), by_lower, 1)
    return by_lower[close[0]] if close else None


@dataclass(frozen=True)
class Option:
    """An option, and what to give it.

    Parameters
    ----------
    name : str
        As an argument in Python.
    value : object, optional
        ``...`` where only the reader knows it; nothing where the message names the option alone.
    text : str, optional
        How Python says it, where that is not as an argument.

    Examples
    --------
    >>> print(Option("sep", ";"), Option("columns", ...), Option("row_labels"))
    sep=';' columns=[...] row_labels
    """

    name: str
    value: Any = None
    text: str | None = None

    @property
    def long(self) -> bool:
        """Whether the value is left to the reader: unknown, or a list too long for a message."""
        listed = isinstance(self.value, list)
        return self.value is ... or (listed and len(repr(self.value)) > _LONGEST)

    def __str__(self) -> str:
        """Return the option as an argument in Python."""
        if self.text is not None:
            return self.text
        if self.value is None:
            return self.name
        return f"{self.name}=[...]" if self.long else f"{self.name}={shown(self.value, _LONGEST)}"


class Advice(str):
    """A message in the words of Python, with its options as data; ``+`` keeps them.

    Parameters
    ----------
    *parts : str or Option
        In their order; the options of parts that are such messages themselves are kept.

    Examples
    --------
    >>> advice = Advice("split at ','; pass ", Option("sep", ";"), ".")
    >>> advice
    "split at ','; pass sep=';'."
    >>> [option.name for option in advice.options]
    ['sep']
    >>> advice.said(lambda option: f"--{option.name} '{option.value}'")
    "split at ','; pass --sep ';'."
    """

    parts: tuple[str | Option, ...]

    def __new__(cls, *parts: str | Option) -> Self:
        """Join the parts."""
        flat: list[str | Option] = []
        for part in parts:
            flat += part.parts if isinstance(part, Advice) else [part]
        self = super().__new__(cls, "".join(map(str, flat)))
        self.parts = tuple(flat)
        return self

    @classmethod
    def joined(cls, sign: str, parts: "list[str | Option]") -> Self:
        """Join parts with a sign between them."""
        return cls(*[piece for part in parts for piece in (sign, part)][1:])

    @property
    def options(self) -> tuple[Option, ...]:
        """The options, in their order."""
        return tuple(part for part in self.parts if isinstance(part, Option))

    def said(self, name: Callable[[Option], str]) -> str:
        """Return the message with each option in other words."""
        return "".join(name(part) if isinstance(part, Option) else part for part in self.parts)

    def __add__(self, other: str) -> "Advice":
        """Return both, one after the other."""
        return Advice(self, other)

    def __radd__(self, other: str) -> "Advice":
        """Return both, one after the other."""
        return Advice(other, self)
