"""One partition of the rows that stands for the posterior, and how far others lie from it."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from bayesgmm.arguments import check_one_of, check_prob, seed_of
from bayesgmm.cards import card
from bayesgmm.likelihood.annotated_rows import RowTable, times_of, values_of
from bayesgmm.limits import INTERVAL, PAIRED_ROWS
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.kept_rows import part_of_kept_rows
from bayesgmm.prediction.averaged import Average
from bayesgmm.prediction.draws import (
    FitOrPosterior,
    drawn_clusters,
    draws_of,
    table_for,
    with_noise_last,
)
from bayesgmm.prediction.partition_search import LOSSES, best_partition, losses, placed
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.memory import require_bytes
from bayesgmm.typing import Array, IntArray

__all__ = ["CredibleBall", "Partition", "partition"]

MAX_SAMPLES = 1000
SCRATCH_STARTS = 10
SAMPLED_STARTS = 5
MAX_ROWS_OF_TREE = 2000


@dataclass(frozen=True, eq=False)
class CredibleBall:
    """Partitions that hold a given posterior probability around a point partition.

    Parameters
    ----------
    prob : float
        Posterior probability that the partition is no further away than `radius`.
    radius : float
        In units of the loss.
    coarsest, finest, furthest : arrays of shape (obs,)
        Sampled partitions in the ball with the fewest clusters, the most clusters and the largest
        distance; among equals the most distant one (vertical upper, vertical lower and horizontal
        bounds of Wade and Ghahramani). A row that stands for several gets the cluster of most of
        them.

    Examples
    --------
    >>> from bayesgmm import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> ball = partition(sample(rows, 2, draws=200, seed=1), prob=0.5, seed=1).ball
    >>> ball.prob, ball.coarsest.shape
    (0.5, (8,))
    """

    prob: float
    radius: float
    coarsest: IntArray = field(repr=False)
    finest: IntArray = field(repr=False)
    furthest: IntArray = field(repr=False)


@dataclass(frozen=True, eq=False, repr=False)
class Partition:
    """A point partition: clusters of rows, which are not the components of the model.

    A component is a part of the model, there whether it holds rows or not; a cluster is a set of
    rows put together. Their numbers may differ.

    Parameters
    ----------
    labels : array of shape (obs,)
        Clusters numbered from 1 by increasing mean of the first feature over their rows.
    loss : {"vi", "binder"}
    expected_loss : float
        Mean of the loss over the sampled partitions: nats for "vi"; for "binder" the share of the
        n^2 ordered pairs of rows on which two partitions disagree.
    ball : CredibleBall
    n_components : int
        Components of the model; of an average over models the most that one of them has.
    n_samples : int
        Sampled partitions that the expectation is taken over.
    seed : int

    Examples
    --------
    >>> from bayesgmm import sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> grouping = partition(sample(rows, 2, draws=200, seed=1), seed=1)
    >>> grouping.n_clusters, grouping.labels.tolist()
    (2, [1, 1, 1, 2, 2, 2, 1, 2])
    """

    labels: IntArray
    loss: str
    expected_loss: float
    ball: CredibleBall
    n_components: int
    n_samples: int
    seed: int

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.labels.max())

    def _repr_html_(self) -> str:
        numbers, sizes = np.unique(self.labels, return_counts=True)
        share = sizes / len(self.labels)
        return card(
            f"Partition of {len(self.labels)} rows into {self.n_clusters} clusters",
            columns=("cluster", "rows", "share"),
            rows=[
                (str(number), str(size), f"{100.0 * part:.1f} %")
                for number, size, part in zip(numbers, sizes, share, strict=True)
            ],
            sentences=[
                f"Expected {self.loss} loss {self.expected_loss:.4g}; {100.0 * self.ball.prob:g} % "
                f"ball of radius {self.ball.radius:.4g}; mixtures of up to {self.n_components} "
                "components."
            ],
        )

    def __repr__(self) -> str:
        """Show the sizes of the clusters, the loss and the ball."""
        sizes = ", ".join(map(str, np.bincount(self.labels)[1:]))
        return (
            f"Partition of {len(self.labels)} rows into {self.n_clusters} clusters ({sizes}) by "
            f"mixtures of up to {self.n_components} components: expected {self.loss} loss "
            f"{self.expected_loss:.4g}, {100.0 * self.ball.prob:g} % ball of radius "
            f"{self.ball.radius:.4g}"
        )


@keywords(fit_or_posterior="posterior")
def partition(
    posterior: FitOrPosterior | Average,
    loss: Literal["vi", "binder"] = "vi",
    rows: Any = None,
    *,
    prob: float = INTERVAL,
    seed: int | None = None,
) -> Partition:
    """Return the partition of the rows with the least expected loss found.

    The loss is averaged over partitions of the posterior, each sampled from the responsibilities
    of one of at most 1,000 evenly spaced draws. Greedy moves of single rows start from rows placed
    one by one in random orders, from sampled partitions and, up to 2,000 rows, from hierarchical
    cuts of the co-clustering matrix; the best result of all starts is kept. At most twice as many
    clusters as components are considered. Labels of the components do not matter.

    A row whose weight is the whole number w stands for w rows, which are allocated one by one and
    lie in one cluster of the partition; one of weight 0 does not count, and is put where a row
    would add least to the loss. Other weights are no numbers of rows: each row counts once. Known
    labels restrict the allocations. Rows of a noise go together as if it were one component more.

    Parameters
    ----------
    posterior : PointFit, xarray.DataTree or Average
    loss : {"vi", "binder"}
        Variation of information or Binder's loss; Binder's favours small extra clusters.
    rows : table of shape (obs, feature), data units, optional
        New rows or a part of the data; None takes the rows of the posterior, or where it keeps
        some of many 2,000 of these, those that `coclustering` takes and names.
    prob : float
        Probability of the credible ball.
    seed : int, optional
        Generated if None; stored in either case.

    Returns
    -------
    Partition

    Raises
    ------
    ConfigError
        For an unknown loss, an unusable `prob` or `seed`, or rows None for a point fit.
    DataError
        When the rows are unusable.
    ResourceError
        When the sampled partitions would not fit in memory.

    References
    ----------
    .. [1] Wade and Ghahramani (2018), Bayesian Analysis 13, 559-626.
    .. [2] Dahl, Johnson and Mueller (2022), J. Comput. Graph. Stat. 31, 1189-1201.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> data = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> partition(fit_em(data, 2, seed=1), rows=data, seed=1).labels.tolist()
    [1, 1, 1, 2, 2, 2, 1, 2]
    """
    prob = check_prob(prob)
    check_one_of("loss", loss, LOSSES)
    seed = seed_of(seed)
    for_samples, for_starts, for_orders = np.random.SeedSequence(seed).spawn(3)
    everything = draws_of(posterior, labelled=False)
    if rows is None:
        everything = part_of_kept_rows(everything, PAIRED_ROWS)
    table = table_for(everything, rows)
    draws = everything.thinned(MAX_SAMPLES)
    if draws.n_samples == 1:
        draws = draws.taken(np.zeros(MAX_SAMPLES, dtype=np.int64))
    times, first = times_of(table), values_of(table)[:, 0]
    owner = _copies(times, draws.n_samples)
    sampled, together = _sampled_partitions(draws, table, owner, np.random.default_rng(for_samples))
    counts = times > 0
    counted = sampled if counts.all() else sampled[counts[owner]]
    starts = _starts(
        counted, times[counts], together, draws.n_components, np.random.default_rng(for_starts)
    )
    chosen, labels = LOSSES[loss](len(counted)), np.empty(len(times), dtype=np.int64)
    labels[counts], expected = best_partition(
        counted, chosen, starts, 2 * draws.n_components, for_orders, times[counts]
    )
    written_out = np.repeat(labels[counts], times[counts])
    if not counts.all():
        labels[~counts] = placed(written_out, counted, sampled[~counts[owner]], loss)
    ball = _credible_ball(losses(written_out, counted, chosen), sampled, owner, times, first, prob)
    return Partition(
        _numbered(labels, first, times),
        loss,
        expected,
        ball,
        draws.n_components,
        sampled.shape[1],
        seed,
    )


def _copies(times: IntArray, n_samples: int) -> IntArray:
    """Return of which row each copy is; a row that does not count has one."""
    copies = np.maximum(times, 1)
    n_copies = int(copies.sum())
    require_bytes(
        2 * n_samples * n_copies,
        f"{n_samples} sampled partitions of {n_copies} rows",
        "pass a random part of the rows as rows=, thin the posterior, or take membership",
    )
    return np.repeat(np.arange(len(times)), copies)


def _sampled_partitions(
    draws: Draws, table: RowTable, owner: IntArray, rng: np.random.Generator
) -> tuple[NDArray[np.int16], Array | None]:
    """Sample an allocation a draw, and sum up which rows go together where they are few enough.

    Returns
    -------
    sampled : array of shape (copy, sample)
        Copy c is of row owner[c].
    together : array of shape (obs, obs), or None
        Of the rows that count.
    """
    counts = times_of(table) > 0
    n_copies, n_rows, n_counted = len(owner), len(counts), int(counts.sum())
    sampled = np.empty((n_copies, draws.n_samples), dtype=np.int16)
    together = np.zeros((n_counted, n_counted)) if 1 < n_counted <= MAX_ROWS_OF_TREE else None
    for block in draws.sample_blocks(n_copies):
        shares = with_noise_last(draws.responsibilities(table, block), draws)
        if together is not None:
            kept = shares if n_counted == n_rows else shares[..., counts]
            flat = kept.reshape(-1, n_counted)
            together += flat.T @ flat / draws.n_samples
        each = shares if n_copies == n_rows else shares[..., owner]
        sampled[:, block] = drawn_clusters(each, rng).T
    return sampled, together


def _starts(
    sampled: NDArray[np.int16],
    times: IntArray,
    together: Array | None,
    n_components: int,
    rng: np.random.Generator,
) -> list[IntArray]:
    n_rows, n_samples = len(times), sampled.shape[1]
    firsts = times.cumsum() - times
    starts = [np.full(n_rows, -1) for _ in range(SCRATCH_STARTS)]
    for s in rng.choice(n_samples, min(SAMPLED_STARTS, n_samples), replace=False):
        starts.append(sampled[firsts, s].astype(np.int64))
    if together is not None:
        apart = squareform(np.clip(1.0 - together, 0.0, 1.0), checks=False)
        for method in ("average", "complete"):
            tree = linkage(apart, method)
            starts += [_cut(tree, count) for count in range(1, min(n_components, n_rows) + 1)]
    return [np.ascontiguousarray(start) for start in starts]


def _cut(tree: Array, count: int) -> IntArray:
    """Return `count` groups of rows, numbered from 0 in their order: the tree less its last joins.

    As `scipy.cluster.hierarchy.cut_tree`, which is a loop of Python over the nodes.
    """
    n_rows = len(tree) + 1
    joins = np.arange(n_rows - count)
    joined = tree[joins, :2].astype(np.int64)
    ends = joined.T.ravel(), np.tile(n_rows + joins, 2)
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(2 * n_rows - 1, 2 * n_rows - 1))
    labels: IntArray = connected_components(graph, directed=False)[1][:n_rows]
    _, first, labels = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[labels]


def _credible_ball(
    distances: Array,
    sampled: NDArray[np.int16],
    owner: IntArray,
    times: IntArray,
    first: Array,
    prob: float,
) -> CredibleBall:
    """Return the smallest ball that holds the share `prob` of the sampled partitions."""
    radius = float(np.quantile(distances, prob, method="inverted_cdf"))
    inside = np.flatnonzero(distances <= radius)
    counted = times[owner] > 0
    counts = np.array([len(np.unique(sampled[counted, s])) for s in inside])

    def most_distant(among: NDArray[np.bool]) -> IntArray:
        candidates = inside[among]
        s = candidates[distances[candidates].argmax()]
        return _numbered(_of_most(sampled[:, s], owner), first, times)

    return CredibleBall(
        prob,
        radius,
        coarsest=most_distant(counts == counts.min()),
        finest=most_distant(counts == counts.max()),
        furthest=most_distant(counts > 0),
    )


def _of_most(labels: NDArray[np.int16], owner: IntArray) -> IntArray:
    """Return the label (obs,) of most copies of each row."""
    counts = np.zeros((owner[-1] + 1, labels.max() + 1), dtype=np.int64)
    np.add.at(counts, (owner, labels), 1)
    return counts.argmax(axis=1)


def _numbered(labels: IntArray, first: Array, times: IntArray) -> IntArray:
    """Renumber clusters from 1 by increasing mean of the first feature; last where it has none."""
    _, labels = np.unique(labels, return_inverse=True)
    seen = np.where(np.isnan(first), 0, times)
    with np.errstate(invalid="ignore"):
        means = np.bincount(labels, seen * np.nan_to_num(first)) / np.bincount(labels, seen)
    return np.argsort(np.argsort(means, kind="stable"))[labels] + 1
