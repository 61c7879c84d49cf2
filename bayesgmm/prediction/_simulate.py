"""New rows drawn from a fitted mixture, and replicates of the data for predictive checks."""

import math

import numpy as np
import xarray as xr

from bayesgmm.arguments import check_count, check_flag, check_one_of, seed_of
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, RowTable, times_of, written_out
from bayesgmm.model.components import NOISE, Noise
from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.kept_rows import with_kept_rows
from bayesgmm.posterior.tree import kept_rows, weights_in
from bayesgmm.prediction.draws import FitOrPosterior, draws_of
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.memory import require_bytes
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["posterior_predictive", "simulate"]

CHUNK = 65_536


@keywords(fit_or_posterior="posterior")
def simulate(
    posterior: FitOrPosterior,
    n: int,
    seed: int | None = None,
    *,
    one_draw: bool = False,
) -> xr.Dataset:
    """Draw new rows of the population, each with the cluster it comes from.

    They have no missing cells and no measurement errors, even where the data have them.

    Parameters
    ----------
    posterior : PointFit or xarray.DataTree
    n : int
        Number of rows.
    seed : int, optional
        Generated if None; stored in the attributes in either case.
    one_draw : bool
        False: each row comes from its own draw of the posterior, so that the rows are a sample of
        the posterior predictive density. True: all rows come from one draw, a data set as the
        model would produce it.

    Returns
    -------
    xarray.Dataset
        x (obs, feature), data units, with the recording error; cluster (obs), its number
        from 1 or its name (beside a noise all are names, "noise" among them); draw (obs): the
        posterior draw, chains one after another.

    Raises
    ------
    ConfigError
        When `n` or `seed` is not a count.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> fit = fit_em([[0.0], [1.0], [2.0], [3.0]], 1, seed=1)
    >>> simulate(fit, 5, seed=2)["x"].shape
    (5, 1)
    """
    n, seed = check_count("n", n), seed_of(seed)
    check_flag("one_draw", one_draw)
    draws = draws_of(posterior)
    require_bytes(
        8 * n * (len(draws.features) + 8), f"simulating {n} rows", "ask for fewer, several times"
    )
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    samples = np.resize(rng.integers(draws.n_samples, size=1 if one_draw else n), n)
    x, cluster = _rows_from(draws.parameters, samples, rng, draws.noise)
    names = draws.clusters
    if draws.noise is not None:
        names = np.array([*map(str, names), NOISE])
    return xr.Dataset(
        {
            "x": (("obs", "feature"), x),
            "cluster": ("obs", names[cluster]),
            "draw": ("obs", samples),
        },
        {"obs": np.arange(n), "feature": list(draws.features)},
        {"seed": seed},
    )


