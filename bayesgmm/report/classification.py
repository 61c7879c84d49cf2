"""How well each K separates its classes: sizes, entropy, classification, rows per parameter."""

import math

import numpy as np

from bayesgmm.comparison import Comparison
from bayesgmm.model.components import NOISE
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.prediction import membership, parts_of
from bayesgmm.report.document import Block, Table
from bayesgmm.report.subject import Subject
from bayesgmm.summary.numbers import fixed, percent, significant
from bayesgmm.typing import Array, IntArray

__all__ = ["classes", "classification_tables"]

_MOST_CLUSTERS = 8


def classes(subject: Subject) -> list[Block]:
    """Return a table of the classes of all models compared."""
    comparison = subject.comparison
    if comparison is None or subject.choice is None:
        return []
    fitted = [spec for spec in comparison.models if spec in comparison.fits]
    rows = tuple(_line(subject, comparison, spec) for spec in fitted)
    caption = (
        "The classes of each K by its maximum likelihood fit, rows assigned to their most probable "
        "class. Relative entropy is 1 where every row is certain, and 0 where no row is "
        "(Ramaswamy et al. 1993); least certain class is the smallest diagonal entry of the "
        "classification table (appendix). Few rows per parameter, in all or in the smallest class, "
        "make estimates unstable."
    )
    header = (
        "K", "smallest class, rows", "share", "relative entropy", "least certain class",
        "rows per parameter", "the same, smallest class",
    )  # fmt: skip
    chosen = subject.choice.model
    return [Table(caption, header, rows, fitted.index(chosen) if chosen in fitted else None)]


def classification_tables(subject: Subject) -> list[Block]:
    """Return the classification table of each model compared that has several classes."""
    comparison = subject.comparison
    if comparison is None:
        return []
    return [
        _table(subject, comparison, spec)
        for spec in comparison.models
        if spec in comparison.fits and 1 < spec.n_components <= _MOST_CLUSTERS
    ]


def _memberships(subject: Subject, comparison: Comparison, spec: MixtureSpec) -> Array:
    """Return the membership probabilities (row, part) at the fit, of the rows that are shown."""
    rows = subject.draws.rows if subject.some_rows else comparison.data
    found: Array = parts_of(membership(comparison.fits[spec], rows)).mean
    return found


def _averages(shares: Array, times: IntArray) -> tuple[Array, Array]:
    """Return class sizes, and the mean membership (assigned, class) of the rows of each class."""
    assigned = shares.argmax(axis=1)
    held = np.zeros((shares.shape[1], shares.shape[1]))
    np.add.at(held, assigned, shares * times[:, None])
    sizes = np.bincount(assigned, times, shares.shape[1])
    with np.errstate(invalid="ignore"):
        return sizes, held / sizes[:, None]


def _line(subject: Subject, comparison: Comparison, spec: MixtureSpec) -> tuple[str, ...]:
    shares, times = _memberships(subject, comparison, spec), subject.times
    sizes, averages = _averages(shares, times)
    n_rows, n_parts = float(times.sum()), shares.shape[1]
    n_parameters = spec.n_parameters(comparison.data.n_features)
    entropy, certain = math.nan, math.nan
    if n_parts > 1:
        logs = np.log(np.where(shares > 0.0, shares, 1.0))
        entropy = 1.0 + float(times @ (shares * logs).sum(axis=1)) / (n_rows * math.log(n_parts))
        certain = float(np.nanmin(np.diag(averages)))
    return (
        comparison.numbers[spec],
        fixed(sizes.min(), 0),
        percent(sizes.min() / n_rows),
        fixed(entropy, 3),
        fixed(certain, 3),
        significant(n_rows / n_parameters, 3),
        significant(sizes.min() * n_parts / n_parameters, 3),
    )


def _table(subject: Subject, comparison: Comparison, spec: MixtureSpec) -> Table:
    shares = _memberships(subject, comparison, spec)
    sizes, averages = _averages(shares, subject.times)
    names = [str(k + 1) for k in range(spec.n_components)]
    names += [NOISE] * (shares.shape[1] > len(names))
    rows = tuple(
        (name, fixed(size, 0), *(fixed(float(value), 3) for value in row))
        for name, size, row in zip(names, sizes, averages, strict=True)
    )
    caption = (
        f"Classification table for K = {comparison.numbers[spec]}: mean membership probability in "
        "each class (columns) of the rows assigned to a class (rows), at the maximum likelihood "
        "fit. Values near 1 on the diagonal say that the classes are well separated."
    )
    header = ("assigned to", "rows", *(f"in {name}" for name in names))
    return Table(caption, header, rows)
