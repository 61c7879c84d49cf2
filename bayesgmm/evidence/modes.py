"""Several modes that no chain crosses: their weights by evidence, and draws combined with these."""

import itertools
import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesgmm.advice import Advice, Option
from bayesgmm.arguments import seed_of
from bayesgmm.data.columns import in_percent
from bayesgmm.errors import SamplingError
from bayesgmm.evidence.bridge import bridge
from bayesgmm.evidence.proposal import Proposal, fit_proposal
from bayesgmm.evidence.shares import shares
from bayesgmm.labels import Mode, group_chains, relabel
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import IN_ANOTHER_MODE
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import attribute, with_attributes
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.seeds import integers
from bayesgmm.sampling.resampling import resample
from bayesgmm.typing import Array, IntArray

__all__ = ["WeighedMode", "WeighedModes", "combine_modes", "weigh_modes", "weighed_modes"]

_PROPOSED = 4000
_PROBES = 200


@dataclass(frozen=True)
class WeighedMode:
    """A mode, its evidence and its share of the posterior.

    Parameters
    ----------
    mode : Mode
        The chains that stayed in it, their log likelihood and weights.
    log_evidence, error : float
        Log of the integral of prior times likelihood over the mode, all its labellings counted,
        and its standard error; nats, data units.
    weight, weight_error : float
        Its share of the sum over the modes, and the share's standard error.

    Examples
    --------
    >>> mode = Mode((0, 1, 2), -1130.3, 1.6, (0.64, 0.36))
    >>> WeighedMode(mode, -1164.3, 0.01, weight=0.8, weight_error=0.01).weight
    0.8
    """

    mode: Mode
    log_evidence: float
    error: float
    weight: float
    weight_error: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**vars(self), "mode": self.mode.to_dict()}


@dataclass(frozen=True)
class WeighedModes:
    """All modes that the chains found.

    Parameters
    ----------
    modes : tuple of WeighedMode
        The highest log likelihood first.
    log_evidence, error : float
        Of all of them together; nats, data units.
    seed : int

    Examples
    --------
    >>> mode = WeighedMode(Mode((0,), -1130.3, 1.6, (0.64, 0.36)), -1164.3, 0.01, 1.0, 0.0)
    >>> WeighedModes((mode,), -1164.3, 0.01, seed=1).log_evidence
    -1164.3
    """

    modes: tuple[WeighedMode, ...]
    log_evidence: float
    error: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**vars(self), "modes": [mode.to_dict() for mode in self.modes]}

    def __str__(self) -> str:
        """Return one line a mode."""
        lines = []
        for number, weighed in enumerate(self.modes):
            chains = ", ".join(str(chain) for chain in weighed.mode.chains)
            lines.append(
                f"mode {number} (chains {chains}): weight {weighed.weight:.4f} +- "
                f"{weighed.weight_error:.4f}, log evidence {weighed.log_evidence:.3f} +- "
                f"{weighed.error:.3f}, log likelihood {weighed.mode.log_likelihood:.2f}"
            )
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class _Regions:
    """The space cut up by which mode's proposal, symmetric in the labels, is densest."""

    proposals: tuple[Proposal, ...]

    def of(self, points: Array) -> IntArray:
        """Return the mode in which each point (point, dim) lies."""
        return np.argmax([q.log_density(points) for q in self.proposals], axis=0)

    def hold(self, number: int, points: Array) -> NDArray[np.bool_]:
        """Say of each point whether it lies in that mode."""
        return self.of(points) == number


