"""BIC over structures and numbers of components, where several structures are compared."""

from bayesgmm.comparison import Comparison
from bayesgmm.model.several import kinds_in
from bayesgmm.plots import bic_grid
from bayesgmm.report.document import Block, Table
from bayesgmm.report.pictures import picture
from bayesgmm.summary.numbers import fixed

__all__ = ["by_structure"]


def by_structure(comparison: Comparison) -> list[Block]:
    """Return the table of BIC by structure and K; with its picture where models were screened."""
    screening = comparison.screening
    table = comparison.table if screening is None else screening.table
    kinds = kinds_in(table)
    if len(set(kinds)) == 1:
        return []
    ranked = table["bic"]
    if screening is not None:
        ranked = ranked.where(~table["flagged"].astype(bool))
    gaps = table.assign(gap=ranked - ranked.min(), kind=kinds)
    wide = gaps.pivot(columns="kind", values="gap").T.loc[list(dict.fromkeys(kinds))]
    header = ("structure", *(f"K = {k}" for k in wide.columns))
    rows = tuple(
        (str(name), *(fixed(value, 1) for value in row.to_numpy())) for name, row in wide.iterrows()
    )
    caption = (
        "BIC above the smallest, by covariance structure and number of components: 0 is the best. "
    )
    if screening is None:
        caption += "Models that were not compared, or are named on another line, have none."
        return [Table(caption, header, rows)]
    caption += (
        "All of these were fitted by maximum likelihood, and those best by BIC that have a "
        "posterior here were sampled. Where chance explains every solution there is no value."
    )
    words = (
        "One line a structure: BIC above the smallest over the number of components, with the best "
        "model ringed."
    )
    blocks: list[Block] = [Table(caption, header, rows)]
    blocks.append(picture("bic_grid", bic_grid(screening.table), caption, words))
    return blocks
