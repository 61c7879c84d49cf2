"""Tables of estimates, one a kind of parameter, with likelihood's estimates beside."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bayesgmm.labels import Quantity, cluster_quantities
from bayesgmm.report.document import Table
from bayesgmm.report.subject import Subject
from bayesgmm.summary.likelihood import LikelihoodEstimate, likelihood_estimates
from bayesgmm.summary.numbers import fixed, frame_rows
from bayesgmm.typing import Array

__all__ = ["tables_by_kind"]

_TITLES = {
    "weights": "Weights of the clusters",
    "noise_weight": "Weight of the noise",
    "means": "Means",
    "scales": "Scales (standard deviations)",
    "correlations": "Correlations",
    "unique_scales": "Unique scales (standard deviations beside the factors)",
    "loadings": "Loadings on the factors",
    "nu": "Degrees of freedom",
    "good_share": "Share of good rows",
    "inflation": "Factor of the variances of contaminated rows",
}
_IN_UNITS = ("means", "scales", "unique_scales", "loadings")
_MOST_PAIRS = 10
_SHOWN = ("mean", "sd")


def tables_by_kind(subject: Subject, frame: pd.DataFrame) -> list[Table]:
    """Lay out a summary, one table a kind of parameter, rows by feature and cluster.

    Parameters
    ----------
    subject : Subject
    frame : pandas.DataFrame
        As `summarize` returns it.
    """
    quantities = [q for q in cluster_quantities(subject.draws) if q.name in frame.index]
    fit = subject.fit
    beside = {} if fit is None else likelihood_estimates(fit, subject.draws, subject.prob)
    tables = []
    for kind in dict.fromkeys(q.kind for q in quantities):
        of_kind = [q for q in quantities if q.kind == kind]
        pairs = len({q.features for q in of_kind})
        if kind == "correlations" and pairs > _MOST_PAIRS:
            tables += _matrices(subject, of_kind)
            continue
        tables.append(_table(kind, of_kind, frame, beside, subject))
    return tables


def _table(
    kind: str,
    quantities: list[Quantity],
    frame: pd.DataFrame,
    beside: Mapping[str, LikelihoodEstimate],
    subject: Subject,
) -> Table:
    ordered = sorted(quantities, key=lambda q: _order(q, subject))
    about = any(q.features for q in ordered)
    with_units = kind in _IN_UNITS and bool(subject.units)
    with_factors = len({q.factor for q in ordered}) > 1
    spread = [name for name in frame.columns if name == "sd_sandwich"]
    bounds = [name for name in frame.columns if name.endswith(("_lb", "_ub"))]
    shown = frame.loc[[q.name for q in ordered], [*_SHOWN, *spread, *bounds, "mcse_mean"]]
    rows = []
    for quantity, cells in zip(ordered, frame_rows(shown), strict=True):
        cluster = "all" if quantity.cluster is None else subject.clusters[quantity.cluster]
        head = [" and ".join(quantity.features)] if about else []
        if with_units:
            head.append(subject.units.get(quantity.features[0], "") if quantity.features else "")
        head += [str(quantity.factor)] if with_factors else []
        rows.append((*head, cluster, *cells[1:-1], *_by_likelihood(beside, quantity, cells[1])))
    header = [
        *(["features" if kind == "correlations" else "feature"] if about else []),
        *(["unit"] if with_units else []),
        *(["factor"] if with_factors else []),
        "cluster",
        *_SHOWN,
        *(["sandwich sd"] if spread else []),
        "lower",
        "upper",
        *(["ML", "ML lower", "ML upper"] if beside else []),
    ]
    words = tuple(place for place in range(1, header.index("cluster") + 1))
    beside_them = "" if not beside else ", with maximum likelihood beside them"
    caption = f"{_TITLES[kind]}: posterior summaries{beside_them}."
    return Table(caption, tuple(header), tuple(rows), words=words)


def _order(quantity: Quantity, subject: Subject) -> tuple[int, ...]:
    """Return the place of a quantity in its table: features first, then clusters."""
    places = (subject.features.index(name) for name in quantity.features)
    whose = -1 if quantity.cluster is None else quantity.cluster
    return (*places, quantity.factor or 0, whose)


def _by_likelihood(
    beside: Mapping[str, LikelihoodEstimate], quantity: Quantity, shown: str
) -> tuple[str, ...]:
    """Return estimate and interval with as many decimals as the mean beside shows."""
    if not beside:
        return ()
    decimals = len(shown.partition(".")[2])
    return tuple(fixed(value, decimals) for value in beside[quantity.name])


def _matrices(subject: Subject, quantities: list[Quantity]) -> list[Table]:
    """Lay out many correlations as one matrix a cluster."""
    features, tables = subject.features, []
    for cluster in dict.fromkeys(q.cluster for q in quantities):
        found = {q.features: q.values for q in quantities if q.cluster == cluster}
        name = "all clusters" if cluster is None else f"cluster {subject.clusters[cluster]}"
        rows = []
        for i, one in enumerate(features):
            cells = [
                "1" if i == j else _cell(found.get((other, one)), subject.tails) if j < i else ""
                for j, other in enumerate(features)
            ]
            rows.append((f"{i + 1} {one}", *cells))
        caption = (
            f"Posterior means of the correlations in {name}; * where the {subject.interval} "
            "interval excludes 0. `summarize`, and summary.csv of a run, hold every interval."
        )
        numbers = map(str, range(1, len(features) + 1))
        tables.append(Table(caption, ("", *numbers), tuple(rows)))
    return tables


def _cell(values: Array | None, tails: tuple[float, float]) -> str:
    if values is None:
        return ""
    low, high = np.quantile(values, tails)
    return f"{fixed(float(values.mean()), 2)}{'' if low < 0.0 < high else '*'}"
