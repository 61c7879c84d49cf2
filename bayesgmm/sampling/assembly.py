"""From raw draws to the DataTree."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayesgmm.data import Dataset
from bayesgmm.likelihood.annotated_rows import RowTable
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.rowwise import pointwise_log_likelihood
from bayesgmm.likelihood.streamed import StreamedPosterior
from bayesgmm.model.parameters import Parameters
from bayesgmm.posterior.tree import posterior_tree
from bayesgmm.sampling.nuts import ChainDraws
from bayesgmm.sampling.posterior_modes import PosteriorMode
from bayesgmm.sampling.stored_modes import GROUP, group_of_modes
from bayesgmm.typing import Array

__all__ = ["assemble"]

_PRIOR_NAMES = {
    "weights": "weights",
    "means": "means",
    "scales": "",  # what the structure calls them
    "pairs": "",
    "nu": "nu_free",
    "contamination": "contamination",
}
_OF_PARTS = "weights_of_parts"
_STEPS_PER_NAT = 2.0**30
_EXACT = 2.0**22  # above it a double has no digit below a step


def _round(log_likelihood: Array) -> None:
    """Round to 1e-9 nats in place: digits that say nothing would take half of a file."""
    for chain in log_likelihood:
        for start in range(0, len(chain), 64):
            part = chain[start : start + 64]
            small = np.abs(part) < _EXACT
            part[small] = np.rint(part[small] * _STEPS_PER_NAT) / _STEPS_PER_NAT


def _by_row(log_posterior: LogPosterior, parameters: Parameters, cores: int) -> Array:
    """Return the log likelihood of every row (sample, obs), nats, data units."""
    resolved = log_posterior.resolved

    def of(rows: RowTable) -> Array:
        frame, picked = (resolved.centre, resolved.unit), not resolved.spec.labels_inform_weights
        return pointwise_log_likelihood(parameters, rows, *frame, picked=picked, cores=cores)

    if not isinstance(log_posterior, StreamedPosterior):
        return of(log_posterior.rows)
    out, start = np.empty((len(parameters.weights), log_posterior.n_rows)), 0
    for chunk in log_posterior.stream.chunks():
        out[:, start : start + len(chunk)] = of(chunk)
        start += len(chunk)
    return out


def assemble(
    log_posterior: LogPosterior,
    drawn: ChainDraws,
    data: Dataset,
    *,
    keep_log_likelihood: bool,
    cores: int,
    attributes: dict[str, Any],
    modes: Sequence[PosteriorMode] = (),
) -> xr.DataTree:
    """Carry draws back to parameters and lay them out.

    Parameters
    ----------
    log_posterior : LogPosterior
    drawn : ChainDraws
    data : Dataset
    keep_log_likelihood : bool
        Whether the tree gets one value per row and draw, to 1e-9 nats.
    cores : int
    attributes : dict
        Plain JSON values.
    modes : sequence of PosteriorMode
        Those that a search found; they become a group of their own.
    """
    resolved = log_posterior.resolved
    shape = drawn.x.shape[:2]
    draws = np.ascontiguousarray(drawn.x.reshape(-1, log_posterior.dim))
    parameters = log_posterior.constrain(draws)
    terms = log_posterior.terms(draws, drawn.statistics["lp"].ravel())
    pointwise = None
    if keep_log_likelihood:
        pointwise = _by_row(log_posterior, parameters, cores).reshape(*shape, data.n_obs)
        _round(pointwise)

    def shaped(value: Array) -> Array:
        return value.reshape(*shape, *value.shape[1:])

    present = {"weights": resolved.n_parts > 1}
    present |= {name: name in log_posterior.slices for name in ("pairs", "nu", "contamination")}
    if resolved.structure.has_loadings:
        present["pairs"] = True
    names = {**_PRIOR_NAMES, **resolved.structure.prior_names}
    names |= {} if resolved.noise is None else {"weights": _OF_PARTS}
    return posterior_tree(
        parameters.each(shaped),
        {name: shaped(value) for name, value in log_posterior.free(draws).items()},
        data=data,
        resolved=resolved,
        log_likelihood=pointwise,
        log_prior={
            name: shaped(terms[key]) for key, name in names.items() if present.get(key, True)
        },
        sample_stats={
            **drawn.statistics,
            "lp": drawn.statistics["lp"] + log_posterior.value_shift,
            "log_likelihood": shaped(terms["log_likelihood"]),
        },
        attributes=attributes,
        further={GROUP: group_of_modes(log_posterior, modes)} if modes else {},
    )
