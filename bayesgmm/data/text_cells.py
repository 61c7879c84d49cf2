"""Numbers out of cells of text, many at once, exactly as `Dialect.read` reads them one by one."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesgmm.data.dialect import CODES, GROUPERS, MISSING, PADDING, SIGN_BLANKS, Dialect
from bayesgmm.typing import Array

__all__ = ["BoolArray", "ReadCells", "all_numbers", "may_bear_sign", "read_cells"]

BoolArray = NDArray[np.bool_]


class ReadCells(NamedTuple):
    """Of each cell its number, NaN where it is missing or left to be read one by one.

    ``signed`` says which numbers bear the sign that was looked for, ``left`` which cells are left:
    those that hold no number, and those with a sign written otherwise. All have shape (cell,).
    """

    values: Array
    signed: BoolArray
    left: BoolArray


def all_numbers(cells: Any, sign: str, dialect: Dialect) -> Array | None:
    """Return the numbers of cells that all bear the sign; None where that is not certain.

    Parameters
    ----------
    cells : pyarrow.StringArray of shape (cell,)
    sign : str
        The sign of their unit, such as "%", or "".
    dialect : Dialect
        How they are written.

    Returns
    -------
    values : array of shape (cell,), or None

    Examples
    --------
    >>> import pyarrow
    >>> all_numbers(pyarrow.array(["-$2", "$3.5"]), "$", Dialect(currency=True)).tolist()
    [-2.0, 3.5]
    >>> all_numbers(pyarrow.array(["$2", ""]), "$", Dialect(currency=True)) is None
    True
    """
    import pyarrow

    body, signed = _without_sign(cells, sign)
    if sign and not signed.all():
        return None
    if dialect.thousands or dialect.decimal != ".":
        if not _matches(body, rf"^(?i:{dialect.number_pattern})$").all():
            return None
        body = _plain(body, dialect)
    try:
        values = _floats(body)
    except pyarrow.ArrowInvalid:
        return None
    if not np.isfinite(values).all():  # "nan" and "infinity" are numbers for Arrow alone
        return None
    return _unmarked(values, dialect)


def read_cells(cells: Any, sign: str, dialect: Dialect) -> ReadCells:
    """Read cells of which some are missing, padded with blanks, without the sign, or no number.

    Parameters
    ----------
    cells, sign, dialect
        As in `all_numbers`.

    Examples
    --------
    >>> import pyarrow
    >>> cells = pyarrow.array(["5 %", "NA", "7", "x"])
    >>> values, signed, left = read_cells(cells, "%", Dialect(percent=True))
    >>> values.tolist(), signed.tolist(), left.tolist()
    ([5.0, nan, 7.0, nan], [True, False, False, False], [False, False, False, True])
    """
    import pyarrow
    from pyarrow import compute

    text = compute.ascii_trim(cells, characters=PADDING)
    body, signed = _without_sign(text, sign)
    number = _matches(body, rf"^(?i:{dialect.number_pattern})$")
    values = np.full(len(cells), np.nan)
    values[number] = _unmarked(
        _floats(_plain(body.filter(pyarrow.array(number)), dialect)), dialect
    )
    others = text.filter(pyarrow.array(~number))
    left = ~number
    left[left] = ~(_among(compute.utf8_lower(others), sorted(MISSING)) | _among(others, dialect.na))
    return ReadCells(values, signed & ~np.isnan(values), left)


def may_bear_sign(cells: Any, dialect: Dialect) -> BoolArray:
    """Return which cells may hold a number with a sign, written in whatever way."""
    patterns = ["%"] * dialect.percent + [rf"\$|[^\x00-\x7f]|{CODES}"] * dialect.currency
    if not patterns:
        return np.zeros(len(cells), dtype=bool)
    return _matches(cells, "|".join(patterns))


def _matches(cells: Any, pattern: str) -> BoolArray:
    from pyarrow import compute

    found = compute.match_substring_regex(cells, pattern)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def _among(cells: Any, texts: Any) -> BoolArray:
    import pyarrow
    from pyarrow import compute

    found = compute.is_in(cells, value_set=pyarrow.array(list(texts), pyarrow.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def _floats(cells: Any) -> Array:
    """Return numbers written with a point and without blanks, correctly rounded."""
    import pyarrow
    from pyarrow import compute

    numbers: Array = compute.cast(cells, pyarrow.float64()).to_numpy(zero_copy_only=False)
    return numbers.copy() if not numbers.flags.writeable else numbers


def _unmarked(values: Array, dialect: Dialect) -> Array:
    """Set the numbers that stand for missing values to NaN."""
    if dialect.missing_numbers:
        values[np.isin(values, list(dialect.missing_numbers))] = np.nan
    return values


def _characters(cells: Any) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return the bytes of all cells, and where each begins; the last number is the end."""
    _, offsets, data = cells.buffers()
    starts = np.frombuffer(offsets, dtype=np.int32)[cells.offset : cells.offset + len(cells) + 1]
    if data is None:
        return np.empty(0, dtype=np.uint8), starts
    characters = np.frombuffer(data, dtype=np.uint8)
    return characters[starts[0] : starts[-1]], starts - starts[0]


