"""What a comparison holds: one row per model, and all that its figures come from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import xarray as xr

from bayesgmm.arguments import check_one_of
from bayesgmm.cards import card
from bayesgmm.comparison.choosing import (
    Choice,
    best_of,
    simplest_first,
    simplest_within_error,
)
from bayesgmm.comparison.ruling_out import bayes_factors, not_ruled_out, ruling_words
from bayesgmm.comparison.screening import Screening
from bayesgmm.criterion import BY_ELPD, CRITERIA, Criterion
from bayesgmm.data import Dataset
from bayesgmm.diagnosis import Diagnosis, RunStatus
from bayesgmm.elpd import ranked
from bayesgmm.errors import ConfigError
from bayesgmm.evidence import (
    evidence_note,
    probability_heading,
    probability_symbol,
    shown_probability,
    undecided,
    unserved_of,
)
from bayesgmm.fit import PointFit
from bayesgmm.model.several import ByModel, facts_of_model, numbers_of, once_each, table_by_model
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison"]

_READ = (
    *("n_parameters", "log_likelihood", "bic", "elpd_loo", "se_loo", "weight"),
    *("log_evidence", "log_evidence_error", "probability", "verdict"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Mixtures with different numbers of components and structures, fitted, sampled and compared.

    Parameters
    ----------
    data : Dataset
    models : tuple of MixtureSpec
        Those of the table's rows, in the order of K.
    table : pandas.DataFrame
        One row per model, index K: covariance, family, noise, n_factors; log_likelihood,
        n_parameters, aic, bic, icl of the ML fit (smaller is better), and sbic, BIC for singular
        models, where all K from 1 have one; elpd_waic, elpd_loo with
        ``se_*`` and ``p_*``, nats (larger is better); pareto_k_max, rows above 0.7 that are left
        (n_bad_pareto), and those repaired: n_matched by moment matching, n_refitted; weight
        (stacking); log_evidence with log_evidence_error and evidence_method, nats: what is quoted
        of log_evidence_bridge and log_evidence_smc, which have their errors beside them;
        probability of the model, uniform prior on those with an evidence, and probability_error;
        verdict; occupied; modes and groups, the most probable numbers of hills of the density and
        of groups when components that overlap are merged, each with its ``_probability`` (from 100
        draws; `density_modes` and `merge_components` take more; modes are those of Gaussians, and
        NaN where components are not Gaussian); draws; seconds (of sampling and
        what follows). What a model does not have is NaN.
    elpds : dict of {"waic", "loo"} to mapping of MixtureSpec to arviz.ELPDData
    fits : mapping of MixtureSpec to PointFit
    posteriors : mapping of MixtureSpec to xarray.DataTree
    verdicts : mapping of MixtureSpec to Diagnosis
        Fits, elpds, posteriors and verdicts lack the models for which they could not be had.
        ``fits[2]`` is the fit with K = 2 where one model has that K, and a ConfigError that names
        them where several do.
    seed : int
    failures : mapping of MixtureSpec to str
        What failed for a model and why; it has a row all the same.
    same : mapping of MixtureSpec to MixtureSpec
        Specs that were asked for and are the same model as another, under which they are held.
    screening : Screening or None
        With ``covariance="all"``: ``.table``, BIC of every model as `bic_grid` gives it; ``.kept``,
        those that were sampled; ``.note``, what was done in words.

    Examples
    --------
    >>> from bayesgmm.comparison import compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> comparison = compare(rows, [1, 2], draws=200, seed=1)
    >>> comparison.best["bic"] == MixtureSpec(2), comparison.verdicts[2].ok
    (True, True)
    >>> comparison.chosen("bic").reason[:24]
    'K = 2 is best by BIC. By'
    """

    data: Dataset
    models: tuple[MixtureSpec, ...]
    table: "pd.DataFrame"
    elpds: dict[str, ByModel[Any]]
    fits: ByModel[PointFit]
    posteriors: ByModel[xr.DataTree]
    verdicts: ByModel[Diagnosis]
    seed: int
    failures: ByModel[str] = field(default_factory=lambda: ByModel({}))
    same: Mapping[MixtureSpec, MixtureSpec] = field(default_factory=dict)
    screening: Screening | None = None

    @cached_property
    def numbers(self) -> dict[MixtureSpec, str]:
        """What stands after "K = " for each model: K, and its kind where several are there."""
        return numbers_of(self.models)

    @property
    def named_table(self) -> "pd.DataFrame":
        """The table with each row under its name of `numbers`."""
        return self.table.set_axis(list(self.numbers.values())).rename_axis("K")

    def summary(self) -> "pd.DataFrame":
        """Return the columns of the table that people read; the table has them all.

        Returns
        -------
        pandas.DataFrame
            Index K, with the structure where several are compared; columns n_parameters,
            log_likelihood, bic, elpd_loo, se_loo, weight, log_evidence, log_evidence_error,
            probability and verdict. What no model has, such as an evidence that was not asked for,
            is left out.

        Examples
        --------
        >>> from bayesgmm.comparison import compare
        >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
        >>> compare(rows, [1, 2], draws=200, seed=1, evidence="none").summary().shape
        (2, 7)
        """
        table = self.named_table[list(_READ)]
        if table["log_evidence"].isna().all():
            table = table.drop(columns="log_evidence_error")
        return table.dropna(axis="columns", how="all")

    @property
    def differences(self) -> "pd.DataFrame":
        """elpd_loo of each model less the best one's: elpd_diff and se_diff, nats; index K.

        Models without one have no row.
        """
        loos = self.elpds["loo"]
        rows = ranked(loos) if loos else {}
        names = ("elpd_diff", "se_diff")
        table = table_by_model({k: {name: rows[k][name] for name in names} for k in rows})
        return table.reindex(columns=[*facts_of_model(self.models[0]), *names])

    @property
    def best(self) -> dict[Criterion, MixtureSpec]:
        """The model that each criterion puts first; no "evidence" where none has an error."""
        return self._best_among(self.models)

    def _best_among(self, models: Collection[MixtureSpec]) -> dict[Criterion, MixtureSpec]:
        table = self.table
        allowed = np.array([spec in models for spec in self.models])
        firsts = {}
        for name, facts in CRITERIA.items():
            values = table[facts.column].to_numpy(dtype=float)
            counts = allowed & ~np.isnan(values)
            if facts.error is not None:
                counts &= np.isfinite(table[facts.error].to_numpy(dtype=float))
            if counts.any():
                losses = -values if facts.larger_is_better else values
                firsts[name] = self.models[int(np.where(counts, losses, np.inf).argmin())]
        return firsts

    def chosen(self, criterion: Criterion = "loo") -> Choice:
        """Choose a model by a criterion, and say why.

        Parameters
        ----------
        criterion : {"loo", "waic", "evidence", "aic", "bic", "sbic", "icl"}
            For loo and waic the simplest model (the smallest K, of several structures the fewest
            parameters) whose elpd is within 4 nats of the best, or within two standard errors of
            the difference, among those with a good verdict and no Pareto k above 0.7 left. The
            others take their best model.

            A model that failed, or whose draws leave modes out, is not chosen where there is
            another.

        Raises
        ------
        ConfigError
            For an unknown criterion, or the evidence where there is none.
        """
        check_one_of("criterion", criterion, get_args(Criterion))
        if criterion not in self._choices:
            found = self._by_elpd(criterion) if criterion in BY_ELPD else self._first_by(criterion)
            self._choices[criterion] = self._with_what_is_left_open(found, criterion)
        return self._choices[criterion]

    @cached_property
    def _choices(self) -> dict[Criterion, Choice]:
        """Those made so far: command, tables and report ask for the same one."""
        return {}

    def _with_what_is_left_open(self, choice: Choice, criterion: Criterion) -> Choice:
        models = self.models
        elpds: Mapping[MixtureSpec, Any] = self.elpds.get(criterion, {})
        left_open = not_ruled_out(
            criterion, choice.model, models, self.table, elpds, self.undecided
        )
        factors = bayes_factors(choice.model, models, self.table, left_open)
        return replace(
            choice,
            not_ruled_out=left_open,
            left_open=ruling_words(criterion, choice.model, left_open, factors, models),
            bayes_factors=factors,
            posteriors={s: Draws(self.posteriors[s]) for s in left_open if s in self.posteriors},
            seed=self.seed,
        )

    def _by_elpd(self, criterion: Criterion) -> Choice:
        bad = dict(zip(self.models, self.table["n_bad_pareto"], strict=True))
        usable = [k for k, v in self.verdicts.items() if v.ok and bad[k] == 0.0]
        n_features = self.data.n_features
        choice = simplest_within_error(
            self.elpds[criterion], usable, criterion, self.models, n_features
        )
        if choice is not None:
            return choice
        by_bic = self._best_among(self._eligible).get("bic")
        model = simplest_first(self._eligible, n_features)[0] if by_bic is None else by_bic
        why = (
            "is the smallest"
            if by_bic is None
            else "has the best BIC of the maximum likelihood fits"
        )
        return Choice(
            model,
            f"No K has both a good verdict and a reliable {CRITERIA[criterion].words}; K = "
            f"{self.numbers[model]} {why}.",
        )

    def _first_by(self, criterion: Criterion) -> Choice:
        model = self._best_among(self._eligible).get(criterion)
        if model is None:
            raise ConfigError(
                'no K has an evidence with a finite error; compare with evidence="both".'
                if criterion == "evidence"
                else "no K has both draws and a maximum likelihood fit: there is no "
                f"{CRITERIA[criterion].words}.",
                value=criterion,
            )
        best = self.best[criterion]
        verdict = str(self.table["verdict"].iloc[self.models.index(best)])
        return best_of(model, best, criterion, self.models, verdict)

    @property
    def _eligible(self) -> list[MixtureSpec]:
        """Those that may be chosen: they have draws, which visit all known modes if any do."""
        sound = [k for k, v in self.verdicts.items() if v.status is not RunStatus.MODES_LEFT_OUT]
        return sound or list(self.verdicts)

    @property
    def undecided(self) -> tuple[MixtureSpec, ...]:
        """The models that no evidence serves and that could be the best by it."""
        return tuple(self.models[place] for place in undecided(self._by_place))

    @property
    def _by_place(self) -> "pd.DataFrame":
        return self.table.reset_index(drop=True)

    def shortfalls(self, chosen: MixtureSpec | int) -> tuple[str, ...]:
        """Say what keeps the comparison from being complete, given the choice; empty if nothing.

        Parameters
        ----------
        chosen : MixtureSpec or int
            The model chosen, or its K where one model has that K.
        """
        model = ByModel({spec: spec for spec in self.models}, self.same)[chosen]
        failed = [k for k in self.models if k in self.failures]
        sentences = [f"K = {self.numbers[k]} failed: {self.failures[k]}" for k in failed]
        unserved = [self.models[place] for place in unserved_of(self._by_place)]
        unserved = [k for k in unserved if k in self.undecided or k == model]
        if unserved:
            listed = ", ".join(self.numbers[k] for k in unserved)
            sentences.append(
                f"There is no reliable evidence for K = {listed}, which could be the best by it: "
                f"{self.probability_symbol} says nothing about this."
            )
        return tuple(sentences)

    @property
    def probability_note(self) -> str:
        """What p(K) leaves out and why, and where it rests on one route; empty if nothing."""
        return evidence_note(self.named_table)

    @property
    def probability_basis(self) -> str:
        """What p(K) assumes and depends on, in a sentence; empty where there is none."""
        table = self.named_table
        known = table.index[table["probability"].notna()]
        if not len(known):
            return ""
        return (
            f"{self.probability_symbol} assumes equal prior probabilities of K = "
            f"{', '.join(known)}. It also depends on the priors of means, scales and weights, more "
            f"strongly the fewer rows there are (here {self.data.n_counted})."
        )

    @property
    def probability_symbol(self) -> str:
        """What the probabilities are called: p(K), or p(model) where structures differ."""
        return probability_symbol(self.table)

    @property
    def same_note(self) -> str:
        """Which models that were asked for stand once, being the same; empty if none."""
        return " ".join(once_each(self.same))

    @property
    def screening_note(self) -> str:
        """Which models were sampled of those screened by BIC; empty where all were."""
        return "" if self.screening is None else self.screening.note

    def _repr_html_(self) -> str:
        shown = self.summary()
        choice = self.chosen()
        verdict = self.verdicts.get(choice.model)
        notes = (
            *(self.screening_note, self.same_note),
            *(self.probability_note, self.probability_basis),
        )
        return card(
            f"Comparison: K = {self.numbers[choice.model]} is chosen",
            badge=None if verdict is None else (verdict.status.value, verdict.ok),
            columns=("K", *(name.replace("_", " ") for name in shown.columns)),
            rows=[
                (k, *(_cell(str(name), value) for name, value in row.items()))
                for k, row in shown.iterrows()
            ],
            sentences=[choice.reason, choice.left_open, *self.shortfalls(choice.model), *notes],
        )

    def __repr__(self) -> str:
        """Show the table and the choice."""
        columns = ["bic", "elpd_loo", "se_loo", "log_evidence", "probability", "verdict"]
        kinds = {spec.kind for spec in self.models}
        shown = self.table[columns].apply(lambda values: [_cell(values.name, v) for v in values])
        if len(kinds) > 1:
            shown.insert(0, "model", [spec.kind for spec in self.models])
        heading = probability_heading(self.named_table)
        shown = shown.rename(columns={"probability": heading})
        choice = self.chosen()
        lines = [
            shown.to_string(),
            self.screening_note,
            self.same_note,
            self.probability_note,
            self.probability_basis,
        ]
        lines += [choice.reason, choice.left_open, *self.shortfalls(choice.model)]
        return "\n".join(line for line in lines if line)


def _cell(column: str, value: Any) -> str:
    """Return a value of `summary` with the digits that people read."""
    if isinstance(value, str):
        return value
    if not np.isfinite(value):
        return "-" if np.isnan(value) else "unknown"
    if column == "probability":
        return shown_probability(value)
    return f"{value:.0f}" if column == "n_parameters" else f"{value:.2f}"
