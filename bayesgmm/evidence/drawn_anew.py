"""More draws of many rows that a result does not keep: new proposals at the modes that it holds."""

import numpy as np
import xarray as xr

from bayesgmm.data import Dataset
from bayesgmm.errors import SamplingError
from bayesgmm.labels import relabel
from bayesgmm.likelihood.streamed import posterior_of
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import attribute, with_attributes
from bayesgmm.runtime.arithmetic import sound_arithmetic
from bayesgmm.runtime.parallel import available_cores
from bayesgmm.sampling.assembly import assemble
from bayesgmm.sampling.importance import IMPORTANCE, draw_at_modes
from bayesgmm.sampling.stored_modes import modes_of

__all__ = ["drawn_anew"]


def drawn_anew(view: Draws, data: Dataset, draws: int, seed: int) -> xr.DataTree:
    """Return as many draws per chain by importance sampling at the modes of a result.

    Parameters
    ----------
    view : Draws
        Of the built-in model.
    data : Dataset
        Its rows.
    draws, seed : int
        Draws of each chain.
    """
    assert view.resolved is not None  # the caller has refused a user's own model
    target = posterior_of(view.resolved, data)
    with sound_arithmetic(SamplingError):
        modes = modes_of(view.tree, target)
        run = draw_at_modes(
            target, modes, draws=draws, chains=view.shape[0], seed=np.random.SeedSequence(seed)
        )
    kept = {name: attribute(view.tree, name) for name in ("seed", "sampler", "data")}
    extension = {"draws": draws, "seed": seed, "accepted": run.acceptance}
    tree = assemble(
        target,
        run.drawn,
        data,
        keep_log_likelihood="log_likelihood" in view.tree,
        cores=available_cores(),
        attributes={"extension": extension, IMPORTANCE: run.facts, "status": "complete"},
        modes=modes,
    )
    tree = with_attributes(tree, **kept)
    relabelled = attribute(view.tree, "relabelling")
    return tree if relabelled is None else relabel(tree, relabelled.get("method") or "stephens")
