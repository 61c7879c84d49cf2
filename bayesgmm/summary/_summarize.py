"""Tables of a posterior: one row per parameter, or label-free where clusters are not identified."""

import math
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Literal, get_args

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats

from bayesgmm.advice import shown
from bayesgmm.arguments import check_count, check_one_of, check_prob, check_texts, items_of
from bayesgmm.errors import ConfigError
from bayesgmm.labels import (
    Quantity,
    cluster_quantities,
    label_free_quantities,
    sandwich_deviations,
)
from bayesgmm.limits import IDENTIFIED, INTERVAL
from bayesgmm.posterior.draws import Draws, Posterior, view_of
from bayesgmm.posterior.tree import attribute, units_in
from bayesgmm.runtime.keywords import keywords
from bayesgmm.summary.paper import Estimate, paper_table
from bayesgmm.typing import Array

__all__ = ["label_free", "summarize"]

IntervalKind = Literal["eti", "hdi", "both"]


@keywords()
def summarize(
    posterior: Posterior,
    prob: float = INTERVAL,
    *,
    var_names: str | Sequence[str] | None = None,
    ci_kind: IntervalKind = "eti",
    style: Literal["numbers", "paper"] = "numbers",
) -> pd.DataFrame:
    """Summarise weights, means, scales and correlations of each cluster.

    Clusters that are identified in less than 90 % of draws have no row: their label does not mean
    the same thing from draw to draw. The rows of `label_free` stand for them, and the frame's
    ``attrs["withheld"]`` holds the score of each.

    Parameters
    ----------
    posterior : xarray.DataTree
    prob : float
        Probability of the intervals.
    var_names : str or sequence of str, optional
        Any of weights, noise_weight, means, scales, correlations and nu; by default all that the
        model has.
    ci_kind : {"eti", "hdi", "both"}
        Equal-tailed intervals, highest-density intervals, or both.
    style : {"numbers", "paper"}
        "numbers" for further work; "paper" for print, which `write_table` writes as LaTeX, HTML or
        Markdown.

    Returns
    -------
    pandas.DataFrame
        Index such as "means[1, eruptions]"; what clusters share appears once, "scales[eruptions]".
        Columns mean, sd, the intervals' bounds (eti89_lb, eti89_ub), ess_bulk, ess_tail, r_hat,
        mcse_mean, mcse_sd; data units. ESS and equal-tailed interval of correlations are taken on
        the artanh scale, and the interval is reported on (-1, 1). From 100,000 rows on also
        sd_sandwich, the standard deviation of the estimates whatever the distribution of the rows
        (Huber 1967; White 1982). If it is larger than sd, the model does not fit that distribution,
        and the intervals are too narrow. With ``style="paper"`` all cells are text:
        index in words with units, columns cluster, mean and one for each interval, with two digits
        of the standard deviation, and no more than the Monte Carlo error leaves certain.

    Raises
    ------
    ConfigError
        When `prob` is not between 0 and 1, or another option is none of those allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.sampling import sample
    >>> rows = np.random.default_rng(1).normal(size=(60, 1)) + [[0], [6], [6]] * 20
    >>> tree = sample(rows, 2, seed=1)
    >>> float(summarize(tree).loc["means[2, x1]", "mean"].round())
    6.0
    >>> summarize(tree, var_names="means", style="paper")["mean"].tolist()
    ['−0.02', '5.95']
    """
    draws, prob = view_of(posterior), check_prob(prob)
    check_one_of("ci_kind", ci_kind, get_args(IntervalKind))
    check_one_of("style", style, ("numbers", "paper"))
    scores = attribute(draws.tree, "identification") or []
    withheld = {k: score for k, score in enumerate(scores) if score < IDENTIFIED}
    there = cluster_quantities(draws)
    kinds = _kinds(var_names, there)
    chosen = [q for q in there if q.cluster not in withheld and q.kind in kinds]
    if withheld:
        chosen += label_free_quantities(draws)
    if style == "paper":
        table = _printed(draws, chosen, prob, ci_kind)
    else:
        table = _table(chosen, prob, ci_kind)
        if sandwich := sandwich_deviations(draws):
            beside = [sandwich.get(name, math.nan) for name in table.index]
            table.insert(list(table.columns).index("sd") + 1, "sd_sandwich", beside)
    table.attrs["withheld"] = {draws.clusters[k].item(): score for k, score in withheld.items()}
    return table


def _kinds(var_names: str | Sequence[str] | None, there: Sequence[Quantity]) -> list[str]:
    """Return the kinds of parameters asked for, all of which there are."""
    known = list(dict.fromkeys(quantity.kind for quantity in there))
    if var_names is None:
        return known
    asked = [var_names] if isinstance(var_names, str) else check_texts("var_names", var_names)
    for name in asked:
        if name not in known:
            raise ConfigError(
                f"var_names must be among {', '.join(known)}, got {shown(name)}.",
                key="var_names",
                value=var_names,
            )
    return asked


