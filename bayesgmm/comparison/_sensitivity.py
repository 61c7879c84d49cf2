"""The choice and p(K) under other priors and another recording error."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

from bayesgmm.arguments import (
    check_count,
    check_flag,
    check_instance,
    check_several,
    seed_of,
)
from bayesgmm.comparison._compare import compare
from bayesgmm.comparison.estimates_under import estimates_under
from bayesgmm.comparison.matching import usable
from bayesgmm.comparison.outcome import Comparison
from bayesgmm.comparison.parts import Parts
from bayesgmm.comparison.reweighting import reweighted, reweighted_elpds
from bayesgmm.comparison.settings import Setting, settings_of
from bayesgmm.comparison.table import in_order_of_appearance, table_of
from bayesgmm.criterion import BY_ELPD, CRITERIA, Criterion
from bayesgmm.errors import ConfigError
from bayesgmm.evidence import Evidence, EvidenceRoutes, Evidences, no_evidences
from bayesgmm.fit import fit_em
from bayesgmm.limits import PARETO_K
from bayesgmm.model.resolving import resolve
from bayesgmm.model.several import ByModel, numbers_of
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import attribute
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.progress import steps
from bayesgmm.typing import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Sensitivity", "sensitivity"]

logger = logging.getLogger(__name__)

_OWN = "as compared"
_MOST_VALUES = 100


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity:
    """What a comparison says under other settings.

    Parameters
    ----------
    choices : pandas.DataFrame
        What each criterion chooses: one row per setting, "as compared" first, one column per
        criterion.
    probabilities, errors : pandas.DataFrame
        p(K) and its standard error: one row per setting, one column per model.
    pareto_k : pandas.DataFrame
        Of the weights by which draws are taken to a setting, -inf where they are equal; or, where
        these serve, of a row left out under them that they do not; NaN in the first row.
    runs : pandas.DataFrame of bool
        Whether a model was sampled anew for a setting, since the draws did not reach it.
    estimates : pandas.DataFrame
        Of weights, means and scales of the clusters: columns mean, sd, mcse, data units; index
        (setting, model, quantity). Left out where clusters cannot be told one by one.
    note : str
        Which choices hold under all settings, and which change where.

    Examples
    --------
    >>> from bayesgmm import compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> comparison = compare(rows, [1, 2], draws=200, seed=1)
    >>> found = sensitivity(comparison, scale=[2], eta=[], concentration=[], step=[])
    >>> found.choices.index.tolist()
    ['as compared', 'scale x 2']
    """

    choices: "pd.DataFrame"
    probabilities: "pd.DataFrame"
    errors: "pd.DataFrame"
    pareto_k: "pd.DataFrame"
    runs: "pd.DataFrame"
    estimates: "pd.DataFrame"
    note: str

    def __repr__(self) -> str:
        """Show choices, probabilities and the note."""
        parts = ["Chosen K", self.choices.to_string()]
        if self.probabilities.notna().any(axis=None):
            parts += ["p(K)", self.probabilities.round(3).to_string()]
        return "\n".join([*parts, self.note])


class _Read(NamedTuple):
    """A comparison under one setting, and how it was had."""

    comparison: Comparison
    k_hats: dict[MixtureSpec, float]
    sampled: frozenset[MixtureSpec]
    estimates: dict[MixtureSpec, "pd.DataFrame"]


class _Study(NamedTuple):
    """What is read again, and how."""

    comparison: Comparison
    views: Mapping[MixtureSpec, Draws]
    sample_anew: bool
    seed: int
    cores: int | None

    def row(self, spec: MixtureSpec) -> "pd.Series":
        """Return the model's row of the table."""
        return self.comparison.table.iloc[self.comparison.models.index(spec)]


