"""Go on from a run with moves that cross between its modes."""

import logging
import math
import warnings
from collections.abc import Sequence
from functools import partial
from threading import Event

import numpy as np
import xarray as xr

from bayesgmm.arguments import check_count, seed_of
from bayesgmm.data import Dataset, dataset_again
from bayesgmm.errors import ConfigError, DataWarning, SamplingError
from bayesgmm.evidence.bridge import log_ratios
from bayesgmm.evidence.drawn_anew import drawn_anew
from bayesgmm.evidence.missed_modes import missed_modes
from bayesgmm.evidence.proposal import Proposal, fit_proposal
from bayesgmm.labels import relabel
from bayesgmm.likelihood.annotated_rows import values_of
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.sweeps import sweep
from bayesgmm.posterior.draws import Draws, Posterior, view_of
from bayesgmm.posterior.kept_rows import keeps_some_only, require_its_rows
from bayesgmm.posterior.observed import annotations_in
from bayesgmm.posterior.tree import attribute, with_attributes
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.memory import require_bytes
from bayesgmm.runtime.parallel import available_cores, in_threads, one_blas_thread
from bayesgmm.runtime.seeds import drawn_integer
from bayesgmm.sampling.assembly import assemble
from bayesgmm.sampling.nuts import ChainDraws
from bayesgmm.sampling.permuting import permutation_matrix
from bayesgmm.sampling.posterior_modes import PosteriorMode, laplace_shares
from bayesgmm.sampling.stored_modes import GROUP, modes_of
from bayesgmm.typing import Array

__all__ = ["extend"]

logger = logging.getLogger(__name__)

_SWEEPS = 10
_JUMPS = 5
_MAX_STEPS = 8
_TARGET_ACCEPTANCE = 0.8
_TRIALS = 20
_PROBES = 1000
_BLOCK = 500
_TO_MODES = 0.3  # share of the jumps that lead to modes which the run does not visit
_MODES_APART = 10.0  # a mode's part of them is at least a tenth of an equal one


@keywords()
def extend(
    posterior: Posterior,
    draws: int | None = None,
    *,
    seed: int | None = None,
    rows: Dataset | None = None,
) -> xr.DataTree:
    """Go on from the last draws of a run with moves that cross between its modes.

    Gradients lead uphill, so that NUTS seldom crosses the valley between two modes, and once two
    labels have changed places its metric, learned in the old labelling, fits no more: it diverges.
    Here Gaussians are fitted to the run, and each chain goes on from its last draw with proposals
    drawn from them, accepted as Metropolis and Hastings say, between Gibbs sweeps, which need no
    metric and go where the Gaussians do not reach. Modes that are known and that the run does not
    visit have a Gaussian each, of the curvature there. The new draws stand for themselves: those to
    which the Gaussians were fitted are not kept.

    Parameters
    ----------
    posterior : xarray.DataTree
        As `bayesgmm.sample` returns it.
    draws : int, optional
        Of each chain; as many as the run has by default.
    seed : int, optional
        Generated if None; stored in either case.
    rows : Dataset, optional
        The rows that it was sampled from, where the result keeps some of many only: new proposals
        are then made at the modes that it holds, and nothing is searched for again.

    Returns
    -------
    xarray.DataTree
        As that of `bayesgmm.sample`, relabelled as the run was. The attribute ``extension`` holds
        draws, seed and the share of proposals accepted. What only NUTS has (divergences, tree
        depth, energy) is left out.

    Raises
    ------
    ConfigError
        For the draws of a user's own model, a wrong number of draws, or other rows.
    SamplingError
        When a chain is not finite, or the draws span fewer dimensions than the posterior has.

    Notes
    -----
    Both kinds of move treat all labellings alike: the proposal's density is symmetric over all of
    them that the prior does not tell apart, less the terms that count at none of its probes. A mode
    that no chain and no search found is reached by the sweeps only, that is seldom.

    References
    ----------
    Tierney (1994), Annals of Statistics 22:1701 (independence proposals, mixed with other moves);
    Diebolt and Robert (1994), JRSS B 56:363 (Gibbs sweeps of a mixture).

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.sampling import sample
    >>> rows = np.random.default_rng(1).normal(size=(60, 1)) + [[0], [6], [6]] * 20
    >>> tree = extend(sample(rows, 2, draws=100, seed=1), 200, seed=1)
    >>> tree.posterior.means.shape
    (4, 200, 2, 1)
    """
    view = view_of(posterior)
    if view.resolved is None:
        raise ConfigError(
            "extend goes on from draws of the built-in model, and these are of a user's own model; "
            "sample it again with more draws: sample(data, model=model, draws=...).",
            group="posterior",
        )
    if rows is not None:
        require_its_rows(view, rows)
        if keeps_some_only(view):
            n_draws = view.shape[1] if draws is None else check_count("draws", draws)
            return drawn_anew(view, rows, n_draws, seed_of(seed))
    target, run = view.target, view.coordinates
    modes = modes_of(view.tree, target)
    draws = run.shape[1] if draws is None else check_count("draws", draws)
    need = 4 * 8 * len(run) * draws * target.dim
    require_bytes(need, f"{draws} draws of {len(run)} chains", "go on by fewer, several times")
    broken = np.flatnonzero(~np.isfinite(run).all(axis=(1, 2)))
    if broken.size:
        raise SamplingError(
            f"chain {broken[0]} is not finite: there is no draw to go on from; sample again.",
            chain=int(broken[0]),
        )
    seed = seed_of(seed)
    rng = np.random.default_rng(seed)
    points, accepted = _walk(target, run, modes, draws, rng)
    logger.info("extended by %d draws, %.1f %% of jumps accepted", draws, 100.0 * accepted)
    return _laid_out(view, points, {"draws": draws, "seed": seed, "accepted": accepted})


