"""The section on the number of components."""

import math
from collections.abc import Sequence

import pandas as pd

from bayesgmm.comparison import Comparison
from bayesgmm.evidence import probability_heading, shown_probability, unserved_of
from bayesgmm.limits import AGREEMENT, FEW_ROWS, PARETO_K, SMALL_DIFFERENCE
from bayesgmm.plots import criteria, pareto_k
from bayesgmm.report.document import Block, Section, Table, Text
from bayesgmm.report.numbers import fixed, percent, significant
from bayesgmm.report.pictures import picture
from bayesgmm.report.subject import Subject

__all__ = ["components"]

_NAMES = {
    "bic": "BIC",
    "icl": "ICL",
    "aic": "AIC",
    "loo": "LOO",
    "waic": "WAIC",
    "evidence": "the evidence",
}
_ANSWERS = (
    "The criteria answer different questions. The evidence and the probability of K ask which K "
    "generated the data under this prior. LOO and WAIC ask which K predicts new rows best. BIC "
    "approximates the evidence for large n. ICL asks for clusters that are well separated. AIC "
    "approximates predictive accuracy at the maximum likelihood fit and tends to more components. "
    "They may disagree without one of them being wrong."
)
_PENALTY = (
    "The penalty of BIC is not exact for mixtures, which are singular models: where components "
    "are superfluous, the true penalty is smaller (Drton and Plummer 2017)."
)


def components(subject: Subject) -> Section | None:
    """Argue for the number of components; nothing where only one K was fitted by hand."""
    comparison, choice = subject.comparison, subject.choice
    if comparison is None or choice is None:
        return None
    blocks: list[Block] = [
        Text(f"Chosen: {choice.reason}"),
        Text(_argument(comparison)),
        _likelihood_table(comparison, choice.k),
        _posterior_table(comparison, choice.k),
        _evidence_table(comparison, choice.k),
        picture(
            "criteria",
            criteria(comparison, chosen=choice.k),
            "Each criterion over K. The panels share their horizontal axis and show the distance "
            "from the best value; the grey band is the chosen K. Values that would dwarf the rest "
            "are written out at the edge.",
            "Four panels over the number of components: information criteria, expected log "
            "predictive density with error bars, log evidence with error bars, and the posterior "
            "probability of each K.",
        ),
        Text(_ANSWERS),
        Text(_PENALTY),
        Text(_cautions(comparison, choice.k)),
    ]
    if choice.k in comparison.elpds["loo"]:
        blocks.append(
            picture(
                "pareto_k",
                pareto_k(comparison.elpds["loo"][choice.k]),
                f"Pareto k of each row for K = {choice.k}. Above {PARETO_K} the importance "
                "sampling behind LOO cannot be trusted for that row.",
                f"Pareto k diagnostic against row number with the limit {PARETO_K} marked.",
            )
        )
    return Section("components", "The number of components", tuple(blocks))