@keywords()
def sensitivity(
    comparison: Comparison,
    *,
    scale: Any = (0.5, 2.0),
    eta: Any = (1.0, 2.0, 8.0),
    concentration: Any = (0.5, 1.0, 2.0),
    step: Any = (0.5, 2.0),
    sample_anew: bool = True,
    seed: int | None = None,
    cores: int | None = None,
    progress: bool = False,
) -> Sensitivity:
    """Read a comparison and its estimates again under other priors, and another recording error.

    One number is changed at a time. The draws are weighed by what they have under the other
    setting; where the Pareto k of these weights, or of those of a row left out under them, is above
    0.7, that model is sampled anew under it, as the comparison did. The fits of maximum likelihood
    change with the recording error only, and are then made anew.

    Parameters
    ----------
    comparison : Comparison
    scale : sequence of float
        Factors of the prior of the scales: its median, or the like.
    eta : sequence of float
        Values of the shape of the correlations' prior.
    concentration : sequence of float
        Values of the concentration of the weights' prior.
    step : sequence of float
        Factors of the recording steps of all features.
    sample_anew : bool
        False leaves out what the draws do not reach, in place of sampling it.
    seed : int, optional
        Of new fits and runs; that of the comparison by default.
    cores : int, optional
        As in `compare`.
    progress : bool
        Show a bar of the settings done, on stderr; without it each is a line of the log.

    Returns
    -------
    Sensitivity

    Raises
    ------
    ConfigError
        For anything but a comparison, or values that a prior cannot have.

    References
    ----------
    Kallioinen, Paananen, Buerkner and Vehtari (2024), Statistics and Computing 34:57 (sensitivity
    by importance weights). Vehtari, Simpson, Gelman, Yao and Gabry (2024), JMLR 25:72 (Pareto k).

    Examples
    --------
    >>> from bayesgmm import compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> comparison = compare(rows, [1, 2], draws=200, seed=1)
    >>> found = sensitivity(comparison, scale=[], eta=[], concentration=[2], step=[])
    >>> found.probabilities.sum(axis=1).round(6).tolist()
    [1.0, 1.0]
    """
    check_instance("comparison", comparison, Comparison, "what bayesgmm.compare returns")
    check_flag("sample_anew", sample_anew)
    if cores is not None:
        check_count("cores", cores)
    seed = seed_of(comparison.seed if seed is None else seed)
    asked = {"scale": scale, "eta": eta, "concentration": concentration, "step": step}
    values = {name: _positive(name, value) for name, value in asked.items()}
    views = {spec: Draws(tree) for spec, tree in comparison.posteriors.items()}
    study = _Study(comparison, views, sample_anew, seed, cores)
    told = {spec: estimates_under(view) for spec, view in views.items() if usable(comparison, spec)}
    found = {_OWN: _Read(comparison, {}, frozenset(), told)}
    settings = settings_of(comparison.data, comparison.models, **values)
    for setting in steps(settings, "settings", progress):
        found[setting.name] = _under(study, setting)
    return _laid_out(found)


def _positive(name: str, given: Any) -> list[float]:
    numbers = check_several(name, given, "positive numbers", _MOST_VALUES)
    if not all(number > 0.0 for number in numbers):
        raise ConfigError(f"{name} must be positive, got {numbers!r:.80}.", key=name)
    return list(dict.fromkeys(numbers))


def _under(study: _Study, setting: Setting) -> _Read:
    """Read the comparison under one setting."""
    comparison, parts = study.comparison, Parts()
    k_hats, far = dict[MixtureSpec, float](), list[MixtureSpec]()
    estimates = dict[MixtureSpec, "pd.DataFrame"]()
    models = {spec: setting.changed(spec) for spec in comparison.models}
    for spec, other in models.items():
        parts.seconds[other] = 0.0
        if spec in comparison.fits:
            parts.fits[other] = (
                fit_em(comparison.data, other, seed=study.seed)
                if setting.of_rows
                else comparison.fits[spec]
            )
        if spec in study.views:
            k_hats[spec], log_weights = _reweigh(study, spec, other, parts)
            if k_hats[spec] > PARETO_K:
                far.append(spec)
            elif usable(comparison, spec):
                estimates[spec] = estimates_under(study.views[spec], log_weights)
    logger.info("%s: K = %s not reached", setting.name, [s.n_components for s in far])
    sampled = far if study.sample_anew else []
    for spec in sampled:
        with parts.attempt(models[spec], "sampling anew"):
            anew = _sample(study, spec, models[spec], parts)
            if usable(comparison, spec) and usable(anew, models[spec]):
                draws = Draws(anew.posteriors[models[spec]])
                estimates[spec] = estimates_under(study.views[spec], other=draws)
    kept = tuple(models.values())
    read = Comparison(
        data=comparison.data,
        models=kept,
        table=table_of(kept, parts),
        elpds={name: ByModel(held) for name, held in parts.elpds.items()},
        fits=ByModel(parts.fits),
        posteriors=ByModel(parts.posteriors),
        verdicts=ByModel(parts.verdicts),
        seed=study.seed,
        failures=ByModel(parts.failures),
    )
    return _Read(read, k_hats, frozenset(sampled), estimates)


def _reweigh(
    study: _Study, spec: MixtureSpec, other: MixtureSpec, parts: Parts
) -> tuple[float, Array]:
    """Add what the draws say under the other setting, where they reach it.

    Returns
    -------
    k_hat : float
    log_weights : array of shape (sample,)
    """
    comparison, view = study.comparison, study.views[spec]
    target = replace(view.target, resolved=resolve(other, comparison.data))
    found = reweighted(view, target)
    if found.k_hat > PARETO_K:
        return found.k_hat, found.log_weights
    if all(spec in comparison.elpds[name] for name in BY_ELPD):
        held = {name: comparison.elpds[name][spec] for name in BY_ELPD}
        elpds = reweighted_elpds(view, target, found, held)
        k_hat = float(elpds["loo"].pareto_k.max())
        if k_hat > PARETO_K:
            return k_hat, found.log_weights
        for name in BY_ELPD:
            parts.elpds[name][other] = elpds[name]
    parts.posteriors[other], parts.verdicts[other] = view.tree, comparison.verdicts[spec]
    own = _quoted(study.row(spec), view.n_samples, comparison.seed)
    if not math.isnan(own.value):
        error = math.hypot(own.error, found.error)
        moved = replace(own, value=own.value + found.log_mean, error=error)
        parts.evidences[other] = _alone(moved)
    return found.k_hat, found.log_weights


