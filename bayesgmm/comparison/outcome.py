"""What a comparison holds: one row a K, and all that its figures come from."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import xarray as xr

from bayesgmm.arguments import check_one_of
from bayesgmm.comparison.choosing import (
    Choice,
    Criterion,
    best_of,
    listed,
    simplest_within_error,
)
from bayesgmm.data import Dataset
from bayesgmm.diagnosis import Diagnosis, RunStatus
from bayesgmm.elpd import rank
from bayesgmm.errors import ConfigError
from bayesgmm.evidence import (
    evidence_note,
    probability_heading,
    shown_probability,
    undecided,
    unserved_of,
)
from bayesgmm.fit import PointFit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison"]


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """The same mixture with different numbers of components, fitted, sampled and compared.

    Parameters
    ----------
    data : Dataset
    table : pandas.DataFrame
        One row a K: log_likelihood, n_parameters, aic, bic, icl of the ML fit (smaller is better);
        elpd_waic, elpd_loo with se_ and p_, nats (larger is better); pareto_k_max, rows above 0.7
        that are left (n_bad_pareto), and those mended: n_matched by moment matching, n_refitted;
        weight (stacking); log_evidence with log_evidence_error and evidence_method, nats: what is
        quoted of log_evidence_bridge and log_evidence_smc, which have their errors beside them;
        probability of K, uniform prior on those with an evidence, and probability_error;
        verdict; occupied; draws; seconds (of sampling and what follows). What a K does not have is
        NaN.
    elpds : dict of {"waic", "loo"} to dict of int to arviz.ELPDData
    fits : dict of int to PointFit
    posteriors : dict of int to xarray.DataTree
    verdicts : dict of int to Diagnosis
        Fits, elpds, posteriors and verdicts lack the K for which they could not be had.
    seed : int
    failures : dict of int to str
        What failed for a K and why; it has a row all the same.

    Examples
    --------
    >>> from bayesgmm.comparison import compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> comparison = compare(rows, [1, 2], draws=200, seed=1)
    >>> comparison.best["bic"], sorted(comparison.verdicts)
    (2, [1, 2])
    >>> comparison.chosen("bic").reason[:24]
    'K = 2 has the best bic. '
    """

    data: Dataset
    table: "pd.DataFrame"
    elpds: dict[str, dict[int, Any]]
    fits: dict[int, PointFit]
    posteriors: dict[int, xr.DataTree]
    verdicts: dict[int, Diagnosis]
    seed: int
    failures: dict[int, str] = field(default_factory=dict)

    @property
    def differences(self) -> "pd.DataFrame":
        """elpd_loo of each K that has one less the best one's: elpd_diff and se_diff, nats."""
        import pandas as pd

        loos = self.elpds["loo"]
        if not loos:
            return pd.DataFrame(columns=["elpd_diff", "se_diff"], dtype=float)
        return rank(loos)[["elpd_diff", "se_diff"]]

    @property
    def best(self) -> dict[str, int]:
        """The K that each criterion puts first; no "evidence" where none has a finite error."""
        return self._best_among(set(self.table.index))

    def _best_among(self, numbers: Collection[int]) -> dict[str, int]:
        table = self.table[self.table.index.isin(list(numbers))]
        values = {name: -table[name] for name in ("aic", "bic", "icl")}
        values |= {"waic": table["elpd_waic"], "loo": table["elpd_loo"]}
        finite = np.isfinite(table["log_evidence_error"].astype(float))
        values["evidence"] = table["log_evidence"].where(finite)
        k = table.index.to_numpy()
        known = {name: v.to_numpy(dtype=float) for name, v in values.items() if v.count()}
        return {name: int(k[np.nanargmax(value)]) for name, value in known.items()}

    def chosen(self, criterion: Criterion = "loo") -> Choice:
        """Choose K by a criterion, and say why.

        Parameters
        ----------
        criterion : {"loo", "waic", "evidence", "aic", "bic", "icl"}
            For loo and waic the smallest K whose elpd is within 4 nats of the best, or within two
            standard errors of the difference, among the K with a good verdict and no Pareto k
            above 0.7 left. The others take their best K.

            A K that failed, or whose draws leave modes out, is not chosen where there is another.

        Raises
        ------
        ConfigError
            For an unknown criterion, or the evidence where there is none.
        """
        check_one_of("criterion", criterion, get_args(Criterion))
        if criterion not in ("loo", "waic"):
            return self._first_by(criterion)
        bad = self.table["n_bad_pareto"]
        usable = [k for k, v in self.verdicts.items() if v.ok and bad[k] == 0.0]
        choice = simplest_within_error(self.elpds[criterion], usable, criterion, self.table)
        if choice is not None:
            return choice
        by_bic = self._best_among(self._eligible).get("bic")
        k = min(self._eligible) if by_bic is None else by_bic
        why = (
            "is the smallest"
            if by_bic is None
            else "has the best BIC of the maximum likelihood fits"
        )
        return Choice(
            k, f"No K has both a good verdict and a reliable {criterion.upper()}; K = {k} {why}."
        )

    def _first_by(self, criterion: Criterion) -> Choice:
        k = self._best_among(self._eligible).get(criterion)
        if k is None:
            raise ConfigError(
                'no K has an evidence with a finite error; compare with evidence="both".'
                if criterion == "evidence"
                else f"no K has both draws and a maximum likelihood fit: there is no {criterion}.",
                value=criterion,
            )
        return best_of(k, self.best[criterion], criterion, self.table)

    @property
    def _eligible(self) -> list[int]:
        """The K that may be chosen: they have draws, which visit all known modes if any K's do."""
        sound = [k for k, v in self.verdicts.items() if v.status is not RunStatus.MODES_LEFT_OUT]
        return sound or list(self.verdicts)

    @property
    def undecided(self) -> tuple[int, ...]:
        """The K that no evidence serves and that could be the best by it."""
        return undecided(self.table)

    def shortfalls(self, chosen: int) -> tuple[str, ...]:
        """Say what keeps the comparison from being complete, given the K chosen; empty if nothing.

        Parameters
        ----------
        chosen : int
        """
        sentences = [f"K = {k} failed: {why}" for k, why in sorted(self.failures.items())]
        unserved = [k for k in unserved_of(self.table) if k in self.undecided or k == chosen]
        if unserved:
            sentences.append(
                f"No evidence serves K = {listed(unserved)}, which could be the best by it: p(K) "
                "says nothing about that."
            )
        return tuple(sentences)

    @property
    def probability_note(self) -> str:
        """What p(K) leaves out and why, and where it rests on one route; empty if nothing."""
        return evidence_note(self.table)

    @property
    def probability_basis(self) -> str:
        """What p(K) assumes and depends on, in a sentence; empty where there is none."""
        known = self.table.index[self.table["probability"].notna()]
        if not len(known):
            return ""
        return (
            f"p(K) takes K = {listed(map(int, known))} as equally probable beforehand. It also "
            "depends on the priors of means, scales and weights, and the more so the fewer rows "
            f"there are (here {self.data.n_obs})."
        )

    def __repr__(self) -> str:
        """Show the table and the choice."""
        columns = ["bic", "elpd_loo", "se_loo", "log_evidence", "probability", "verdict"]
        shown = self.table[columns]
        shown = shown.assign(probability=[shown_probability(p) for p in shown["probability"]])
        shown = shown.rename(columns={"probability": probability_heading(self.table)})
        choice = self.chosen()
        lines = [shown.to_string(), self.probability_note, self.probability_basis, choice.reason]
        lines += self.shortfalls(choice.k)
        return "\n".join(line for line in lines if line)