@keywords()
def combine_modes(posterior: xr.DataTree, *, seed: int | None = None) -> xr.DataTree:
    """Draw anew from the draws of all chains, each mode with the weight that is due to it.

    NUTS chains that never cross between modes visit each as often as chains were started there;
    `weigh_modes` says how much of the posterior each holds. Here every mode gives draws in that
    proportion, spread over all chains at random and in each chain in their old order, so that
    R-hat and effective sample sizes keep their meaning. Labels are undone anew.

    Parameters
    ----------
    posterior : xarray.DataTree
        As `bayesgmm.sample` returns it, with chains in several modes.
    seed : int, optional
        Of proposals and resampling; drawn and stored when None.

    Returns
    -------
    xarray.DataTree
        As many chains and draws as before. sample_stats ``mode`` (chain, draw) is the mode that a
        draw comes from; the attribute ``modes`` holds `WeighedModes.to_dict`. The energy, whose
        steps mean nothing any more, and a verdict are left out.

    Raises
    ------
    ConfigError, SamplingError
        As `weigh_modes`.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.sampling import sample
    >>> half = np.random.default_rng(1).normal(size=(45, 1)) + [[0], [0], [8]] * 15
    >>> tree = sample(np.concatenate([half, 16 - half]), 2, draws=300, seed=1)
    >>> combine_modes(tree, seed=1).posterior.weights.shape
    (4, 300, 2)
    """
    weighed = weigh_modes(posterior, seed=seed)
    sizes = posterior["posterior"].sizes
    n_chains, n_draws = sizes["chain"], sizes["draw"]
    rng = np.random.default_rng(np.random.SeedSequence(weighed.seed).spawn(1)[0])
    source, modes = _resampled(weighed, n_chains, n_draws, rng)
    tree = _taken(posterior, source)
    stats = tree["sample_stats"].to_dataset().drop_vars("energy", errors="ignore")
    tree["sample_stats"] = xr.DataTree(stats.assign(mode=(("chain", "draw"), modes)))
    tree = with_attributes(tree, modes=weighed.to_dict())
    tree.attrs.pop("verdict", None)
    method = (attribute(posterior, "relabelling") or {}).get("method")
    return tree if method is None else relabel(tree, method)


@keywords()
def weigh_modes(posterior: xr.DataTree, *, seed: int | None = None) -> WeighedModes:
    """Weigh the modes in which the chains stayed by their evidence.

    The evidence of a mode is a bridge whose proposal is fitted to that mode's draws and symmetric
    over all labellings that the prior does not tell apart, so that a mode that a permutation leaves
    unchanged is counted right. Modes are kept apart by which proposal is
    densest: each bridge covers its own region, and the regions together the whole space.

    Parameters
    ----------
    posterior : xarray.DataTree
        As `bayesgmm.sample` returns it.
    seed : int, optional

    Returns
    -------
    WeighedModes

    Raises
    ------
    ConfigError
        For the draws of a user's own model, or too few draws.
    SamplingError
        Where the modes cannot be told apart: all chains are in one; one chain visits two, or links
        others that lie apart; a proposal fitted in one mode puts more than 1 % of its mass in
        another.

    Notes
    -----
    Modes that no chain found have no weight: `sample(..., method="smc")` looks for them from the
    prior.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.sampling import sample
    >>> half = np.random.default_rng(1).normal(size=(45, 1)) + [[0], [0], [8]] * 15
    >>> tree = sample(np.concatenate([half, 16 - half]), 2, draws=300, seed=1)
    >>> len(weigh_modes(tree, seed=1).modes)
    2
    """
    view = Draws(posterior)
    return weighed_modes(view, group_chains(view), seed=seed)


def weighed_modes(view: Draws, modes: tuple[Mode, ...], *, seed: int | None = None) -> WeighedModes:
    """Weigh the modes that `group_chains` found as `weigh_modes` does."""
    seed = seed_of(seed)
    target, draws = view.target, view.coordinates
    _refuse_links(view.tree, modes)
    if len(modes) < 2:
        raise SamplingError(
            "the chains lie in one mode, so that there is nothing to combine; use the draws as "
            "they are.",
            n_modes=len(modes),
        )
    for_regions, *for_bridges = integers(np.random.SeedSequence(seed), 1 + len(modes))
    regions = _regions(target, draws, modes, for_regions)
    estimates = [
        bridge(target, draws[list(mode.chains)], for_bridge, partial(regions.hold, number))
        for number, (mode, for_bridge) in enumerate(zip(modes, for_bridges, strict=True))
    ]
    values, errors = np.array(estimates).T
    weights, weight_errors = shares(values, errors)
    columns = (values, errors, weights, weight_errors)
    return WeighedModes(
        modes=tuple(
            WeighedMode(mode, *numbers)
            for mode, *numbers in zip(modes, *(c.tolist() for c in columns), strict=True)
        ),
        log_evidence=float(logsumexp(values)),
        error=float(math.hypot(*(weights * errors))),
        seed=seed,
    )


