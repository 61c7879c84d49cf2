"""The section on the number of components, and the structure where several are compared."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.comparison import Comparison
from bayesgmm.criterion import BY_LIKELIHOOD, CRITERIA
from bayesgmm.evidence import probability_heading, shown_probability, unserved_of
from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.limits import AGREEMENT, FEW_ROWS, PARETO_K, SMALL_DIFFERENCE
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.plots import criteria, pareto_k
from bayesgmm.report.by_structure import by_structure
from bayesgmm.report.classification import classes
from bayesgmm.report.document import Block, Section, Table, Text
from bayesgmm.report.pictures import picture
from bayesgmm.report.subject import Subject
from bayesgmm.summary.numbers import fixed, percent, significant

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["components"]

_ANSWERS = (
    "The criteria answer different questions. The evidence and the probability of K ask which K "
    "is best supported as the data-generating model under this prior. LOO and WAIC ask which K "
    "predicts new rows best. BIC approximates the log evidence for large n. ICL asks for "
    "clusters that are well separated. AIC approximates predictive accuracy at the maximum "
    "likelihood fit and tends to more components. They may disagree without one of them being "
    "wrong."
)
_PENALTY = (
    "The penalty of BIC is not exact for mixtures, which are singular models: where components "
    "are superfluous, the true penalty is smaller (Drton and Plummer 2017)."
)


def components(subject: Subject) -> Section | None:
    """Argue for the model chosen; nothing where only one K was fitted by hand."""
    comparison, choice = subject.comparison, subject.choice
    if comparison is None or choice is None:
        return None
    model, number = choice.model, comparison.numbers[choice.model]
    several = len({spec.covariance for spec in comparison.models}) > 1
    families = len({(spec.family_words, spec.noise) for spec in comparison.models}) > 1
    same = [Text(note) for note in (comparison.screening_note, comparison.same_note) if note]
    blocks: list[Block] = [
        Text(f"Chosen: {choice.reason}"),
        Text(_argument(comparison)),
        *same,
        *by_structure(comparison),
        _likelihood_table(comparison, model),
        _posterior_table(comparison, model),
        _evidence_table(comparison, model),
        *classes(subject),
        picture(
            "criteria",
            criteria(comparison, chosen=model),
            "Each criterion over K. The panels share their horizontal axis and show the distance "
            "from the best value; the grey band is the chosen K. Values that would dwarf the rest "
            "are written out at the edge.",
            "Four panels over the number of components: information criteria, expected log "
            "predictive density with error bars, log evidence with error bars, and the posterior "
            "probability of each K.",
        ),
        Text(_ANSWERS),
        Text(_PENALTY),
        *_left_out(subject),
        Text(_cautions(comparison, model)),
    ]
    if model in comparison.elpds["loo"]:
        blocks.append(
            picture(
                "pareto_k",
                pareto_k(comparison.elpds["loo"][model]),
                f"Pareto k of each row for K = {number}. Above {PARETO_K} the importance "
                "sampling behind LOO cannot be trusted for that row.",
                f"Pareto k diagnostic against row number with the limit {PARETO_K} marked.",
            )
        )
    title = "The number of components" + (" and the covariance structure" if several else "")
    title += " and the family of the components" if families else ""
    return Section("components", title, tuple(blocks))


def _left_out(subject: Subject) -> list[Block]:
    """Say what LOO and WAIC leave out of rows of which more is known than their values, or less."""
    parts: list[str] = []
    known = subject.known
    if np.isnan(values_of(subject.draws.table)).any():
        parts.append("its observed cells, so that only models of the same cells compare")
    if known is not None and known.weights is not None:
        parts.append("one copy of it, which counts as often as the row's weight says")
    if known is not None and known.possible is not None:
        parts.append("its label, if that is known, as the model gives values and label together")
    if not parts:
        return []
    listed = "; ".join(parts)
    return [Text(f"LOO and WAIC leave out a row with all that is known of it: {listed}.")]


def _argument(comparison: Comparison) -> str:
    """Say which K each criterion puts first, and what it means that they agree or not."""
    best, numbers = comparison.best, comparison.numbers
    firsts = [spec for spec in comparison.models if spec in best.values()]
    by_model = {
        numbers[spec]: [CRITERIA[name].words for name, first in best.items() if first == spec]
        for spec in firsts
    }
    said = "; ".join(f"K = {k} by {_joined(names)}" for k, names in by_model.items())
    opening = f"Best value regardless of convergence: {said}."
    if len(by_model) == 1:
        return f"{opening} All criteria agree: the choice does not depend on the criterion."
    table = comparison.named_table
    parts = [opening]
    counts = {name: spec.n_components for name, spec in best.items()}
    if counts.get("icl", 0) < counts.get("bic", 0):
        parts.append(
            "ICL asks for fewer components than BIC, which says that some components of the "
            "larger model overlap: they shape the density without being separate clusters."
        )
    if best.get("loo") != best.get("evidence", best.get("loo")):
        parts.append(
            "The predictive criteria and the evidence differ because the evidence also penalises "
            "a wide prior, which hardly affects the prediction of a new row."
        )
    behind = zip(comparison.elpds["loo"], comparison.differences["elpd_diff"], strict=True)
    close = [
        numbers[spec] for spec, gap in behind if spec != best.get("loo") and gap > -SMALL_DIFFERENCE
    ]
    if close:
        parts.append(
            f"By LOO, K = {', '.join(close)} {'is' if len(close) == 1 else 'are'} within "
            f"{SMALL_DIFFERENCE:g} nats of the best: too little to prefer the larger model."
        )
    if table["probability"].notna().any():
        likely = table.index.to_numpy()[table["probability"].argmax()]
        largest = float(table["probability"].max())
        share = percent(largest) if largest < 0.9995 else "above 99.9 %"
        error = percent(float(table.loc[likely, "probability_error"]))
        without = unserved_of(table)
        given = f", given that K is not {_either(without)}" if without else ""
        parts.append(
            f"K = {likely} has posterior probability {share} (Monte Carlo error {error}) among "
            f"the K that have one{given}."
        )
    return " ".join(parts)


def _joined(names: list[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last


def _either(numbers: Sequence[str]) -> str:
    *rest, last = map(str, numbers)
    return f"{', '.join(rest)} or {last}" if rest else last


def _cautions(comparison: Comparison, chosen: MixtureSpec) -> str:
    table, n = comparison.named_table, comparison.data.n_counted
    parts = [*comparison.shortfalls(chosen)]
    if comparison.probability_note:
        parts.append(comparison.probability_note)
    if table["probability"].notna().any():
        parts.append(f"{comparison.probability_basis} It is normalised over these K only.")
    if n < FEW_ROWS:
        parts.append(
            f"With n = {n} rows the standard error of a difference in elpd is itself unreliable."
        )
    bad_rows = table["n_bad_pareto"]
    high = table.index[bad_rows > 0]
    if len(high):
        counts = {k: int(bad_rows[k]) for k in high}
        listed = ", ".join(f"K = {k} ({n} row{'s' if n > 1 else ''})" for k, n in counts.items())
        parts.append(f"LOO is not to be ranked where Pareto k above {PARETO_K} is left: {listed}.")
    bad = [comparison.numbers[k] for k, verdict in comparison.verdicts.items() if not verdict.ok]
    if bad:
        runs = "run of K = {} has" if len(bad) == 1 else "runs of K = {} have"
        parts.append(
            f"The {runs.format(', '.join(bad))} not converged; values from these draws are shown "
            "but not used."
        )
        if table.loc[bad, "log_evidence_smc"].notna().any():
            parts.append("The evidence by sequential Monte Carlo does not rest on these draws.")
    return " ".join(parts)


def _likelihood_table(comparison: Comparison, chosen: MixtureSpec) -> Table:
    rows = tuple(
        (
            str(k),
            fixed(row["log_likelihood"], 2),
            fixed(row["n_parameters"], 0),
            *(fixed(row[name], 2) for name in BY_LIKELIHOOD),
        )
        for k, row in comparison.named_table.iterrows()
    )
    caption = (
        "The maximum likelihood fit of each K. Log likelihood in nats; for AIC, BIC, sBIC and ICL "
        "smaller is better (mclust reports BIC and ICL with the opposite sign). sBIC is BIC for "
        "singular models (Drton and Plummer 2017); it needs all K from 1."
    )
    header = (
        "K",
        "log likelihood",
        "parameters",
        *(CRITERIA[name].words for name in BY_LIKELIHOOD),
    )
    return Table(caption, header, rows, marked=comparison.models.index(chosen))


def _posterior_table(comparison: Comparison, chosen: MixtureSpec) -> Table:
    found = zip(comparison.elpds["loo"], comparison.differences.to_dict("records"), strict=True)
    differences = dict(found)
    unknown = {"elpd_diff": math.nan, "se_diff": math.nan}
    rows = []
    for spec, (k, row) in zip(comparison.models, comparison.named_table.iterrows(), strict=True):
        behind = differences.get(spec, unknown)
        rows.append(
            (
                str(k),
                fixed(row["elpd_waic"], 1),
                f"{fixed(row['elpd_loo'], 1)} ({fixed(row['se_loo'], 1)})",
                f"{fixed(behind['elpd_diff'], 1)} ({fixed(behind['se_diff'], 1)})",
                fixed(row["p_loo"], 1),
                fixed(row["n_bad_pareto"], 0),
                fixed(row["weight"], 2),
                significant(row["occupied"], 3),
                _counted(row, "modes"),
                _counted(row, "groups"),
                str(row["verdict"]),
            )
        )
    caption = (
        "The posterior of each K. elpd is the expected log pointwise predictive density in nats, "
        "larger is better, standard errors in brackets; the difference is from the best K by LOO; "
        "p is the effective number of parameters; weight is the stacking weight; occupied is the "
        "expected number of components that hold a row. K counts Gaussians: modes is the most "
        "probable number of hills of the density, groups that of groups when components that "
        "overlap are merged (Hennig 2010), each with its probability."
    )
    header = (
        "K", "elpd WAIC", "elpd LOO (se)", "difference (se)", "p", "k\u00a0>\u00a00.7", "weight",
        "occupied", "modes", "groups", "verdict",
    )  # fmt: skip
    place = comparison.models.index(chosen)
    return Table(caption, header, tuple(rows), marked=place, words=(len(header) - 1,))


def _evidence_table(comparison: Comparison, chosen: MixtureSpec) -> Table:
    rows = tuple(
        (
            str(k),
            _evidence(row["log_evidence_bridge"], row["log_evidence_bridge_error"]),
            _evidence(row["log_evidence_smc"], row["log_evidence_smc_error"]),
            _evidence(row["log_evidence"], row["log_evidence_error"]),
            _probability(row["probability"], row["probability_error"]),
            str(row["evidence_method"]).split(",")[0],
        )
        for k, row in comparison.named_table.iterrows()
    )
    caption = (
        "The log evidence of each K by two independent routes, nats, each with its Monte Carlo "
        "error: bridge sampling from the NUTS draws, whose error is unknown where these did not "
        "converge, and sequential Monte Carlo from the prior. The bridge is quoted where both "
        f"agree within {AGREEMENT:g} errors, the other where the chains did not converge; a K "
        "where they contradict each other has no p(K). p(K) too has its Monte Carlo error."
    )
    heading = probability_heading(comparison.named_table)
    header = ("K", "bridge", "sequential Monte Carlo", "quoted", heading, "quoted from")
    place = comparison.models.index(chosen)
    return Table(caption, header, rows, marked=place, words=(len(header) - 1,))


def _counted(row: "pd.Series", name: str) -> str:
    value, probability = row[name], row[f"{name}_probability"]
    return f"{value:.0f} ({probability:.2f})" if math.isfinite(value) else "–"


def _probability(value: float, error: float) -> str:
    return shown_probability(value, error) if math.isfinite(value) else "not given"


def _evidence(value: float, error: float) -> str:
    if not math.isfinite(value):
        return "–"
    if math.isfinite(error):
        return f"{fixed(value, 2)} ± {fixed(error, 2)}"
    return f"{fixed(value, 1)}, error unknown"
