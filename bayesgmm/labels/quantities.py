"""The scalar quantities of a posterior: each cluster's own, and those that no label touches."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import entr

from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.likelihood.compiled.allocations import row_sums
from bayesgmm.limits import AGREED_LOADINGS, MANY_ROWS
from bayesgmm.model.components import Structure, Tails
from bayesgmm.model.components.loadings import agreement, aligned, turned_towards
from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.kept_rows import n_rows_of, with_kept_rows
from bayesgmm.posterior.mcmc_error import ChainStatistics, chain_statistics
from bayesgmm.posterior.tree import check_posterior
from bayesgmm.typing import Array

__all__ = ["Quantity", "cluster_quantities", "label_free_quantities"]

_SURE = 40.0  # expected rows from which on a cluster is empty with less than exp(-40)


@dataclass(frozen=True, eq=False)
class Quantity:
    """A scalar of each draw.

    Parameters
    ----------
    name : str
        As in a summary's index: "means[1, eruptions]".
    values : array of shape (chain, draw)
    cluster : int or None
        The place of the cluster it belongs to, from 0; None for what is shared or label-free.
    correlation : bool
        It lies on (-1, 1).
    features : tuple of str
        Those that it is about.
    factor : int or None
        The number of the factor that it is a loading on, from 1.
    """

    name: str
    values: Array
    cluster: int | None = None
    correlation: bool = False
    features: tuple[str, ...] = ()
    factor: int | None = None

    @cached_property
    def statistics(self) -> ChainStatistics:
        """How well the draws determine it."""
        return chain_statistics(self.values)

    @property
    def judged(self) -> ChainStatistics:
        """As `statistics`; of a correlation on the scale of artanh."""
        return self._on_artanh if self.correlation else self.statistics

    @cached_property
    def _on_artanh(self) -> ChainStatistics:
        return chain_statistics(np.arctanh(self.values))

    @property
    def kind(self) -> str:
        """The parameter that it is an entry of."""
        return self.name.partition("[")[0]


def label_free_quantities(draws: Draws, *, every_row: bool = True) -> list[Quantity]:
    """Return what does not depend on the labels of a posterior's draws.

    Parameters
    ----------
    draws : Draws
    every_row : bool
        False lets 20,000 of more rows stand for all in entropy and occupied, as those of a file
        do always.

    Returns
    -------
    list of Quantity
        log_likelihood (nats, data units); for two clusters and more also sorted_weights[j] (the
        largest first), entropy (sum over rows of that of their allocation, nats) and occupied (the
        expected number of clusters that hold at least one row); these two only where the components
        are Gaussian.
    """
    check_posterior(draws.tree, "sample_stats")
    stats = draws.tree["sample_stats"].to_dataset()
    quantities = [Quantity("log_likelihood", stats["log_likelihood"].values)]
    weights = draws.parameters.weights.reshape(*draws.shape, -1)
    if weights.shape[2] == 1:
        return quantities
    decreasing = -np.sort(-weights, axis=2)
    for rank in range(weights.shape[2]):
        quantities.append(Quantity(f"sorted_weights[{rank + 1}]", decreasing[:, :, rank]))
    if not draws.gaussian:
        return quantities
    table, n_rows = with_kept_rows(draws).table, n_rows_of(draws)
    if not every_row and len(table) > MANY_ROWS:
        rng = np.random.default_rng(n_rows)
        table = table[np.sort(rng.choice(n_rows, MANY_ROWS, replace=False))]
    each, times = n_rows / len(table), table.weights if isinstance(table, AnnotatedRows) else None
    blocks = draws.reduced(lambda block, _: _entropy_and_occupied(block, times, each), table)
    sums = np.concatenate(list(blocks)).reshape(*draws.shape, 2)
    quantities.append(Quantity("entropy", sums[..., 0]))
    quantities.append(Quantity("occupied", sums[..., 1]))
    return quantities


def cluster_quantities(draws: Draws, at: Parameters | None = None) -> list[Quantity]:
    """Return weights, means, scales, correlations, factors and tails of each cluster as scalars.

    What is constant by structure is left out (the weight of a single cluster, the diagonal of a
    correlation matrix), and what clusters or features share appears once. Loadings are turned
    towards one another, as no rotation of the factors changes the model; those of a factor on which
    draws do not agree are left out.

    Parameters
    ----------
    draws : Draws
    at : Parameters, optional
        Other points (point, ...) of the same model, in the place of the draws, as one chain.

    Returns
    -------
    list of Quantity
    """
    given, shape = (draws.parameters, draws.shape) if at is None else (at, (1, len(at.weights)))
    parameters = given.each(lambda value: value.reshape(*shape, *value.shape[1:]))
    features, clusters = list(draws.features), [str(name) for name in draws.clusters]
    quantities = []
    if len(clusters) > 1 or parameters.noise is not None:
        for k, cluster in enumerate(clusters):
            quantities.append(Quantity(f"weights[{cluster}]", parameters.weights[:, :, k], k))
    if parameters.noise is not None:
        quantities.append(Quantity("noise_weight", parameters.noise))
    for k, cluster in enumerate(clusters):
        for d, feature in enumerate(features):
            name = f"means[{cluster}, {feature}]"
            quantities.append(Quantity(name, parameters.means[:, :, k, d], k, features=(feature,)))
    resolved = draws.resolved
    structure = Structure.seen_in(parameters) if resolved is None else resolved.structure
    tails = None if resolved is None else resolved.tails
    return [
        *quantities,
        *_of_covariances(parameters, clusters, features, structure),
        *_of_factors(parameters, draws.parameters, clusters, features, structure),
        *_of_tails(parameters, clusters, tails),
        *_of_layers(parameters),
    ]


def _of_tails(parameters: Parameters, names: list[str], tails: Tails | None) -> Iterator[Quantity]:
    """Yield the degrees of freedom that are unknown."""
    if parameters.nu is None or tails is None or tails.known:
        return
    for k, name in enumerate(names) if tails.own else [(None, "")]:
        yield Quantity(f"nu[{name}]" if name else "nu", parameters.nu[:, :, k or 0], k)


def _of_layers(parameters: Parameters) -> Iterator[Quantity]:
    """Yield the share of good rows and the inflation of the others, where there are any."""
    for name in ("good_share", "inflation"):
        value = getattr(parameters, name)
        if value is not None:
            yield Quantity(name, value)


def _of_covariances(
    parameters: Parameters, names: list[str], features: list[str], structure: Structure
) -> Iterator[Quantity]:
    for k, d in structure.scale_entries(len(names), len(features)):
        own = _named(k, names)
        of = () if d is None else (features[d],)
        index = [*own, *of]
        name = f"scales[{', '.join(index)}]" if index else "scales"
        yield Quantity(name, parameters.scales[:, :, k or 0, d or 0], k, features=of)
    for k in structure.correlated_clusters(len(names)):
        own = _named(k, names)
        for i in range(len(features)):
            for j in range(i):
                pair = (features[j], features[i])
                index = [*own, *pair]
                values = parameters.correlations[:, :, k or 0, i, j]
                name = f"correlations[{', '.join(index)}]"
                yield Quantity(name, values, k, True, pair)


def _of_factors(
    parameters: Parameters,
    drawn: Parameters,
    names: list[str],
    features: list[str],
    structure: Structure,
) -> Iterator[Quantity]:
    """Yield unique scales, and the loadings, turned as draws are, of factors these agree on."""
    loadings, unique, theirs = parameters.loadings, parameters.unique_scales, drawn.loadings
    if loadings is None or unique is None or theirs is None:
        return
    for k, d in structure.unique_entries(len(names), len(features)):
        of = () if d is None else (features[d],)
        index = [*_named(k, names), *of]
        name = f"unique_scales[{', '.join(index)}]" if index else "unique_scales"
        yield Quantity(name, unique[:, :, k or 0, d or 0], k, features=of)
    for k in structure.loaded_clusters(len(names)):
        together = aligned(theirs[:, k or 0])
        turned = turned_towards(loadings[:, :, k or 0], together.mean(axis=0))
        for j in np.flatnonzero(agreement(together) >= AGREED_LOADINGS).tolist():
            for d, feature in enumerate(features):
                index = [*_named(k, names), feature, str(j + 1)]
                name = f"loadings[{', '.join(index)}]"
                yield Quantity(name, turned[:, :, d, j], k, features=(feature,), factor=j + 1)


def _named(k: int | None, names: list[str]) -> list[str]:
    return [] if k is None else [names[k]]


def _entropy_and_occupied(block: Array, times: Array | None, each: float) -> Array:
    """Return both of each draw, shape (draw, 2).

    Rows count so many times, once for None, and each of these stands for `each` rows.
    """
    if times is None and each == 1.0:
        return row_sums(block)
    if times is None:
        entropy, times = row_sums(block)[:, 0], np.ones(block.shape[2])
    else:
        block, times = block[:, :, times > 0.0], times[times > 0.0]
        entropy = entr(block).sum(axis=1) @ times
    empty = np.zeros(block.shape[:2])
    for draw, k in np.argwhere(each * (block @ times) < _SURE):
        with np.errstate(divide="ignore"):
            empty[draw, k] = np.exp(each * (np.log1p(-np.minimum(block[draw, k], 1.0)) @ times))
    return np.stack([each * entropy, (1.0 - empty).sum(axis=1)], axis=1)
