"""Numbers as text: no more digits than their error carries."""

import math
from typing import Any

import pandas as pd

__all__ = ["by_error", "fixed", "frame_rows", "percent", "plain", "significant"]

NO_BREAK = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
_FEW = 4
_MOST = 7  # digits, however small the error


def significant(value: float, digits: int = _FEW) -> str:
    """Return a number to some significant digits, without an exponent where it can do without.

    Examples
    --------
    >>> significant(1234.567), significant(0.00012346), significant(float("nan"))
    ('1235', '0.0001235', '–')
    """
    value = float(value)
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else f"{_MINUS}∞"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if -6 < size < 15:
        return _signed(f"{value:.{max(digits - 1 - size, 0)}f}")
    return _signed(f"{value:.{digits - 1}e}")


def by_error(value: float, error: float) -> str:
    """Return a number with the decimals that its Monte Carlo standard error leaves certain.

    Examples
    --------
    >>> by_error(2.03627, 0.0008), by_error(70.912, 0.04), by_error(3.2, float("nan"))
    ('2.036', '70.91', '3.200')
    """
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return significant(value)
    decimals = math.ceil(-math.log10(2 * error))
    if value != 0.0:
        decimals = min(decimals, _MOST - 1 - math.floor(math.log10(abs(value))))
    return _signed(f"{value:.{min(max(decimals, 0), 12)}f}")


def fixed(value: float, decimals: int) -> str:
    """Return a number with that many decimals; a dash for what is missing.

    Examples
    --------
    >>> fixed(-12.345, 1), fixed(float("nan"), 1)
    ('−12.3', '–')
    """
    return significant(value) if not math.isfinite(value) else _signed(f"{value:.{decimals}f}")


def plain(value: float, digits: int = 6) -> str:
    """Return a number of the data or of a prior without trailing zeros.

    Examples
    --------
    >>> plain(1.0), plain(0.4 * 0.001 / 0.4), plain(-0.5)
    ('1', '0.001', '−0.5')
    """
    return _signed(f"{value:.{digits}g}")


def percent(value: float) -> str:
    """Return a share as a percentage.

    Examples
    --------
    >>> [text.replace(NO_BREAK, " ") for text in (percent(0.9934), percent(0.00001))]
    ['99.3 %', '< 0.1 %']
    """
    if math.isnan(value):
        return "–"
    if 0 < value < 5e-4:
        return f"<{NO_BREAK}0.1{NO_BREAK}%"
    return f"{100 * value:.1f}{NO_BREAK}%"


def frame_rows(frame: pd.DataFrame) -> tuple[tuple[str, ...], ...]:
    """Return the rows of a table of estimates as text, the index first.

    Numbers take their decimals from ``mcse_mean`` of their row where the table has it; effective
    sample sizes are whole numbers, R-hat has three decimals.
    """
    return tuple(
        (str(name), *(_cell(column, row[column], row) for column in frame.columns))
        for name, row in frame.iterrows()
    )


def _cell(column: Any, value: Any, row: pd.Series) -> str:
    if isinstance(value, str) or value is None:
        return value or "–"
    name = str(column)
    if isinstance(value, bool) or not isinstance(value, int | float) and not hasattr(value, "item"):
        return str(value)
    number = float(value)
    if name.startswith("ess"):
        return "–" if math.isnan(number) else f"{number:.0f}"
    if name.startswith("r_hat"):
        return "–" if math.isnan(number) else f"{number:.3f}"
    if name.startswith("mcse"):
        return significant(number, 2)
    return by_error(number, float(row.get("mcse_mean", math.nan)))


def _signed(text: str) -> str:
    return text.replace("-", _MINUS, 1) if text.startswith("-") else text
