"""The appendix: chains of every parameter, and classification by every K."""

from bayesgmm.labels import Quantity
from bayesgmm.plots.every_parameter import every_trace, panels_of
from bayesgmm.posterior.mcmc_error import effective_size
from bayesgmm.report.classification import classification_tables
from bayesgmm.report.document import Block, Section
from bayesgmm.report.pictures import picture
from bayesgmm.report.precision import precision_table
from bayesgmm.report.subject import Subject

__all__ = ["appendix"]

_MOST_PANELS = 28
_MOST_LINES = 60


def appendix(subject: Subject) -> Section:
    """Show traces, precision and autocorrelation of all parameters, and classifications."""
    quantities = subject.quantities
    panels = panels_of(quantities)
    shown = _slowest(panels)
    rest = len(panels) - len(shown)
    some = (
        f" Of {len(panels)} panels the {len(shown)} with the smallest effective sample sizes are "
        "shown."
        if rest
        else ""
    )
    lines = (
        sorted(quantities, key=_size)[:_MOST_LINES] if len(quantities) > _MOST_LINES else quantities
    )
    caption = "Precision and autocorrelation of every parameter and label-invariant quantity."
    if len(quantities) > _MOST_LINES:
        caption = (
            f"Precision and autocorrelation of the {_MOST_LINES} of {len(quantities)} quantities "
            "with the smallest effective sample sizes; `summarize` gives all."
        )
    blocks: list[Block] = [
        picture(
            "all_traces",
            every_trace(shown, subject.clusters),
            f"Traces of the parameters in the labels of the report, in data units.{some} Chains "
            "that agree look alike from one vertical line to the next.",
            "One small trace a parameter, coloured by cluster, chains one after another.",
        ),
        precision_table(caption, lines, subject),
        *classification_tables(subject),
    ]
    return Section("appendix", "Appendix: chains and classification", tuple(blocks))


def _size(quantity: Quantity) -> float:
    return effective_size(quantity.values)


def _slowest(panels: dict[str, list[Quantity]]) -> dict[str, list[Quantity]]:
    """Return the panels with the smallest effective sizes, in their order, where there are many."""
    if len(panels) <= _MOST_PANELS:
        return panels
    sizes = {name: min(map(_size, held)) for name, held in panels.items()}
    kept = set(sorted(sizes, key=lambda name: sizes[name])[:_MOST_PANELS])
    return {name: held for name, held in panels.items() if name in kept}