def _argument(comparison: Comparison) -> str:
    """Say which K each criterion puts first, and what it means that they agree or not."""
    by_k: dict[int, list[str]] = {}
    for criterion, k in comparison.best.items():
        by_k.setdefault(k, []).append(_NAMES[criterion])
    said = "; ".join(f"K = {k} by {_joined(names)}" for k, names in sorted(by_k.items()))
    opening = f"First by its best value alone, whatever its verdict, is {said}."
    if len(by_k) == 1:
        return f"{opening} All criteria agree, so that the choice does not hang on the question."
    table = comparison.table
    parts = [opening]
    best = comparison.best
    if best.get("icl", 0) < best.get("bic", 0):
        parts.append(
            "ICL asks for fewer components than BIC, which says that some components of the "
            "larger model overlap: they shape the density without being separate clusters."
        )
    if best.get("loo") != best.get("evidence", best.get("loo")):
        parts.append(
            "The predictive criteria and the evidence part because the evidence also charges for "
            "the width of the prior, while prediction of a new row hardly does."
        )
    ahead = comparison.differences["elpd_diff"].drop(best.get("loo"), errors="ignore")
    if len(ahead) and ahead.max() > -SMALL_DIFFERENCE:
        close = ", ".join(str(k) for k in ahead.index[ahead > -SMALL_DIFFERENCE])
        parts.append(
            f"By LOO, K = {close} {'is' if ',' not in close else 'are'} within "
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


def _either(numbers: Sequence[int]) -> str:
    *rest, last = map(str, numbers)
    return f"{', '.join(rest)} or {last}" if rest else last


def _cautions(comparison: Comparison, chosen: int) -> str:
    table, n = comparison.table, comparison.data.n_obs
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
    bad = [k for k, verdict in comparison.verdicts.items() if not verdict.ok]
    if bad:
        runs = "run of K = {} has" if len(bad) == 1 else "runs of K = {} have"
        parts.append(
            f"The {runs.format(', '.join(map(str, bad)))} a bad verdict; figures that rest on "
            "these draws stand in the table but do not count."
        )
        if table.loc[bad, "log_evidence_smc"].notna().any():
            parts.append("The evidence by sequential Monte Carlo does not rest on these draws.")
    return " ".join(parts)


def _likelihood_table(comparison: Comparison, chosen: int) -> Table:
    rows = tuple(
        (
            str(k),
            fixed(row["log_likelihood"], 2),
            fixed(row["n_parameters"], 0),
            *(fixed(row[name], 2) for name in ("aic", "bic", "icl")),
        )
        for k, row in comparison.table.iterrows()
    )
    caption = (
        "The maximum likelihood fit of each K. Log likelihood in nats; for AIC, BIC and ICL "
        "smaller is better (mclust reports BIC and ICL with the opposite sign)."
    )
    header = ("K", "log likelihood", "parameters", "AIC", "BIC", "ICL")
    return Table(caption, header, rows, marked=_place(comparison.table, chosen))


def _posterior_table(comparison: Comparison, chosen: int) -> Table:
    differences = comparison.differences.reindex(comparison.table.index)
    rows = []
    for (k, row), behind in zip(
        comparison.table.iterrows(), differences.to_dict("records"), strict=True
    ):
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
                str(row["verdict"]),
            )
        )
    caption = (
        "The posterior of each K. elpd is the expected log pointwise predictive density in nats, "
        "larger is better, standard errors in brackets; the difference is from the best K by LOO; "
        "p is the effective number of parameters; weight is the stacking weight; occupied is the "
        "expected number of components that hold a row."
    )
    header = (
        "K", "elpd WAIC", "elpd LOO (se)", "difference (se)", "p", "k\u00a0>\u00a00.7", "weight",
        "occupied", "verdict",
    )  # fmt: skip
    place = _place(comparison.table, chosen)
    return Table(caption, header, tuple(rows), marked=place, words=(len(header) - 1,))


def _evidence_table(comparison: Comparison, chosen: int) -> Table:
    rows = tuple(
        (
            str(k),
            _evidence(row["log_evidence_bridge"], row["log_evidence_bridge_error"]),
            _evidence(row["log_evidence_smc"], row["log_evidence_smc_error"]),
            _evidence(row["log_evidence"], row["log_evidence_error"]),
            _probability(row["probability"], row["probability_error"]),
            str(row["evidence_method"]).split(",")[0],
        )
        for k, row in comparison.table.iterrows()
    )
    caption = (
        "The log evidence of each K by two independent routes, nats, each with its Monte Carlo "
        "error: bridge sampling from the NUTS draws, whose error is unknown where these have a bad "
        "verdict, and sequential Monte Carlo from the prior. The bridge is quoted where both agree "
        f"within {AGREEMENT:g} errors, the other where the chains have a bad verdict; a K where "
        "they contradict each other has no p(K). p(K) too is given with its Monte Carlo error."
    )
    heading = probability_heading(comparison.table)
    header = ("K", "bridge", "sequential Monte Carlo", "quoted", heading, "quoted from")
    place = _place(comparison.table, chosen)
    return Table(caption, header, rows, marked=place, words=(len(header) - 1,))


def _probability(value: float, error: float) -> str:
    return shown_probability(value, error) if math.isfinite(value) else "not given"


def _evidence(value: float, error: float) -> str:
    if not math.isfinite(value):
        return "–"
    if math.isfinite(error):
        return f"{fixed(value, 2)} ± {fixed(error, 2)}"
    return f"{fixed(value, 1)}, error unknown"


def _place(table: pd.DataFrame, chosen: int) -> int:
    return [int(k) for k in table.index].index(chosen)