@keywords(n_data_sets="n")
def posterior_predictive(
    posterior: xr.DataTree | Draws,
    n: int = 100,
    seed: int | None = None,
    *,
    feature: str | None = None,
) -> xr.DataTree:
    """Return the posterior with replicates of the data, for ArviZ's predictive checks.

    Parameters
    ----------
    posterior : xarray.DataTree
    n : int
        Number of replicates at most, each from one draw; the draws are evenly spaced, as many from
        each chain.
    seed : int, optional
        Generated if None; stored in the group's attributes in either case.
    feature : str, optional
        Replicates of this feature alone, x (chain, draw, obs), for ``arviz.loo_pit`` and
        ``plot_loo_pit``. The other groups hold as many draws then, and observed_data the rows where
        the feature is observed. The whole row is left out. A few thousand replicates are needed.

    Returns
    -------
    xarray.DataTree
        With the group posterior_predictive: x (chain, draw, obs, feature), data units. Where rows
        have weights, it is x (chain, draw, copy, feature), with the row's name in the coordinate
        obs: a row whose weight is the whole number w stands for w rows, and has as many replicates.
        Of many rows that were left in a file, observed_data and the replicates are those that the
        result keeps.

    Raises
    ------
    ConfigError
        When `n` or `seed` is not a count; for an unknown feature, or one feature of rows with
        weights.
    ResourceError
        When the replicates would not fit in memory.

    Notes
    -----
    ``arviz.plot_ppc_dist`` reads this group and observed_data, but ignores weights.

    What is known of a row is kept in its replicates. The same cells are missing, and the others
    have its errors added. A row whose label is known comes from that class, one of several classes
    from these by their weights: the check is of the features given the labels.

    Compare observed cells only. Where whether a cell is missing depends on other cells, observed
    cells of the data are a choice that replicates do not repeat, and a difference alone is no sign
    against the model; features without missing cells are not affected.

    Examples
    --------
    >>> from bayesgmm.sampling import sample
    >>> tree = sample([[0.0], [1.0], [2.0], [4.0]], 1, draws=50, seed=1)
    >>> posterior_predictive(tree, 20, seed=1)["posterior_predictive"]["x"].shape
    (4, 5, 4, 1)
    """
    check_count("n", n)
    place = None if feature is None else _place(feature, posterior)
    seed = seed_of(seed)
    draws = with_kept_rows(draws_of(posterior))
    n_chains, n_draws = draws.shape
    kept = min(max(n // n_chains, 1), n_draws)
    size = (n_chains, kept, int(times_of(draws.table).sum()), len(draws.features))
    require_bytes(
        8 * math.prod(size),
        f"{n_chains * kept} replicates of {size[2]} rows",
        "ask for fewer data sets, thin the chains, or use simulate for some rows only",
    )
    table, owner = written_out(draws.table)
    position = np.linspace(0, n_draws - 1, kept).round().astype(np.int64)
    x = np.empty(size)
    children = np.random.SeedSequence(seed).spawn(n_chains * kept)
    for index, child in enumerate(children):
        chain, i = divmod(index, kept)
        samples = np.broadcast_to(chain * n_draws + position[i], len(table))
        child_rng = np.random.default_rng(child)
        x[chain, i] = _replicate(draws.parameters, samples, table, child_rng, draws.noise)
    coordinates = draws.tree["posterior"].to_dataset().coords
    along = "obs" if owner is None else "copy"
    group = xr.Dataset(
        {"x": (("chain", "draw", along, "feature"), x)},
        {
            "chain": coordinates["chain"].values,
            "draw": coordinates["draw"].values[position],
            "obs": (along, draws.obs if owner is None else draws.obs[owner]),
            "feature": list(draws.features),
        },
        {"seed": seed},
    )
    tree = draws.tree.copy()
    tree["observed_data"] = xr.DataTree(kept_rows(draws.tree))
    if place is not None:
        return _of_one(tree, group, position, place)
    tree["posterior_predictive"] = xr.DataTree(group)
    return tree


def _place(feature: str, posterior: xr.DataTree | Draws) -> int:
    draws = with_kept_rows(draws_of(posterior))
    check_one_of("feature", feature, draws.features)
    if times_of(draws.table).max() > 1 or weights_in(draws.tree) is not None:
        raise ConfigError(
            "replicates of one feature are those of rows that count once, and these have weights; "
            "leave feature out.",
            key="feature",
        )
    return draws.features.index(feature)


def _of_one(tree: xr.DataTree, group: xr.Dataset, position: IntArray, place: int) -> xr.DataTree:
    """Return the tree with one feature of the data and its replicates, and as many draws in all."""
    observed = tree["observed_data"].to_dataset()
    x = observed["x"].isel(feature=place, drop=True)
    seen = np.flatnonzero(~np.isnan(x.values))
    parts: dict[str, xr.Dataset] = {}
    for name, node in tree.children.items():
        found = node.to_dataset()
        parts[name] = found.isel(draw=position) if "draw" in found.dims else found
        if name == "log_likelihood":
            parts[name] = parts[name].isel(obs=seen)
    parts["observed_data"] = xr.Dataset({"x": x.isel(obs=seen)})
    parts["posterior_predictive"] = group.isel(feature=place, obs=seen, drop=True)
    new = xr.DataTree.from_dict(parts)
    new.attrs = dict(tree.attrs)
    return new


def _replicate(
    parameters: Parameters,
    samples: IntArray,
    table: RowTable,
    rng: np.random.Generator,
    noise: Noise | None,
) -> Array:
    """Draw rows (obs, feature), each like one of `table` in all that is known but its values."""
    if not isinstance(table, AnnotatedRows):
        return _rows_from(parameters, samples, rng, noise)[0]
    x, _ = _rows_from(parameters, samples, rng, noise, table.allowed)
    if table.errors is not None:
        x += table.errors * rng.standard_normal(x.shape)
    x[np.isnan(table.table)] = np.nan
    return x


def _rows_from(
    parameters: Parameters,
    samples: IntArray,
    rng: np.random.Generator,
    noise: Noise | None = None,
    allowed: BoolArray | None = None,
) -> tuple[Array, IntArray]:
    """Draw one row from each of the draws `samples`; return rows (obs, feature) and clusters.

    Row i comes from one of the clusters allowed[i], where these are given. The noise counts as one
    cluster more, to which rows may belong that are allowed all.
    """
    n, (n_components, n_features) = len(samples), parameters.means.shape[1:]
    normals = parameters.normals
    x, cluster = np.empty((n, n_features)), np.empty(n, dtype=np.int64)
    for start in range(0, n, CHUNK):
        part = slice(start, start + CHUNK)
        chosen = samples[part]
        weights = parameters.parts[chosen]
        if allowed is not None:
            free = [] if noise is None else [allowed[part].all(axis=1, keepdims=True)]
            weights = weights * np.hstack([allowed[part], *free])
        bounds = weights.cumsum(axis=1)
        if allowed is not None:
            bounds /= bounds[:, -1:]
        bounds[:, -1] = 1.0
        cluster[part] = (bounds <= rng.random((len(chosen), 1))).sum(axis=1)
        own = np.minimum(cluster[part], n_components - 1)  # those of the noise are drawn anew below
        if parameters.good_share is not None:
            wide = rng.random(len(chosen)) > parameters.good_share[chosen]
            own = own + n_components * wide
        n_normals = normals.means.shape[1]
        used, where = np.unique(chosen * n_normals + own, return_inverse=True)
        factors = np.linalg.cholesky(normals.covariances[np.divmod(used, n_normals)])
        gaps = (factors[where] @ rng.standard_normal((len(chosen), n_features, 1)))[..., 0]
        if parameters.nu is not None:
            nu = parameters.nu[chosen, own]
            gaps /= np.sqrt(rng.chisquare(nu) / nu)[:, None]
        x[part] = normals.means[chosen, own] + gaps
    if noise is not None:
        beside = np.flatnonzero(cluster == n_components)
        x[beside] = noise.draws(len(beside), rng)
    return x, cluster
