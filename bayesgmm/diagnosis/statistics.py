"""The statistics of a run: what the verdict is taken from, and shown with."""

import math
from typing import Any

import numpy as np
from arviz_stats.base import array_stats

from bayesgmm.labels import Allocations, Quantity, largest_share, modal_draw, stephens
from bayesgmm.model.parameters import permute
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.mcmc_error import ChainStatistics, r_hat
from bayesgmm.posterior.tree import attribute
from bayesgmm.typing import Array

__all__ = ["statistics_of"]


def statistics_of(
    draws: Draws, free: list[Quantity], own: list[Quantity], judged: dict[str, ChainStatistics]
) -> dict[str, Any]:
    """Return the statistics of a run as plain JSON, None where it has no such statistic.

    Parameters
    ----------
    draws : Draws
    free, own : list of Quantity
        What no label touches, and what belongs to clusters or is shared.
    judged : dict of str to ChainStatistics
        How well the run determines each.
    """
    posterior = draws.tree
    stats = posterior["sample_stats"].to_dataset()
    by_name = {q.name: q.values for q in free}
    log_likelihood = by_name["log_likelihood"]
    deepest = stats["maxdepth_reached"].values if "maxdepth_reached" in stats else None
    return _plain(
        {
            "chains": log_likelihood.shape[0],
            "draws": log_likelihood.shape[1],
            "n_clusters": draws.n_components,
            "log_likelihood": log_likelihood.mean(axis=1).tolist(),
            "label_free": {q.name: judged[q.name]._asdict() for q in free},
            "clusters": {q.name: judged[q.name]._asdict() for q in own},
            "r_hat_max_as_sampled": _r_hat_as_sampled(draws),
            "divergences": int(stats["diverging"].values.sum()) if "diverging" in stats else None,
            "max_depth_share": None if deepest is None else float(deepest.mean()),
            "e_fmi": _e_fmi(stats["energy"].values) if "energy" in stats else None,
            "importance": attribute(posterior, "importance"),
            "switched": _switched(draws),
            "identification": attribute(posterior, "identification"),
            "agreement": (attribute(posterior, "relabelling") or {}).get("agreement"),
            "occupied": float(by_name.get("occupied", np.ones(1)).mean()),
        }
    )


def _e_fmi(energy: Array) -> list[float]:
    """Return the energy fraction of each chain; NaN where the energy does not move."""
    moves = np.isfinite(energy).all(axis=1) & (np.ptp(energy, axis=1) > 0.0)
    values = np.full(len(energy), np.nan)
    if moves.any():
        values[moves] = array_stats.bfmi(energy[moves], chain_axis=0, draw_axis=1)
    return values.tolist()


def _r_hat_as_sampled(draws: Draws) -> float:
    """Return the largest R-hat of the means under the labels as sampled."""
    means = draws.parameters.means
    stats = draws.tree["sample_stats"].to_dataset()
    if "permutation" in stats:
        orders = stats["permutation"].values.reshape(draws.n_samples, -1)
        means = permute(means, orders.argsort(axis=1), 1)
    values = means.reshape(*draws.shape, -1)
    r_hats = [r_hat(values[..., i]) for i in range(values.shape[2])]
    return float(np.max(r_hats))  # NaN where a chain never moved


def _switched(draws: Draws) -> float | None:
    """Return the share of draws in other labels than most.

    None where they were relabelled, and where the model tells all labels apart.
    """
    if not draws.groups.exchangeable or attribute(draws.tree, "relabelling") is not None:
        return None
    return 1.0 - largest_share(stephens(Allocations(draws), modal_draw(draws.tree)))


def _plain(value: Any) -> Any:
    """Return JSON types: what is not finite becomes None."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
