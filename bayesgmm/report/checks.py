"""The section on checks: of the sampler, of the model against the data, of the prior."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable, written_out
from bayesgmm.limits import ESS, PRIOR_MATTERS, R_HAT
from bayesgmm.plots import posterior_predictive as draw_predictive
from bayesgmm.plots import ranks, traces
from bayesgmm.plots.observed import Column, column_of
from bayesgmm.prediction import posterior_predictive
from bayesgmm.report.document import Block, Facts, Section, Table, Text
from bayesgmm.report.pictures import picture
from bayesgmm.report.subject import Subject
from bayesgmm.report.tables import estimate_table
from bayesgmm.summary import label_free
from bayesgmm.summary.numbers import by_error, fixed, percent, significant
from bayesgmm.typing import Array

__all__ = ["checks"]

_DATA_SETS = 200
_MOST_CLUSTERS = 6


def _moment(x: Array, weights: Array | None, order: int) -> Array:
    """Return a standardized central moment over the last axis, of rows that count by weights."""
    centre = np.average(x, axis=-1, weights=weights)
    offsets = x - np.expand_dims(centre, -1)
    variance = np.average(offsets**2, axis=-1, weights=weights)
    return np.average(offsets**order, axis=-1, weights=weights) / variance ** (order / 2)


_STATISTICS: Mapping[str, Callable[[Array, Array | None], Array]] = {
    "smallest": lambda x, _: x.min(axis=-1),
    "largest": lambda x, _: x.max(axis=-1),
    "skewness": lambda x, weights: _moment(x, weights, 3),
    "excess kurtosis": lambda x, weights: _moment(x, weights, 4) - 3.0,
}
_OF_NO_WEIGHT = ("smallest", "largest")  # a survey that favours the ends of a population has others


def checks(subject: Subject) -> Section:
    """Show what could be wrong: the sampler, the fit to the data, the weight of the prior."""
    blocks = [*_sampler(subject), *_predictive(subject), *_sensitivity(subject)]
    return Section("checks", "Checks", tuple(blocks))


def _sampler(subject: Subject) -> list[Block]:
    statistics = subject.verdict.statistics
    items = [
        ("Chains and draws", f"{statistics['chains']} chains of {statistics['draws']} draws"),
        ("Divergent draws", _shown(statistics.get("divergences"))),
        ("Draws at the largest tree depth", _share(statistics.get("max_depth_share"))),
        ("E-FMI of each chain", _listed(statistics.get("e_fmi"), 2)),
        ("Mean log likelihood of each chain", _listed(statistics.get("log_likelihood"), 6)),
        ("Identification of each cluster", _listed(statistics.get("identification"), 3)),
        ("Draws labelled alike by other methods", _agreement(statistics.get("agreement"))),
        ("Importance weights", _weights(statistics.get("importance"))),
        ("Largest R-hat, labels as sampled", _shown(statistics.get("r_hat_max_as_sampled"))),
    ]
    caption = (
        "What does not depend on the labels, from which the verdict is taken: R-hat must be at "
        f"most {R_HAT} and each effective sample size at least {ESS:.0f}. The log likelihood is "
        "that of all rows, in nats; with two components and more follow the weights from the "
        "largest to the smallest, the entropy of the memberships summed over rows, in nats, and "
        "the number of components that hold at least one row."
    )
    table = estimate_table(caption, label_free(subject.draws, subject.prob))
    blocks: list[Block] = [Facts(tuple(items)), *_modes(subject), table]
    if 1 < subject.n_clusters <= _MOST_CLUSTERS:
        blocks += _chain_pictures(subject)
    return blocks


def _weights(weighted: dict[str, Any] | None) -> str:
    """Say how many proposals are effective, and how far they agree with the posterior."""
    if weighted is None:
        return _shown(None)
    return (
        f"{weighted['effective']:.0f} effective of {weighted['proposed']} proposals at "
        f"{weighted['modes']} known modes, acceptance {weighted['acceptance']:.0%}, Pareto k "
        f"{_shown(weighted['k_hat'])}"
    )


def _agreement(shares: Mapping[str, float] | None) -> str:
    if not shares:
        return "not recorded"
    return ", ".join(f"{method} {percent(share)}" for method, share in shares.items())


def _modes(subject: Subject) -> list[Block]:
    """Set the modes side by side where the chains stay in several."""
    modes = subject.verdict.to_dict()["modes"]
    if len(modes) < 2:
        return []
    caption = (
        "The modes in which the chains stayed. The weight of a mode is its share of the evidence "
        "of all of them, each with its standard error; the number of its chains says nothing."
    )
    header = (
        "chains", "log likelihood", "sd", "log evidence", "error", "weight", "error of weight",
    )  # fmt: skip
    rows = []
    for mode in modes:
        evidence, error, weight, its_error = (
            _number(mode[name]) for name in ("log_evidence", "error", "weight", "weight_error")
        )
        rows.append(
            (
                ", ".join(map(str, mode["chains"])),
                fixed(mode["log_likelihood"], 2),
                fixed(mode["log_likelihood_sd"], 2),
                *(by_error(evidence, error), significant(error, 2)),
                *(by_error(weight, its_error), significant(its_error, 2)),
            )
        )
    return [Table(caption, header, tuple(rows))]


def _chain_pictures(subject: Subject) -> list[Block]:
    return [
        picture(
            "traces",
            traces(subject.posterior, units=subject.units),
            "Traces of the means of the first feature, in the labels as sampled and, where draws "
            "were relabelled, afterwards. A colour that changes place is a label that switched.",
            "Trace of each cluster's mean over the draws of all chains.",
        ),
        picture(
            "ranks",
            ranks(subject.posterior),
            "Ranks of the draws of each chain among all draws. Chains that agree have even counts; "
            "the grey bands hold 95 % of the counts of independent draws. R-hat in the titles.",
            "Rank histograms of each cluster's mean, one below another for the chains.",
        ),
    ]


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _shown(value: Any) -> str:
    return "not recorded" if value is None else significant(float(value))


def _share(value: Any) -> str:
    return "not recorded" if value is None else percent(float(value))


def _listed(values: Any, digits: int) -> str:
    if not values:
        return "not recorded"
    return ", ".join(significant(_number(value), digits) for value in values)


def _predictive(subject: Subject) -> list[Block]:
    if not subject.gaussian:
        return []
    replicated = posterior_predictive(subject.draws, _DATA_SETS, seed=subject.seed)
    group = replicated["posterior_predictive"].to_dataset()["x"]
    values = group.values.reshape(-1, *group.shape[2:])
    rows, _ = written_out(subject.draws.table)
    columns = [column_of(rows, d) for d in range(len(subject.features[:6]))]
    lines = tuple(
        _statistic(
            f"{name} of {feature}", statistic, column, values[:, column.places, d], subject.tails
        )
        for d, (feature, column) in enumerate(zip(subject.features, columns, strict=False))
        for name, statistic in _STATISTICS.items()
        if column.weights is None or name not in _OF_NO_WEIGHT
    )
    caption = (
        f"Statistics of the data and of {len(values)} data sets of the same size drawn from the "
        "posterior, which the model does not fit directly. p is the share of replicated data sets "
        "with a value at least as large; near 0 or 1 the model misses that aspect of the data."
        f"{_kept_in_replicates(rows)}"
    )
    header = ("statistic", "data", "replicated median", f"{subject.interval} of replicates", "p")
    return [
        picture(
            "posterior_predictive",
            draw_predictive(replicated, prob=subject.prob, units=subject.units),
            f"Histogram of the data, and in each bin the middle {subject.interval} of "
            f"{len(values)} data sets drawn from the posterior. About one bar in "
            f"{1 / (1 - subject.prob):.0f} should lie outside.",
            "Histogram of each column with the interval of replicated counts in each bin.",
        ),
        Table(caption, header, lines),
    ]


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


def _statistic(
    name: str,
    statistic: Callable[[Array, Array | None], Array],
    column: Column,
    replicated: Array,
    tails: tuple[float, float],
) -> tuple[str, ...]:
    own = float(statistic(column.values, column.weights))
    others = statistic(replicated, column.weights)
    low, middle, high = np.quantile(others, [tails[0], 0.5, tails[1]])
    return (
        name,
        significant(own),
        significant(middle),
        f"{significant(low)} to {significant(high)}",
        f"{(others >= own).mean():.2f}",
    )


def _sensitivity(subject: Subject) -> list[Block]:
    tree = subject.posterior
    if not subject.named or subject.resolved is None:
        return [Text("Sensitivity to the prior is given only for parameters that are identified.")]
    if "log_likelihood" not in tree or "log_prior" not in tree:
        return [
            Text(
                "Sensitivity to the prior is not given: the log likelihood of each row was not "
                "stored (log_likelihood=False)."
            )
        ]
    if subject.known is not None and subject.known.weights_kind == "sampling":
        return [Text("Sensitivity to the prior is not given for a survey's pseudo-posterior.")]
    import arviz as az

    names = ["means", "scales"] if subject.n_clusters == 1 else ["weights", "means", "scales"]
    advice = logging.getLogger("arviz_stats.psense")
    level = advice.level
    advice.setLevel(logging.ERROR)
    try:
        frame = az.psense_summary(_weighted(subject), var_names=names, threshold=PRIOR_MATTERS)
    finally:
        advice.setLevel(level)
    rows = tuple(
        (str(name), f"{row['prior']:.3f}", f"{row['likelihood']:.3f}", _diagnosis(row["diagnosis"]))
        for name, row in frame.iterrows()
    )
    caption = (
        "Sensitivity to the prior by power scaling (Kallioinen et al. 2024): how much the "
        "posterior moves when prior or likelihood is raised to a power near 1. Above "
        f"{PRIOR_MATTERS} in the first column the prior matters."
    )
    return [
        Table(caption, ("parameter", "prior", "likelihood", "reading"), rows, words=(3,)),
    ]


def _weighted(subject: Subject) -> xr.DataTree:
    """Return the posterior with the log likelihood of each row as often as it counts."""
    table = subject.draws.table
    if not isinstance(table, AnnotatedRows) or table.weights is None:
        return subject.posterior
    tree = subject.posterior.copy()
    rows = tree["log_likelihood"].to_dataset()
    tree["log_likelihood"] = xr.DataTree(rows * xr.DataArray(table.weights, dims="obs"))
    return tree


def _diagnosis(value: Any) -> str:
    return "the prior hardly matters" if str(value) in ("✓", "-") else str(value)
