"""Signs between groups of digits, taken out of a whole block of CSV text."""

import numpy as np

from bayesgmm.data.dialect import PADDING, Dialect

__all__ = ["can_ungroup", "without_groupers"]

_BEFORE_NUMBERS = '\n"+-' + PADDING


def can_ungroup(dialect: Dialect) -> bool:
    """Whether the dialect has a sign between groups that can be none but this one."""
    return dialect.thousands is not None and dialect.thousands != " "


def without_groupers(block: bytes, dialect: Dialect) -> bytes | None:
    r"""Return a block without the signs between groups of digits, where each stands rightly.

    A sign stands rightly after one to three digits with which a number begins, or another group,
    and before three digits and no fourth. The numbers of the block are then those that
    `Dialect.read` finds, provided that all its cells are numbers or missing.

    Parameters
    ----------
    block : bytes
        Lines whose quotes are balanced.
    dialect : Dialect
        One of those that `can_ungroup` allows.

    Returns
    -------
    block : bytes or None
        None where a sign stands otherwise, or a power of ten could hide it.

    Examples
    --------
    >>> without_groupers(b'"2,148.5","-12,500"\n', Dialect(thousands=","))
    b'"2148.5","-12500"\n'
    >>> without_groupers(b'"21,48","7"\n', Dialect(thousands=",")) is None
    True
    """
    sign = ord(dialect.thousands or "")
    if not block.isascii() or b"e" in block or b"E" in block:
        return None
    text = np.frombuffer(block, dtype=np.uint8)
    signs = text == sign
    if dialect.thousands == dialect.sep:
        signs &= np.logical_xor.accumulate(text == ord('"'))
    places = np.flatnonzero(signs)
    if not len(places):
        return block
    if places[0] < 1 or places[-1] + 4 >= len(text):
        return None
    digit = (text >= ord("0")) & (text <= ord("9"))
    right = digit[places - 1] & digit[places + 1] & digit[places + 2] & digit[places + 3]
    right &= ~digit[places + 4]
    starts = np.zeros(256, dtype=bool)
    starts[list((_BEFORE_NUMBERS + dialect.sep).encode())] = True
    starts[sign] = True
    padded = np.concatenate([np.ones(3, dtype=bool), starts[text]])  # a block begins a number too
    before = places + 3
    right &= (
        padded[before - 2]
        | (digit[places - 2] & padded[before - 3])
        | (digit[places - 2] & digit[places - 3] & padded[before - 4])
    )
    return text[~signs].tobytes() if right.all() else None
