"""The clusters of models that differ in family or noise, side by side."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.advice import shown
from bayesgmm.arguments import check_instance, check_prob
from bayesgmm.comparison.matching import matched, usable
from bayesgmm.comparison.outcome import Comparison
from bayesgmm.comparison.table import in_order_of_appearance
from bayesgmm.errors import ConfigError
from bayesgmm.limits import INTERVAL
from bayesgmm.model.components import NOISE
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["clusters_by_family"]


@keywords()
def clusters_by_family(
    comparison: Comparison, model: MixtureSpec | None = None, prob: float = INTERVAL
) -> "pd.DataFrame":
    """Return weights, means and scales of the clusters under each family that was compared.

    The models are those with as many components and the same covariance structure. Their clusters
    are matched to those of `model` by the rows that they share: the sum of P(cluster | row) times
    P(other cluster | row) is largest.

    Parameters
    ----------
    comparison : Comparison
    model : MixtureSpec, optional
        The one whose names the clusters have; the one that the comparison chooses by default.
    prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    pandas.DataFrame
        Index cluster, and family: "normal", "t", "normal, noise". Columns weight,
        ``mean <feature>`` and ``scale <feature>``, each with its ends in ``_lower`` and ``_upper``;
        data units. A noise is a cluster of that name, which has a weight only. Scales are those of
        the scale matrix where components have tails. ``attrs["left_out"]``: families whose
        run did not pass the checks, or whose clusters are not identified.

    Raises
    ------
    ConfigError
        When the comparison does not hold `model`, or its run did not pass the checks.

    Examples
    --------
    >>> from bayesgmm import compare
    >>> rows = np.random.default_rng(1).normal(size=(60, 1)) + [[0], [9]] * 30
    >>> found = compare(rows, 2, noise=[None, "uniform"], draws=300, evidence="none", seed=1)
    >>> table = clusters_by_family(found, MixtureSpec(2))
    >>> table.loc["2", "mean x1"].round().tolist(), table.index.tolist()[-1]
    ([9.0, 9.0], ('noise', 'normal, noise'))
    """
    import pandas as pd

    check_instance("comparison", comparison, Comparison, "what bayesgmm.compare returns")
    prob = check_prob(prob)
    first = comparison.chosen().model if model is None else model
    check_instance("model", first, MixtureSpec, "a MixtureSpec")
    if first not in comparison.models:
        raise ConfigError(f"the comparison does not hold {shown(first)}.", key="model", value=model)
    if not usable(comparison, first):
        raise ConfigError(
            f"the clusters of K = {comparison.numbers[first]} cannot be told one by one: its run "
            "did not pass the checks, or they are not identified.",
            key="model",
            value=model,
        )
    alike = [
        spec
        for spec in comparison.models
        if (spec.n_components, spec.covariance) == (first.n_components, first.covariance)
    ]
    used = [first, *(spec for spec in alike if spec != first and usable(comparison, spec))]
    rows = [row for spec in used for row in _rows(comparison, first, spec, prob)]
    names = [*map(str, Draws(comparison.posteriors[first]).clusters), NOISE]
    rows.sort(key=lambda row: names.index(str(row["cluster"])))  # models keep their order
    table = in_order_of_appearance(pd.DataFrame(rows).set_index(["cluster", "family"]))
    table.attrs["left_out"] = [_family(spec) for spec in alike if spec not in used]
    return table


def _family(spec: MixtureSpec) -> str:
    return spec.family_words + (f", {NOISE}" if spec.noise else "")


def _rows(
    comparison: Comparison, first: MixtureSpec, spec: MixtureSpec, prob: float
) -> Iterator[dict[str, object]]:
    """Yield a row for each cluster of a model, by the names of the first, and one for its noise."""
    reference, draws = (Draws(comparison.posteriors[each]) for each in (first, spec))
    order = np.arange(draws.n_components) if spec == first else matched(reference, draws)
    found = draws.parameters
    for name, k in zip(reference.clusters, order, strict=True):
        row: dict[str, object] = {"cluster": str(name), "family": _family(spec)}
        row |= _summary("weight", found.weights[:, k], prob)
        for what, values in (("mean", found.means), ("scale", found.scales)):
            for d, feature in enumerate(draws.features):
                row |= _summary(f"{what} {feature}", values[:, k, d], prob)
        yield row
    if found.noise is not None:
        yield {"cluster": NOISE, "family": _family(spec), **_summary("weight", found.noise, prob)}


def _summary(name: str, values: Array, prob: float) -> dict[str, object]:
    low, high = np.quantile(values, [0.5 - 0.5 * prob, 0.5 + 0.5 * prob])
    return {name: float(values.mean()), f"{name}_lower": float(low), f"{name}_upper": float(high)}
