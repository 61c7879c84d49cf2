"""The table of models: every criterion side by side, NaN for what a model does not have."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesgmm.comparison.parts import Parts
from bayesgmm.criterion import BY_ELPD, BY_LIKELIHOOD, Criterion
from bayesgmm.diagnosis import Diagnosis
from bayesgmm.elpd import ranked
from bayesgmm.evidence import no_evidences, probabilities_of
from bayesgmm.fit import PointFit, singular_bics
from bayesgmm.limits import PARETO_K
from bayesgmm.model.several import table_by_model
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.prediction.counted import Counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["in_order_of_appearance", "table_of"]

_ML = ("log_likelihood", "n_parameters", *BY_LIKELIHOOD)
_ELPD = ("elpd", "se", "p")


def table_of(models: Iterable[MixtureSpec], parts: Parts) -> "pd.DataFrame":
    """Return the table, one row per model, index K; the columns are those of `Comparison`."""
    nothing = no_evidences("the run failed")
    evidences = {spec: parts.evidences.get(spec, nothing) for spec in models}
    loos = parts.elpds["loo"]
    ranking = ranked(loos) if loos else {}
    probabilities = probabilities_of(evidences)
    singular = _singular(parts.fits)
    rows = {}
    for spec, evidence in evidences.items():
        fit, verdict = parts.fits.get(spec), parts.verdicts.get(spec)
        probability, its_error = probabilities[spec]
        rows[spec] = {
            **{name: getattr(fit, name, math.nan) for name in _ML},
            "sbic": singular.get(spec, math.nan),
            **_predictive({name: parts.elpds[name].get(spec) for name in BY_ELPD}),
            "weight": ranking[spec]["weight"] if spec in ranking else math.nan,
            **evidence.columns(),
            "probability": probability,
            "probability_error": its_error,
            "verdict": _verdict(verdict, parts.failures.get(spec)),
            "occupied": math.nan if verdict is None else verdict.statistics["occupied"],
            **_counted("modes", parts.modes.get(spec)),
            **_counted("groups", parts.groups.get(spec)),
            "draws": 0 if verdict is None else parts.posteriors[spec]["posterior"].sizes["draw"],
            "seconds": parts.seconds[spec],
        }
    return table_by_model(rows)


def _singular(fits: Mapping[MixtureSpec, PointFit]) -> dict[MixtureSpec, float]:
    if not fits:
        return {}
    some = next(iter(fits.values()))
    likelihoods = {spec: fit.log_likelihood for spec, fit in fits.items()}
    return singular_bics(likelihoods, len(some.features), some.n_obs)


def _predictive(elpds: Mapping[Criterion, Any]) -> dict[str, float]:
    row = {
        f"{what}_{name}": getattr(elpd, what, math.nan)
        for name, elpd in elpds.items()
        for what in _ELPD
    }
    row |= dict.fromkeys(("pareto_k_max", "n_bad_pareto", "n_matched", "n_refitted"), math.nan)
    by_loo = elpds["loo"]
    if by_loo is not None:
        pareto = np.asarray(by_loo.pareto_k)
        row["pareto_k_max"] = float(pareto.max())
        row["n_bad_pareto"] = int((pareto > PARETO_K).sum())
        row |= {"n_matched": by_loo.n_matched, "n_refitted": by_loo.n_refitted}
    return row


def _counted(name: str, found: Counted | None) -> dict[str, float]:
    """Return the most probable number of modes or groups, and its probability."""
    known = (
        (math.nan, math.nan)
        if found is None
        else (found.most_probable, float(found.table["probability"].max()))
    )
    return dict(zip((name, f"{name}_probability"), known, strict=True))


def _verdict(verdict: Diagnosis | None, failure: str | None) -> str:
    if verdict is None:
        return f"failed: {failure}"
    return verdict.status.value + (f"; {failure}" if failure else "")


def in_order_of_appearance(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table of several index levels that pandas looks up as sorted: by first appearance.

    Rows stay where they are.
    """
    import pandas as pd

    columns = [table.index.get_level_values(level) for level in range(table.index.nlevels)]
    levels = [column.unique() for column in columns]
    codes = [
        level.get_indexer(column).tolist() for level, column in zip(levels, columns, strict=True)
    ]
    listed = [level.tolist() for level in levels]
    return table.set_axis(pd.MultiIndex(listed, codes, names=table.index.names))
