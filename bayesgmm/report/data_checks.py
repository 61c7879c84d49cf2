"""The section on the model against the data: predictive checks, and the rows it predicts worst."""

import numpy as np

from bayesgmm.elpd.pit import loo_pit
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable, values_of, written_out
from bayesgmm.limits import PARETO_K, PREDICTIVE_P
from bayesgmm.plots import posterior_predictive as draw_predictive
from bayesgmm.plots.curves import evenly
from bayesgmm.plots.pit import pit_ecdf
from bayesgmm.report.discrepancies import Discrepancy
from bayesgmm.report.document import Block, Section, Table
from bayesgmm.report.pictures import picture
from bayesgmm.report.subject import Subject
from bayesgmm.summary.numbers import fixed, plain, significant
from bayesgmm.typing import Array, IntArray

__all__ = ["data_checks"]

_MOST_ROWS = 500
_LISTED = 8
_FEATURES = 6


def data_checks(subject: Subject) -> Section | None:
    """Show where the model misses the data; nothing where it is not a mixture's."""
    blocks = [*_predictive(subject), *_pit(subject), *_least_predicted(subject)]
    return Section("fit", "Checks against the data", tuple(blocks)) if blocks else None


def _predictive(subject: Subject) -> list[Block]:
    if not subject.gaussian:
        return []
    rows, _ = written_out(subject.draws.table)
    found, blocks = subject.discrepancies, list[Block]()
    n_sets = len(found[0].replicated)
    blocks.append(
        picture(
            "posterior_predictive",
            draw_predictive(subject.replicated, prob=subject.prob, units=subject.units),
            f"Histogram of the data, and in each bin the middle {subject.interval} of "
            f"{n_sets} data sets drawn from the posterior. About one bar in "
            f"{1 / (1 - subject.prob):.0f} should lie outside.",
            "Histogram of each column with the interval of replicated counts in each bin.",
        )
    )
    told = (
        f"{n_sets} data sets of the same size drawn from the posterior. p is the share of these "
        "with a value at least as large as that of the data; near 0 or 1 the model misses that "
        f"aspect.{_kept_in_replicates(rows)}"
    )
    header = ("statistic", "data", "replicated median", f"{subject.interval} of replicates", "p")
    for joint, caption in (
        (False, f"Posterior predictive checks of single columns, against {told}"),
        (True, f"Joint posterior predictive checks, of all rows whatever their cluster. {_JOINT}"),
    ):
        lines = tuple(_line(each, subject.tails) for each in found if each.joint == joint)
        if lines:
            blocks.append(Table(caption, header, lines))
    return blocks


_JOINT = (
    "Distances are Mahalanobis distances from the centre of each data set, by its own covariance "
    "matrix; they and correlations have no unit."
)


def _kept_in_replicates(rows: RowTable) -> str:
    """Say what is known of rows, and kept in data sets drawn from the posterior."""
    if not isinstance(rows, AnnotatedRows):
        return ""
    kept = [
        *(["the same cells are missing"] if np.isnan(rows.table).any() else []),
        *(["each row has its errors added"] if rows.errors is not None else []),
        *(["rows of known class come from it"] if rows.allowed is not None else []),
        *(["rows count by their weights"] if rows.weights is not None else []),
    ]
    return f" In all of them {', '.join(kept)}." if kept else ""


def _line(found: Discrepancy, tails: tuple[float, float]) -> tuple[str, ...]:
    low, middle, high = np.quantile(found.replicated, [tails[0], 0.5, tails[1]])
    mark = "*" if min(found.p, 1.0 - found.p) < PREDICTIVE_P else ""
    return (
        found.name,
        significant(found.own),
        significant(middle),
        f"{significant(low)} to {significant(high)}",
        f"{found.shown_p}{mark}",
    )


def _pit(subject: Subject) -> list[Block]:
    """Show where observed values lie in their leave-one-out predictive distributions."""
    draws = subject.draws
    if subject.elpd is None or "log_likelihood" not in subject.posterior:
        return []
    if not subject.gaussian or draws.noise is not None:
        return []
    places = np.asarray(evenly(len(draws.table), _MOST_ROWS))
    some = "" if len(places) == len(draws.table) else f" Shown for {len(places)} of the rows."
    return [
        picture(
            "loo_pit",
            pit_ecdf(loo_pit(draws, places), subject.features, subject.units),
            "LOO-PIT: the probability of a value below the observed one, given all other rows. If "
            "the model predicts a column well these are uniform, and the line stays in the band, "
            "which holds 95 % of such lines as a whole. An arch says that the observed values are "
            "lower or higher than predicted, an S that predictions are too wide or too "
            f"narrow.{some}",
            "Distribution of leave-one-out probabilities less the uniform one, with a band.",
        )
    ]


def _least_predicted(subject: Subject) -> list[Block]:
    """List the rows with the least leave-one-out predictive density."""
    if subject.elpd is None:
        return []
    elpd = subject.elpd.elpd_i
    values, pareto = np.ravel(elpd.values), np.ravel(subject.elpd.pareto_k.values)
    order = np.argsort(values, kind="stable")[:_LISTED]
    names, cells, shown = elpd["obs"].values[order], _cells_of(subject, order), subject.features
    shown = shown[:_FEATURES]
    rows = tuple(
        (
            str(name),
            *("–" if np.isnan(cell) else plain(cell) for cell in row[: len(shown)]),
            fixed(values[place], 2),
            fixed(values[place] - values.mean(), 2),
            fixed(pareto[place], 2),
        )
        for place, name, row in zip(order, names, cells, strict=True)
    )
    named = "Rows are named by their labels." if subject.labelled else "Rows are counted from 0."
    caption = (
        f"The {len(rows)} rows that the model predicts worst: log predictive density of the row "
        "given all others, in nats, and the same less the mean over all rows. A Pareto k above "
        f"{PARETO_K} says that the density is unreliable. {named}"
    )
    if subject.some_rows:
        caption += " Values are shown of rows that the result keeps."
    header = ("row", *shown, "log density", "less the mean", "Pareto k")
    return [Table(caption, header, rows)]


def _cells_of(subject: Subject, places: IntArray) -> Array:
    """Return the values of some of all rows; NaN of those that the result does not keep."""
    values = values_of(subject.draws.table)
    if not subject.some_rows:
        return values[places]
    kept = subject.draws.obs.astype(np.int64)
    found = np.minimum(np.searchsorted(kept, places), len(kept) - 1)
    return np.where((kept[found] == places)[:, None], values[found], np.nan)
