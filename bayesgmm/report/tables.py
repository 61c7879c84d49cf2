"""The table of estimates."""

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from bayesgmm.report.document import Table
from bayesgmm.summary.numbers import frame_rows

__all__ = ["estimate_table"]

_HEADERS = {
    "ess_bulk": "bulk ESS",
    "ess_tail": "tail ESS",
    "sd_sandwich": "sandwich sd",
    "r_hat": "R\N{NON-BREAKING HYPHEN}hat",
    "mcse_mean": "MCSE of mean",
    "mcse_sd": "MCSE of sd",
}


def estimate_table(
    caption: str, frame: pd.DataFrame, units: Mapping[str, str] = MappingProxyType({})
) -> Table:
    """Lay out what `summarize` or `label_free` returned.

    Parameters
    ----------
    caption : str
    frame : pandas.DataFrame
    units : mapping of str to str
        By feature; where some are known, they have a column.
    """
    header = ("parameter", *(_header(str(column)) for column in frame.columns))
    rows = frame_rows(frame)
    if units:
        header = ("parameter", "unit", *header[1:])
        rows = tuple((row[0], _unit(row[0], units), *row[1:]) for row in rows)
    return Table(caption, header, rows, words=(1,) if units else ())


def _unit(parameter: str, units: Mapping[str, str]) -> str:
    """Return the unit of a mean or a scale, whose feature is the last in its brackets."""
    kind = parameter.partition("[")[0]
    ends = {feature: (f"{kind}[{feature}]", f", {feature}]") for feature in units}
    of = [feature for feature, end in ends.items() if parameter.endswith(end)]
    return units[max(of, key=len)] if of and kind in ("means", "scales") else ""


def _header(column: str) -> str:
    if column.endswith(("_lb", "_ub")):
        return "lower" if column.endswith("_lb") else "upper"
    return _HEADERS.get(column, column)
