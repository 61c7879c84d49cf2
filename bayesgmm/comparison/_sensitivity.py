"""The choice and p(K) under other priors and another recording error."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from bayesgmm.arguments import (
    check_count,
    check_flag,
    check_instance,
    check_numbers,
    items_of,
    seed_of,
)
from bayesgmm.comparison._compare import compare
from bayesgmm.comparison.outcome import Comparison
from bayesgmm.comparison.parts import Parts
from bayesgmm.comparison.reweighting import reweighted, reweighted_elpds
from bayesgmm.comparison.settings import Setting, settings_of
from bayesgmm.comparison.table import table_of
from bayesgmm.criterion import BY_ELPD, CRITERIA, Criterion
from bayesgmm.errors import ConfigError
from bayesgmm.evidence import Evidence, Evidences, no_evidences
from bayesgmm.fit import fit_em
from bayesgmm.limits import PARETO_K
from bayesgmm.model.resolved import resolve
from bayesgmm.model.several import ByModel, numbers_of
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import attribute

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
        What each criterion chooses: one row a setting, "as compared" first, one column a criterion
        that there is.
    probabilities, errors : pandas.DataFrame
        p(K) and its standard error: one row a setting, one column a model.
    pareto_k : pandas.DataFrame
        Of the weights by which draws are taken to a setting, -inf where they are equal; NaN in the
        first row.
    runs : pandas.DataFrame of bool
        Whether a model was sampled anew for a setting, since the draws did not reach it.
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
) -> Sensitivity:
    """Read a comparison again under other priors, and another recording error.

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
    settings = settings_of(comparison.data, comparison.models, **values)
    found = {_OWN: _Read(comparison, {}, frozenset())}
    for setting in settings:
        found[setting.name] = _under(comparison, setting, sample_anew, seed, cores)
    return _laid_out(found)


def _positive(name: str, given: Any) -> list[float]:
    items = list(islice(items_of(name, given, "positive numbers"), _MOST_VALUES))
    numbers = check_numbers(name, items, (len(items),)).tolist() if items else []
    if not all(number > 0.0 for number in numbers):
        raise ConfigError(f"{name} must be positive, got {numbers!r:.80}.", key=name)
    return list(dict.fromkeys(numbers))


def _under(
    comparison: Comparison, setting: Setting, sample_anew: bool, seed: int, cores: int | None
) -> _Read:
    """Read the comparison under one setting."""
    parts, k_hats, far = Parts(), dict[MixtureSpec, float](), list[MixtureSpec]()
    models = {spec: setting.changed(spec) for spec in comparison.models}
    for spec, other in models.items():
        parts.seconds[other] = 0.0
        if spec in comparison.fits:
            parts.fits[other] = (
                fit_em(comparison.data, other, seed=seed)
                if setting.of_rows
                else comparison.fits[spec]
            )
        if spec not in comparison.posteriors:
            continue
        k_hats[spec] = _reweigh(comparison, spec, other, parts)
        if k_hats[spec] > PARETO_K:
            far.append(spec)
    logger.info("%s: K = %s not reached", setting.name, [s.n_components for s in far])
    for spec in far if sample_anew else ():
        _sample(comparison, spec, models[spec], parts, seed, cores)
    kept = tuple(models.values())
    read = Comparison(
        data=comparison.data,
        models=kept,
        table=table_of(kept, parts),
        elpds={name: ByModel(held) for name, held in parts.elpds.items()},
        fits=ByModel(parts.fits),
        posteriors=ByModel(parts.posteriors),
        verdicts=ByModel(parts.verdicts),
        seed=seed,
    )
    return _Read(read, k_hats, frozenset(far if sample_anew else ()))


def _reweigh(comparison: Comparison, spec: MixtureSpec, other: MixtureSpec, parts: Parts) -> float:
    """Add what the draws say under the other setting, where they reach it; return Pareto k."""
    view = Draws(comparison.posteriors[spec])
    target = replace(view.target, resolved=resolve(other, comparison.data))
    found = reweighted(view, target)
    if found.k_hat > PARETO_K:
        return found.k_hat
    held = {
        name: comparison.elpds[name][spec] for name in BY_ELPD if spec in comparison.elpds[name]
    }
    if len(held) == len(BY_ELPD):
        elpds = reweighted_elpds(view, target, found, held)
        k_hat = float(elpds["loo"].pareto_k.max())
        if k_hat > PARETO_K:
            return k_hat
        for name in BY_ELPD:
            parts.elpds[name][other] = elpds[name]
    parts.posteriors[other], parts.verdicts[other] = view.tree, comparison.verdicts[spec]
    row = comparison.table.iloc[comparison.models.index(spec)]
    moved = Evidence(
        value=float(row["log_evidence"]) + found.log_mean,
        error=math.hypot(float(row["log_evidence_error"]), found.error),
        method=f"{row['evidence_method']}, reweighted",
        n_draws=view.n_samples,
        seed=comparison.seed,
    )
    if not math.isnan(moved.value):
        parts.evidences[other] = Evidences(moved, moved, no_evidences("reweighted").smc)
    return found.k_hat


def _sample(
    comparison: Comparison,
    spec: MixtureSpec,
    other: MixtureSpec,
    parts: Parts,
    seed: int,
    cores: int | None,
) -> None:
    """Compare one model under the other setting as the comparison did, and take what is had."""
    tree, row = comparison.posteriors[spec], comparison.table.iloc[comparison.models.index(spec)]
    sampler: Mapping[str, Any] = attribute(tree, "sampler") or {}
    lengths = {n: sampler[n] for n in ("draws", "tune", "chains", "target_accept") if n in sampler}
    routes = (
        "none"
        if math.isnan(row["log_evidence"])
        else "bridge"
        if math.isnan(row["log_evidence_smc"])
        else "both"
    )
    found = compare(
        comparison.data,
        other.n_components,
        covariance=other.covariance,
        priors=other.priors,
        resolution=other.resolution,
        labels_inform_weights=other.labels_inform_weights,
        evidence=routes,  # type: ignore[arg-type]
        seed=seed,
        cores=cores,
        **lengths,
    )
    for name in BY_ELPD:
        if other in found.elpds[name]:
            parts.elpds[name][other] = found.elpds[name][other]
    parts.posteriors[other], parts.verdicts[other] = found.posteriors[other], found.verdicts[other]
    line = found.table.iloc[0]
    quoted = Evidence(
        float(line["log_evidence"]),
        float(line["log_evidence_error"]),
        str(line["evidence_method"]),
        int(line["draws"]),
        seed,
    )
    parts.evidences[other] = Evidences(quoted, quoted, no_evidences("of a run").smc)


def _laid_out(found: Mapping[str, _Read]) -> Sensitivity:
    """Lay out what there is, one row a setting."""
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
        note=_note(chosen),
    )


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
    names: dict[str, Criterion] = {str(name): name for name in get_args(Criterion)}
    sentences, holding = [], []
    for name, chosen in choices.items():
        words, own = CRITERIA[names[str(name)]].words, chosen.iloc[0]
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
            f"Left out where there is no choice, since draws do not reach it: {', '.join(lacking)}."
        )
    return " ".join(sentences)
