"""How a data set shows itself: in one line, and as a card in a notebook."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bayesgmm.cards import card
from bayesgmm.data.columns import plural

if TYPE_CHECKING:
    from bayesgmm.data.dataset import Dataset

__all__ = ["card_of", "line_of", "with_unit"]

_MOST_NAMES = 8


def with_unit(name: str, units: Mapping[str, str]) -> str:
    """Return the name of a feature with its unit, where it is known.

    Examples
    --------
    >>> with_unit("width", {"width": "cm"}), with_unit("count", {"width": "cm"})
    ('width (cm)', 'count')
    """
    return f"{name} ({units[name]})" if units.get(name) else name


def line_of(data: "Dataset") -> str:
    """Return where the rows come from, and the columns."""
    named = [with_unit(name, data.units) for name in data.features[:_MOST_NAMES]]
    names = ", ".join(named) + ", ..." * (data.n_features > _MOST_NAMES)
    return f"{_head(data)}: {names}"


def card_of(data: "Dataset") -> str:
    """Return the columns with their means, spreads and recording steps, as HTML."""
    figures = zip(data.features, data.centre(), data.spread(), data.smallest_gaps(), strict=True)
    dropped = f"{plural(data.n_dropped, 'row')} with a missing value left out."
    return card(
        _head(data),
        columns=("column", "mean", "sd", "recording step"),
        rows=[
            (
                with_unit(name, data.units),
                f"{mean:.5g}",
                f"{sd:.4g}",
                f"{step:g}" if step else "no ties",
            )
            for name, mean, sd, step in figures
        ],
        sentences=[dropped if data.n_dropped else ""],
    )


def _head(data: "Dataset") -> str:
    rows, columns = plural(data.n_obs, "row"), plural(data.n_features, "column")
    return f"Dataset of {rows}, {columns} from {data.source}"
