"""Average over the models of a comparison what depends on no number of components."""

from typing import Any, Literal, get_args

import numpy as np

from bayesgmm.arguments import check_one_of
from bayesgmm.errors import ConfigError
from bayesgmm.model.several import require_comparison
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.prediction.averaged import Average, pooled
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array, IntArray

__all__ = ["average"]

Weighing = Literal["probability", "stacking"]

_COLUMNS = {"probability": "probability", "stacking": "weight"}
_MISSING = {
    "probability": "without a probability, since there is no evidence",
    "stacking": "without a stacking weight",
}
_SAMPLES = 4000


@keywords()
def average(comparison: Any, by: Weighing = "probability") -> Average:
    """Average over the models that were compared, instead of choosing one.

    Draws of each model are put together in proportion to its weight: by their probability that is
    the posterior of the rows' density and partition with the number of components unknown.

    Parameters
    ----------
    comparison : Comparison
    by : {"probability", "stacking"}
        The posterior probability of each model, with a uniform prior on those compared; or the
        weights by which the mean of the predictive densities predicts best, row by row left out.

    Returns
    -------
    Average
        For `density`, `log_density`, `density_grid`, `coclustering`, `partition` and
        `group_membership`.

    Raises
    ------
    ConfigError
        When it is not a comparison, when no model in it has such a weight, or when labels do not
        inform the weights of the clusters, so that rows have no density.

    Notes
    -----
    4,000 draws stand for all models, evenly spaced in each: weights are kept to 1 / 4,000. A model
    without a weight, or without draws, is left out, which `note` says; the others are then
    renormalised.

    References
    ----------
    Hoeting, Madigan, Raftery and Volinsky (1999), Statistical Science 14:382 (by probability).
    Yao, Vehtari, Simpson and Gelman (2018), Bayesian Analysis 13:917 (stacking).

    Examples
    --------
    >>> from bayesgmm import compare, density
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> comparison = compare(rows, [1, 2], draws=200, seed=1)
    >>> bool(density(average(comparison, by="stacking"), [[0.3]])["mean"] > 0.3)
    True
    """
    check_one_of("by", by, get_args(Weighing))
    require_comparison("average", comparison)
    models = [spec for spec in comparison.models if spec in comparison.posteriors]
    if any(not spec.labels_inform_weights for spec in models):
        raise ConfigError(
            "average needs labels that inform the weights of the clusters; with "
            "labels_inform_weights=False use one model.",
            key="labels_inform_weights",
        )
    weights = comparison.table[_COLUMNS[by]].to_numpy(dtype=float)
    usable = np.array([spec in models for spec in comparison.models]) & ~np.isnan(weights)
    if not usable.any() or not weights[usable].sum() > 0.0:
        raise ConfigError(
            f"no model of this comparison has draws and a weight: all are {_MISSING[by]}.",
            key="by",
            value=by,
        )
    weights = np.where(usable, weights / weights[usable].sum(), np.nan)
    numbers = _shared_out(np.nan_to_num(weights), _SAMPLES)
    parts = [
        (Draws(comparison.posteriors[spec]), int(number))
        for spec, number in zip(comparison.models, numbers, strict=True)
        if number
    ]
    if len({(spec.family, spec.noise) for spec in models}) > 1:
        raise ConfigError(
            "average needs models of one family, all with noise or all without; compare them "
            "separately, or use the chosen model.",
            key="family",
        )
    for draws, _ in parts:
        draws.require_gaussian()
    facts = ["covariance", "family", "noise", "n_factors"]
    table = comparison.table[facts].assign(weight=weights, draws=numbers)
    return Average(table, by, pooled(parts), _note(comparison, usable, by))


def _shared_out(weights: Array, total: int) -> IntArray:
    """Return whole numbers in proportion to weights; what is left goes to the largest rests."""
    exact = weights * total
    numbers = np.floor(exact).astype(np.int64)
    rest = np.argsort(numbers - exact, kind="stable")[: total - int(numbers.sum())]
    numbers[rest] += 1
    return numbers


def _note(comparison: Any, usable: Array, by: str) -> str:
    def listed(specs: list[MixtureSpec]) -> str:
        return ", ".join(comparison.numbers[spec] for spec in specs)

    sentences = []
    out = [spec for spec, kept in zip(comparison.models, usable, strict=True) if not kept]
    if out:
        sentences.append(f"Given that it is not K = {listed(out)}: left out, {_MISSING[by]}.")
    kept = [spec for spec, good in zip(comparison.models, usable, strict=True) if good]
    doubtful = [spec for spec in kept if not comparison.verdicts[spec].ok]
    if doubtful:
        sentences.append(f"The draws at K = {listed(doubtful)} did not converge.")
    return " ".join(sentences)