def _sample(study: _Study, spec: MixtureSpec, other: MixtureSpec, parts: Parts) -> Comparison:
    """Compare one model under the other setting as the comparison did, and take what is had."""
    row, view = study.row(spec), study.views[spec]
    sampler: Mapping[str, Any] = attribute(view.tree, "sampler") or {}
    names = ("draws", "tune", "chains", "target_accept", "method")
    lengths = {name: sampler[name] for name in names if name in sampler}
    routes: EvidenceRoutes = "none"
    if not math.isnan(row["log_evidence"]):
        routes = "bridge" if math.isnan(row["log_evidence_smc"]) else "both"
    found = compare(
        study.comparison.data,
        other.n_components,
        covariance=other.covariance,
        priors=other.priors,
        resolution=other.resolution,
        labels_inform_weights=other.labels_inform_weights,
        evidence=routes,
        seed=study.seed,
        cores=study.cores,
        **lengths,
    )
    for name in BY_ELPD:
        if other in found.elpds[name]:
            parts.elpds[name][other] = found.elpds[name][other]
    parts.posteriors[other], parts.verdicts[other] = found.posteriors[other], found.verdicts[other]
    parts.evidences[other] = _alone(_quoted(found.table.iloc[0], view.n_samples, study.seed))
    return found


def _quoted(row: "pd.Series", n_draws: int, seed: int) -> Evidence:
    """Return the evidence that a row of the table quotes."""
    value, error = float(row["log_evidence"]), float(row["log_evidence_error"])
    return Evidence(value, error, str(row["evidence_method"]), n_draws, seed)


def _alone(evidence: Evidence) -> Evidences:
    """Return an evidence without another route beside it."""
    return Evidences(evidence, evidence, no_evidences("not asked for").smc)


def _laid_out(found: Mapping[str, _Read]) -> Sensitivity:
    """Lay out what there is, one row per setting."""
    import pandas as pd

    own = found[_OWN].comparison.models
    names = numbers_of(own)
    columns = [f"K = {names[spec]}" for spec in own]
    choices = {name: _choices(read.comparison) for name, read in found.items()}
    tables = {name: read.comparison.table for name, read in found.items()}

    def frame(rows: Mapping[str, Any]) -> "pd.DataFrame":
        return pd.DataFrame(rows, index=columns).T

    chosen = pd.DataFrame(choices).T
    return Sensitivity(
        choices=chosen,
        probabilities=frame({n: t["probability"].to_numpy() for n, t in tables.items()}),
        errors=frame({n: t["probability_error"].to_numpy() for n, t in tables.items()}),
        pareto_k=frame(
            {n: [read.k_hats.get(spec, math.nan) for spec in own] for n, read in found.items()}
        ),
        runs=frame({n: [spec in read.sampled for spec in own] for n, read in found.items()}),
        estimates=_estimates(found, dict(zip(own, columns, strict=True))),
        note=_note(chosen),
    )


def _estimates(found: Mapping[str, _Read], names: Mapping[MixtureSpec, str]) -> "pd.DataFrame":
    import pandas as pd

    each = {
        (setting, names[spec]): table
        for setting, read in found.items()
        for spec, table in read.estimates.items()
    }
    index = ["setting", "model", "quantity"]
    if not each:
        empty = pd.MultiIndex.from_arrays([[], [], []], names=index)
        return pd.DataFrame(columns=["mean", "sd", "mcse"], index=empty, dtype=float)
    return in_order_of_appearance(pd.concat(each, names=index))


def _choices(comparison: Comparison) -> dict[str, str]:
    """Return what each criterion chooses, where it has a value for a model."""
    numbers, found = numbers_of(comparison.models), dict[str, str]()
    for criterion in get_args(Criterion):
        if criterion in BY_ELPD and not comparison.elpds.get(criterion):
            continue
        try:
            found[criterion] = numbers[comparison.chosen(criterion).model]
        except ConfigError:
            continue
    return found


def _note(choices: "pd.DataFrame") -> str:
    """Say which choices hold under all settings, and where the others change."""
    sentences, holding = [], []
    for name, chosen in choices.items():
        words, own = CRITERIA[cast(Criterion, name)].words, chosen.iloc[0]
        others = {
            value: [where for where in chosen.index if chosen[where] == value]
            for value in dict.fromkeys(chosen.dropna())
            if value != own
        }
        if not others:
            holding.append(f"K = {own} by {words}")
        for value, where in others.items():
            sentences.append(f"By {words} K = {own} becomes K = {value} under {', '.join(where)}.")
    if holding:
        sentences.insert(0, f"The same under all settings: {', '.join(holding)}.")
    lacking = [str(where) for where in choices.index if choices.loc[str(where)].isna().any()]
    if lacking:
        sentences.append(
            f"No choice under {', '.join(lacking)}: the draws do not reach these settings."
        )
    return " ".join(sentences)