def _without(characters: NDArray[np.uint8], starts: NDArray[np.int32], gone: BoolArray) -> Any:
    """Return cells without some of their bytes."""
    import pyarrow

    kept_before = np.zeros(len(characters) + 1, dtype=np.int32)
    np.cumsum(~gone, out=kept_before[1:])
    return pyarrow.StringArray.from_buffers(
        len(starts) - 1,
        pyarrow.py_buffer(kept_before[starts]),
        pyarrow.py_buffer(characters[~gone]),
    )


def _plain(cells: Any, dialect: Dialect) -> Any:
    """Return numbers that match the dialect's pattern with a point and nothing between digits."""
    if not dialect.thousands and dialect.decimal == ".":
        return cells
    characters, starts = _characters(cells)
    gone = np.zeros(len(characters), dtype=bool)
    if dialect.thousands:  # whatever is not ASCII is part of a sign between groups
        groupers = GROUPERS[dialect.thousands].encode("ascii", "ignore")
        gone = (characters >= 128) | np.isin(characters, np.frombuffer(groupers, dtype=np.uint8))
    pointed = np.where(characters == ord(dialect.decimal), np.uint8(ord(".")), characters)
    return _without(pointed, starts, gone)


def _without_sign(cells: Any, sign: str) -> tuple[Any, BoolArray]:
    """Return the cells without the sign where it ends them or, but for "%", begins the number.

    Blanks between number and sign go too.
    """
    import pyarrow
    from pyarrow import compute

    if not sign:
        return cells, np.zeros(len(cells), dtype=bool)
    width = len(sign.encode())
    characters, starts = _characters(cells)
    if not len(characters):
        return cells, np.zeros(len(cells), dtype=bool)
    sizes = np.diff(starts)
    place = compute.find_substring(cells, sign).to_numpy(zero_copy_only=False)
    bears = (place >= 0) & (place == sizes - width)
    if sign != "%":
        first = characters[np.minimum(starts[:-1], len(characters) - 1)]
        bears |= (place == 0) | ((place == 1) & np.isin(first, (ord("+"), ord("-"))))
    gone = np.zeros(len(characters), dtype=bool)
    for i in range(width):
        gone[(starts[:-1] + place)[bears] + i] = True
    body = _without(characters, starts, gone)
    if bears.any() and _blank_at_ends(body):
        trim = compute.utf8_rtrim if sign == "%" else compute.utf8_trim
        body = compute.if_else(pyarrow.array(bears), trim(body, characters=SIGN_BLANKS), body)
    return body, bears


def _blank_at_ends(cells: Any) -> bool:
    """Whether a cell begins or ends with a blank, or with what is not ASCII."""
    characters, starts = _characters(cells)
    filled = np.diff(starts) > 0
    ends = characters[np.concatenate([starts[:-1][filled], starts[1:][filled] - 1])]
    return bool(
        np.isin(ends, np.frombuffer(PADDING.encode(), np.uint8)).any() or (ends > 127).any()
    )
