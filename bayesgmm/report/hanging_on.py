"""The section on what the answer depends on, where the studies behind it were made."""

import math
from typing import cast

import numpy as np
import pandas as pd

from bayesgmm.comparison import Sensitivity
from bayesgmm.criterion import CRITERIA, Criterion
from bayesgmm.evidence import Coarsened
from bayesgmm.plots import over_alpha
from bayesgmm.report.document import Block, Section, Table, Text
from bayesgmm.report.pictures import picture
from bayesgmm.report.subject import Subject
from bayesgmm.summary.numbers import significant

__all__ = ["hanging_on"]

_BY_ROWS = (
    "If the components are not exactly Gaussian, p(K) moves to larger K as rows are added: K "
    "counts Gaussians, not groups. If p(K) is about the same for half of the rows as for all, "
    "there is no sign of this here."
)
_BY_ALPHA = (
    "p(K) if the components are only nearly Gaussian (Miller and Dunson 2019): the likelihood "
    "enters to the power alpha / (alpha + n). The smaller alpha, the larger the departures from "
    "the model that are allowed. If a K is best for large alpha only, small departures could "
    "explain it. The last point is the comparison itself."
)


def hanging_on(subject: Subject) -> Section | None:
    """Show the choice and p(K) under other priors, fewer rows and a coarser model."""
    found = subject.robustness
    if found is None:
        return None
    blocks: list[Block] = [
        Text(found.sensitivity.note),
        _choices(found.sensitivity),
        _probabilities(found.sensitivity),
        *_estimates(found.sensitivity, f"K = {subject.number}"),
        Text(_BY_ROWS),
        _rows(found.by_rows),
        picture(
            "over_alpha",
            over_alpha(found.coarsened),
            _BY_ALPHA,
            "The probability of each number of components against alpha on a logarithmic axis.",
        ),
        *_notes(found.coarsened),
    ]
    return Section("robustness", "What the answer depends on", tuple(blocks))


def _choices(found: Sensitivity) -> Table:
    header = ("setting", *(CRITERIA[cast(Criterion, c)].words for c in found.choices.columns))
    rows = tuple(
        (str(name), *(_known(value) for value in row)) for name, row in found.choices.iterrows()
    )
    caption = (
        "The K that each criterion chooses, one setting changed at a time. AIC, BIC, sBIC and ICL "
        "do not depend on the priors, only on the recording step."
    )
    return Table(caption, header, rows, marked=0)


def _probabilities(found: Sensitivity) -> Table:
    anew = found.runs.to_numpy(dtype=bool)
    rows = tuple(
        (
            str(name),
            *(_probability(p, mark) for p, mark in zip(row, anew[place], strict=True)),
        )
        for place, (name, row) in enumerate(found.probabilities.iterrows())
    )
    caption = (
        "p(K) under the same settings, from the draws of the comparison, reweighted; * from a new "
        "run, where the Pareto k of the weights is above 0.7."
    )
    return Table(caption, ("setting", *map(str, found.probabilities.columns)), rows, 0)


def _estimates(found: Sensitivity, model: str) -> list[Block]:
    """Set the clusters' estimates side by side under all settings, and say which moves most."""
    if model not in found.estimates.index.get_level_values("model"):
        return []
    of_model = found.estimates.xs(model, level="model")
    means = of_model["mean"].unstack("setting", sort=False)
    settings, names = [str(name) for name in means.columns], [str(name) for name in means.index]
    if len(settings) < 2:
        return []
    values = means.to_numpy(dtype=float)
    own, sd = values[:, 0], of_model["sd"].to_numpy(dtype=float)[: len(values)]
    moves = np.abs(values - own[:, None]) / sd[:, None]
    rows = tuple(
        (
            name,
            *(significant(own[q]), significant(sd[q])),
            *(significant(values[q].min()), settings[values[q].argmin()]),
            *(significant(values[q].max()), settings[values[q].argmax()]),
            f"{moves[q].max():.2f}",
        )
        for q, name in enumerate(names)
    )
    missing = [str(name) for name in found.choices.index if name not in settings]
    without = f" Unknown, as no draws reach it: {', '.join(missing)}." if missing else ""
    caption = (
        f"Posterior means of weights, means and scales of {model} under the same settings, in data "
        "units: that of the comparison, the smallest and the largest. The last column is the "
        f"largest move from the first, in posterior standard deviations.{without}"
    )
    header = (
        "quantity", "as compared", "sd", "smallest", "under", "largest", "under", "move in sd",
    )  # fmt: skip
    q, place = np.unravel_index(moves.argmax(), moves.shape)
    largest = (
        f"Of the estimates of {model} the one that moves most is {names[q]}, by "
        f"{moves.max():.2f} posterior standard deviations, under {settings[place]}."
    )
    return [Text(largest), Table(caption, header, rows, words=(4, 6))]


def _probability(value: float, anew: bool) -> str:
    return f"{value:.3f}{'*' if anew else ''}" if math.isfinite(value) else "–"


def _rows(by_rows: pd.DataFrame) -> Table:
    of_k = by_rows.groupby(["rows", "K"])["probability"].sum().unstack("K")
    rows = tuple(
        (str(n_rows), *(f"{value:.3f}" for value in row)) for n_rows, row in of_k.iterrows()
    )
    caption = "p(K) given a part of the rows, averaged over random parts."
    return Table(caption, ("rows", *(f"K = {k}" for k in of_k.columns)), rows)


def _notes(found: Coarsened) -> list[Block]:
    return [Text(found.note)] if found.note else []


def _known(value: object) -> str:
    return value if isinstance(value, str) else "–"