def _walk(
    target: LogPosterior,
    run: Array,
    modes: list[PosteriorMode],
    n_draws: int,
    rng: np.random.Generator,
) -> tuple[Array, float]:
    """Return draws (chain, draw, dim) that follow a run's, and the share of jumps accepted."""
    n_chains, dim = len(run), target.dim
    visited = np.ascontiguousarray(run.reshape(-1, dim))
    labelling = _Labelling(target, visited)
    visited = labelling.fold(visited)
    fit = fit_proposal(target, visited, drawn_integer(rng))
    with one_blas_thread():
        fit = _with_modes(fit, labelling, missed_modes(target, modes, run))
    proposed = labelling.fold(fit.draw(_PROBES, rng))
    symmetric = fit.symmetrised(
        target, np.concatenate([visited[:: -(-len(visited) // _PROBES)], proposed])
    )
    states = np.empty((n_chains, _SWEEPS + 1, dim))
    states[:, -1] = run[:, -1]
    step = _tuned_step(target, states, rng)
    stop = Event()
    follow = partial(_chain, target, symmetric, fit, labelling, step, n_draws, stop)
    chains = list(in_threads(follow, states, rng.spawn(n_chains), stop=stop))
    accepted = sum(count for _, count in chains)
    return np.stack([draws for draws, _ in chains]), accepted / (n_draws * _JUMPS * n_chains)


def _with_modes(fit: Proposal, labelling: "_Labelling", modes: Sequence[PosteriorMode]) -> Proposal:
    """Add to Gaussians fitted to a run one at each mode that it does not visit."""
    if not modes:
        return fit
    shares = np.maximum(laplace_shares(modes), 1.0 / len(modes) / _MODES_APART)
    weights = _TO_MODES * shares / shares.sum()
    means = labelling.fold(np.stack([mode.x for mode in modes]))
    factors = np.stack([np.linalg.cholesky(np.linalg.inv(mode.precision)) for mode in modes])
    inverses = np.linalg.inv(factors)
    constants = np.log(weights) - 0.5 * means.shape[1] * math.log(2.0 * math.pi)
    constants -= np.log(np.einsum("gdd->gd", factors)).sum(axis=1)
    return Proposal(
        weights=np.concatenate([(1.0 - _TO_MODES) * fit.weights, weights]),
        means=np.concatenate([fit.means, means]),
        factors=np.concatenate([fit.factors, factors]),
        whitenings=np.concatenate([fit.whitenings, inverses]),
        shifts=np.concatenate([fit.shifts, np.einsum("gij,gj->gi", inverses, means)]),
        constants=np.concatenate([fit.constants + math.log(1.0 - _TO_MODES), constants]),
    )


def _chain(
    target: LogPosterior,
    symmetric: Proposal,
    fit: Proposal,
    labelling: "_Labelling",
    step: float,
    n_draws: int,
    stop: Event,
    state: Array,
    rng: np.random.Generator,
) -> tuple[Array, int]:
    """Return one chain's draws (draw, dim) after its state (sweep, dim), and its jumps accepted."""
    out, accepted = np.empty((n_draws, target.dim)), 0
    states = state[None]
    for first in range(0, n_draws, _BLOCK):
        size = (min(_BLOCK, n_draws - first), _JUMPS)
        jumps = labelling.fold(rng.permutation(fit.draw(size[0] * size[1], rng)))
        their_ratios = log_ratios(target, symmetric, jumps).reshape(size)
        jumps, thresholds = jumps.reshape(*size, -1), np.log(rng.random(size))
        for t in range(size[0]):
            if stop.is_set():
                return out, accepted
            _sweep(target, states, step, rng)
            states[:, -1] = labelling.fold(states[:, -1])
            ratio = log_ratios(target, symmetric, states[:, -1])[0]
            for j in range(_JUMPS):
                if thresholds[t, j] < their_ratios[t, j] - ratio:
                    states[0, -1], ratio = jumps[t, j], their_ratios[t, j]
                    accepted += 1
            out[first + t] = states[0, -1]
    return out, accepted


class _Labelling:
    """One labelling for every point: that in which its clusters lie nearest to a run's.

    It depends on the point's orbit only, and jumps are accepted by the density of orbits: of the
    symmetric proposal only the terms that count in this labelling are then needed.
    """

    def __init__(self, target: LogPosterior, draws: Array) -> None:
        self._target = target
        means = self._means(draws)
        self._centres, self._deviations = means.mean(axis=0), means.std(axis=0)
        if not self._deviations.all():
            raise SamplingError(
                "the chains do not move: there is nothing to continue; sample again."
            )
        self._matrices: dict[bytes, Array] = {}

    def fold(self, points: Array) -> Array:
        """Return points (point, dim) with their clusters in this labelling."""
        groups = self._target.resolved.groups
        if not groups.exchangeable:
            return points
        apart = (self._means(points)[:, :, None] - self._centres) / self._deviations
        scores = -(0.5 * apart**2 + np.log(self._deviations)).sum(axis=3)
        out, orders = points.copy(), groups.best_orders(scores)
        moved = (orders != np.arange(orders.shape[1])).any(axis=1)
        for i in np.flatnonzero(moved):
            key = orders[i].tobytes()
            if key not in self._matrices:
                self._matrices[key] = permutation_matrix(self._target, orders[i])
            out[i] = self._matrices[key] @ points[i]
        return out

    def _means(self, points: Array) -> Array:
        """Return the clusters' means (point, cluster, feature), fitting units."""
        means = points[:, self._target.slices["means"]]
        return means.reshape(len(points), self._target.resolved.n_components, -1)


def _tuned_step(target: LogPosterior, states: Array, rng: np.random.Generator) -> float:
    """Return a step size of the sweeps' Hamiltonian moves; the states move on."""
    step = 1.0
    for _ in range(_TRIALS):
        step *= float(np.exp(_sweep(target, states, step, rng) - _TARGET_ACCEPTANCE))
    return step


def _sweep(target: LogPosterior, states: Array, step: float, rng: np.random.Generator) -> float:
    """Move each chain of states (chain, state, dim) on; return the mean acceptance probability."""
    states[:, 0] = states[:, -1]
    return float(sweep(target, states, step, _MAX_STEPS, drawn_integer(rng)).mean())


def _laid_out(view: Draws, points: Array, extension: dict[str, float]) -> xr.DataTree:
    """Return draws (chain, draw, dim) as a tree like the run's."""
    posterior, target = view.tree, view.target
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # said when the rows were read
        labels = None if view.obs.dtype.kind in "iu" else tuple(map(str, view.obs))
        known = annotations_in(posterior["observed_data"].to_dataset())
        data = dataset_again(values_of(view.table), view.features, labels, known)
    kept = {name: attribute(posterior, name) for name in ("seed", "sampler", "status", "data")}
    tree = assemble(
        target,
        ChainDraws(points, {"lp": target.log_densities(points)}, interrupted=False),
        data,
        keep_log_likelihood="log_likelihood" in posterior,
        cores=available_cores(),
        attributes={"extension": extension},
    )
    tree = with_attributes(tree, **{**kept, "status": "complete"})
    if GROUP in posterior:
        tree[GROUP] = posterior[GROUP]
    method = (attribute(posterior, "relabelling") or {}).get("method")
    raw = attribute(posterior, "relabelling") is None
    return tree if raw else relabel(tree, method or "stephens")
