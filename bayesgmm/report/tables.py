"""The table of estimates."""

import pandas as pd

from bayesgmm.report.document import Table
from bayesgmm.summary.numbers import frame_rows

__all__ = ["estimate_table"]

_HEADERS = {
    "ess_bulk": "bulk ESS",
    "ess_tail": "tail ESS",
    "r_hat": "R\N{NON-BREAKING HYPHEN}hat",
    "mcse_mean": "MCSE of mean",
    "mcse_sd": "MCSE of sd",
}


def estimate_table(caption: str, frame: pd.DataFrame) -> Table:
    """Lay out what `summarize` or `label_free` returned.

    Parameters
    ----------
    caption : str
    frame : pandas.DataFrame
    """
    header = ("parameter", *(_header(str(column)) for column in frame.columns))
    return Table(caption, header, frame_rows(frame))


def _header(column: str) -> str:
    if column.endswith(("_lb", "_ub")):
        return "lower" if column.endswith("_lb") else "upper"
    return _HEADERS.get(column, column)
