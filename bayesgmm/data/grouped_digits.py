"""Signs between groups of digits, taken out of a whole block of CSV text."""

import numpy as np
from numpy.typing import NDArray

from bayesgmm.data.csv_blocks import pieces_of, within_quotes
from bayesgmm.data.dialect import PADDING, Dialect

__all__ = ["can_ungroup", "without_groupers"]

_BEFORE_NUMBERS = '\n"+-' + PADDING
_DIGIT, _START = 1, 2


def can_ungroup(dialect: Dialect) -> bool:
    """Whether the dialect has a sign between groups that can be none but this one."""
    return dialect.thousands is not None and dialect.thousands != " "


def without_groupers(block: bytes, dialect: Dialect) -> bytes | None:
    r"""Return a block without quotes and signs between groups of digits, where each stands rightly.

    A sign stands rightly after one to three digits with which a number begins, or another group,
    and before three digits and no fourth. The numbers of the block are then those that
    `Dialect.read` finds, provided that all its cells are numbers or missing.

    Parameters
    ----------
    block : bytes
        Lines whose quotes are balanced, each line by itself.
    dialect : Dialect
        One of those that `can_ungroup` allows.

    Returns
    -------
    block : bytes or None
        None where a sign stands otherwise, a quoted cell holds another separator, or a power of
        ten could hide a sign.

    Examples
    --------
    >>> without_groupers(b'"2,148.5","-12,500"\n', Dialect(thousands=","))
    b'2148.5,-12500\n'
    >>> without_groupers(b'"21,48","7"\n', Dialect(thousands=",")) is None
    True
    """
    if not block.isascii() or b"e" in block or b"E" in block:
        return None
    sign, sep = ord(dialect.thousands or ""), ord(dialect.sep)
    classes = _classes(dialect)
    bare = []
    for text in pieces_of(block):
        separators, signs = text == sep, text == sign
        within = within_quotes(text)
        if sign == sep:
            signs &= within
        elif (separators & within).any():
            return None
        if not _all_right(signs, np.frombuffer(text.tobytes().translate(classes), dtype=np.uint8)):
            return None
        # no text holds a zero byte
        bare.append((text * ~signs).tobytes().translate(None, b'"\0'))
    return b"".join(bare)


def _classes(dialect: Dialect) -> bytes:
    """Return for each byte what it is: a digit, what a number can begin after, or neither."""
    table = bytearray(256)
    for character in (_BEFORE_NUMBERS + dialect.sep + (dialect.thousands or "")).encode():
        table[character] = _START
    for character in b"0123456789":
        table[character] = _DIGIT
    return bytes(table)


def _all_right(signs: NDArray[np.bool_], classes: NDArray[np.uint8]) -> bool:
    """Whether all signs stand after the first one to three digits, before three and no fourth."""
    margin = np.full(4, _START, dtype=np.uint8)  # a line ends before the piece and with it
    kinds = np.concatenate([margin, classes, margin])
    digit, start = kinds == _DIGIT, kinds == _START
    n = len(signs)

    def at(kind: NDArray[np.bool_], offset: int) -> NDArray[np.bool_]:
        return kind[4 + offset : 4 + offset + n]

    begins = at(digit, -3) & at(start, -4)
    begins |= at(start, -3)
    begins &= at(digit, -2)
    begins |= at(start, -2)
    right = begins & at(digit, -1) & at(digit, 1) & at(digit, 2) & at(digit, 3)
    right &= ~at(digit, 4)
    return not (signs & ~right).any()