@keywords()
def label_free(
    posterior: Posterior, prob: float = INTERVAL, rows: Iterable[int] = ()
) -> pd.DataFrame:
    """Summarise what does not depend on labels.

    Parameters
    ----------
    posterior : xarray.DataTree
    prob : float
        Probability of the equal-tailed interval.
    rows : iterable of int
        Rows of the data, counted from 0: each pair of them adds together[i, j], the probability
        that both belong to the same component.

    Returns
    -------
    pandas.DataFrame
        Columns as of `summarize`; rows log_likelihood (nats, data units) and, for two clusters and
        more, sorted_weights[j] (the largest first), entropy (of the rows' allocation, summed over
        rows, nats) and occupied (expected number of clusters that hold at least one row).

    Raises
    ------
    ConfigError
        When `prob` is not between 0 and 1, or a row is not among those of the posterior.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> table = label_free(sample(rows, 2, draws=100, seed=1))
    >>> table.index.tolist()
    ['log_likelihood', 'sorted_weights[1]', 'sorted_weights[2]', 'entropy', 'occupied']
    >>> label_free(sample(rows, 2, draws=100, seed=1), rows=[0, 3]).index[-1]
    'together[0, 3]'
    """
    draws, prob = view_of(posterior), check_prob(prob)
    return _table([*label_free_quantities(draws), *_together(draws, rows)], prob)


def _row_number(row: int, n_rows: int) -> int:
    """Return the number of a row from 0 that is among `n_rows`."""
    if check_count("rows", row, least=0) >= n_rows:
        raise ConfigError(
            f"row {row} is not among the {n_rows} rows, which are counted from 0.",
            key="rows",
            value=row,
        )
    return row


def _together(draws: Draws, rows: Iterable[int]) -> list[Quantity]:
    """Return for each pair of rows the probability that they share a component, label-free."""
    n_rows = len(draws.table)
    chosen = [_row_number(row, n_rows) for row in items_of("rows", rows, "row numbers")]
    if not chosen:
        return []
    draws.require_gaussian()
    shares = draws.responsibilities(draws.table[chosen])
    return [
        Quantity(
            f"together[{chosen[i]}, {chosen[j]}]",
            (shares[:, :, i] * shares[:, :, j]).sum(axis=1).reshape(draws.shape),
        )
        for i, j in combinations(range(len(chosen)), 2)
    ]


def _table(
    quantities: Iterable[Quantity], prob: float, ci_kind: IntervalKind = "eti"
) -> pd.DataFrame:
    rows = {q.name: _row(q, prob, ci_kind) for q in quantities}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("parameter")


def _printed(
    draws: Draws, quantities: Sequence[Quantity], prob: float, ci_kind: IntervalKind
) -> pd.DataFrame:
    """Return the table in the style of papers."""
    both = ci_kind == "both"
    estimates = []
    for quantity in quantities:
        values = quantity.values
        intervals = {
            f"{100.0 * prob:g} % {kind.upper() if both else 'interval'}": bounds
            for kind, bounds in _intervals(quantity, prob, ci_kind).items()
        }
        error = quantity.statistics.mcse_mean
        estimates.append(Estimate(float(values.mean()), _deviation(values), error, intervals))
    names = [str(name) for name in draws.clusters]
    return paper_table(quantities, estimates, names, units_in(draws.tree), draws.parameters.tailed)


def _row(quantity: Quantity, prob: float, ci_kind: IntervalKind) -> dict[str, float]:
    """Summarise one quantity over all its draws."""
    values = quantity.values
    judged, sizes = quantity.statistics, quantity.judged
    percent, bounds = f"{100.0 * prob:g}", dict[str, float]()
    for kind, (lower, upper) in _intervals(quantity, prob, ci_kind).items():
        bounds |= {f"{kind}{percent}_lb": lower, f"{kind}{percent}_ub": upper}
    return {
        "mean": float(values.mean()),
        "sd": _deviation(values),
        **bounds,
        "ess_bulk": sizes.ess_bulk,
        "ess_tail": sizes.ess_tail,
        "r_hat": sizes.r_hat,
        "mcse_mean": judged.mcse_mean,
        "mcse_sd": judged.mcse_sd,
    }


def _intervals(
    quantity: Quantity, prob: float, ci_kind: IntervalKind
) -> dict[str, tuple[float, float]]:
    """Return the bounds by kind of interval; equal tails of correlations on the artanh scale."""
    values, found = quantity.values.ravel(), dict[str, tuple[float, float]]()
    if ci_kind != "hdi":
        scaled = np.arctanh(values) if quantity.correlation else values
        bounds = array_stats.eti(scaled, prob)
        lower, upper = np.tanh(bounds) if quantity.correlation else bounds
        found["eti"] = float(lower), float(upper)
    if ci_kind != "eti":
        lower, upper = array_stats.hdi(values, prob)
        found["hdi"] = float(lower), float(upper)
    return found


def _deviation(values: Array) -> float:
    return float(values.std(ddof=1)) if values.size > 1 else math.nan
