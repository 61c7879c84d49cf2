"""How a data set shows itself: in one line, and as a card in a notebook."""

from typing import TYPE_CHECKING

from bayesgmm.cards import card
from bayesgmm.data.columns import plural

if TYPE_CHECKING:
    from bayesgmm.data.dataset import Dataset

__all__ = ["card_of", "line_of"]

_MOST_NAMES = 8


def line_of(data: "Dataset") -> str:
    """Return where the rows come from, and the columns."""
    names = ", ".join(data.features[:_MOST_NAMES]) + ", ..." * (data.n_features > _MOST_NAMES)
    return f"{_head(data)}: {names}"


def card_of(data: "Dataset") -> str:
    """Return the columns with their means, spreads and recording steps, as HTML."""
    figures = zip(data.features, data.centre(), data.spread(), data.smallest_gaps(), strict=True)
    dropped = f"{plural(data.n_dropped, 'row')} with a missing value left out."
    return card(
        _head(data),
        columns=("column", "mean", "sd", "recording step"),
        rows=[
            (name, f"{mean:.5g}", f"{sd:.4g}", f"{step:g}" if step else "no ties")
            for name, mean, sd, step in figures
        ],
        sentences=[dropped if data.n_dropped else ""],
    )


def _head(data: "Dataset") -> str:
    rows, columns = plural(data.n_obs, "row"), plural(data.n_features, "column")
    return f"Dataset of {rows}, {columns} from {data.source}"