def _refuse_links(posterior: xr.DataTree, modes: tuple[Mode, ...]) -> None:
    """Refuse a mode whose chains hang together only through others: one of those visits two."""
    n_draws = posterior["posterior"].sizes["draw"]
    posterior = posterior.drop_nodes("log_likelihood", errors="ignore")
    for mode in modes:
        for pair in itertools.combinations(mode.chains, 2):
            source = n_draws * np.array(pair)[:, None] + np.arange(n_draws)
            if len(group_chains(Draws(_taken(posterior, source)))) > 1:
                others = " or ".join(str(chain) for chain in mode.chains if chain not in pair)
                raise SamplingError(
                    Advice(
                        f"chains {pair[0]} and {pair[1]} lie apart, and chain {others} visits "
                        "both: modes between which a chain moves cannot be weighed one by one. "
                        "Sample longer, or with ",
                        Option("method", "smc"),
                        ".",
                    ),
                    chains=mode.chains,
                )


def _regions(target: LogPosterior, draws: Array, modes: tuple[Mode, ...], seed: int) -> _Regions:
    """Fit each mode's proposal and refuse those that reach into another's region."""
    rng = np.random.default_rng(seed)
    own = [draws[list(mode.chains)].reshape(-1, target.dim) for mode in modes]
    fits = [fit_proposal(target, points, seed) for points in own]
    proposed = [fit.draw(_PROPOSED, rng) for fit in fits]
    probes = np.concatenate([points[:: -(-len(points) // _PROBES)] for points in own + proposed])
    regions = _Regions(tuple(fit.symmetrised(target, probes) for fit in fits))
    for number, mode in enumerate(modes):
        for chain in mode.chains:
            share = (regions.of(draws[chain]) != number).mean()
            if share > IN_ANOTHER_MODE:
                raise SamplingError(
                    Advice(
                        f"chain {chain} has {in_percent(share, 1)} of its draws in another mode "
                        "than the chains with which it is grouped (at most "
                        f"{in_percent(IN_ANOTHER_MODE)}): modes between which a chain moves cannot "
                        "be weighed one by one. Sample longer, or with ",
                        Option("method", "smc"),
                        ".",
                    ),
                    chain=chain,
                    share=float(share),
                )
        share = (regions.of(proposed[number]) != number).mean()
        if share > IN_ANOTHER_MODE:
            raise SamplingError(
                Advice(
                    f"the modes overlap: a proposal fitted to chains {list(mode.chains)} puts "
                    f"{in_percent(share, 1)} of its mass in another mode (at most "
                    f"{in_percent(IN_ANOTHER_MODE)}). Sample with ",
                    Option("method", "smc"),
                    ", or take fewer components.",
                ),
                chains=mode.chains,
                share=float(share),
            )
    return regions


def _resampled(
    weighed: WeighedModes, n_chains: int, n_draws: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Return the position (chain x draw) and the mode of each new draw, both (chain, draw)."""
    size = n_chains * n_draws
    weights = np.array([mode.weight for mode in weighed.modes])
    modes = rng.permutation(resample(weights, size, rng))
    source = np.empty(size, dtype=np.int64)
    for number, weighed_mode in enumerate(weighed.modes):
        chains = np.array(weighed_mode.mode.chains)
        own = (chains[:, None] * n_draws + np.arange(n_draws)).ravel()
        here = np.flatnonzero(modes == number)
        steps = (rng.random() + np.arange(len(here))) * len(own) / max(len(here), 1)
        source[here] = own[steps.astype(np.int64)]
    return source.reshape(n_chains, n_draws), modes.reshape(n_chains, n_draws)


def _taken(posterior: xr.DataTree, source: IntArray) -> xr.DataTree:
    """Return the tree with each draw taken from a position in chains laid end to end."""
    n_draws = posterior["posterior"].sizes["draw"]
    dims = ("chain", "draw")
    numbers = {dim: np.arange(size) for dim, size in zip(dims, source.shape, strict=True)}
    index = {
        "chain": xr.DataArray(source // n_draws, dims=dims),
        "draw": xr.DataArray(source % n_draws, dims=dims),
    }
    groups = {}
    for name, node in posterior.children.items():
        group = node.to_dataset()
        if "chain" in group.dims:
            group = group.drop_vars(dims).isel(index).transpose(*dims, ...)
            group = group.assign_coords(numbers)
        groups[name] = group
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = dict(posterior.attrs)
    return tree
