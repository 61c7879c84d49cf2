"""Draw from the posterior of a mixture."""

import logging
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import xarray as xr

from bayesgmm import labels
from bayesgmm.advice import Advice, Option
from bayesgmm.arguments import check_count, check_flag, check_one_of, seed_of
from bayesgmm.data import (
    AT_MODES,
    OWN_MODEL,
    SMC,
    Dataset,
    as_dataset,
    check_components,
    require_taken,
    require_whole_weights,
)
from bayesgmm.errors import (
    ConfigError,
    DataWarning,
    SamplingError,
    SamplingInterrupted,
)
from bayesgmm.likelihood.engines import check_engine, require_batches
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.streamed import posterior_of
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import Covariance, MixtureSpec, as_spec
from bayesgmm.posterior.tree import attribute
from bayesgmm.runtime.arithmetic import sound_arithmetic
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.progress import Progress, check_progress
from bayesgmm.sampling.assembly import assemble
from bayesgmm.sampling.importance import IMPORTANCE
from bayesgmm.sampling.methods import METHODS, drawn_by
from bayesgmm.sampling.nuts import ChainDraws, ChainSettings
from bayesgmm.sampling.posterior_modes import PosteriorMode
from bayesgmm.sampling.pseudo_posterior import adjusted, surveyed
from bayesgmm.sampling.room import require_room, require_streamed
from bayesgmm.sampling.user_model import refuse_beside_model, sample_user_model
from bayesgmm.typing import Engine

__all__ = ["sample"]

logger = logging.getLogger(__name__)

Relabelling = Literal["stephens", "ecr", "pivot"]
_OF_LIKELIHOODS = {"smc": SMC, "importance": AT_MODES}


@keywords()
def sample(
    data: Any,
    spec: MixtureSpec | int | None = None,
    *,
    covariance: Covariance | None = None,
    columns: Sequence[str] | None = None,
    cluster_names: Sequence[str] | None = None,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    seed: int | None = None,
    target_accept: float = 0.9,
    cores: int | None = None,
    method: Literal["auto", "nuts", "smc", "importance"] = "auto",
    relabel: Literal["stephens", "ecr", "pivot"] | None = "stephens",
    model: Any = None,
    cluster_variables: Sequence[str] = (),
    log_likelihood: bool = True,
    progress: bool | Progress = False,
    engine: Literal["compiled", "jax"] = "compiled",
) -> xr.DataTree:
    """Draw from the posterior of a Gaussian mixture, labels summed out.

    Under the weights of a survey the draws are those of the pseudo-posterior, whose likelihood is
    weighted, moved so that they have the variance of its maximum over samples of that design
    (Williams and Savitsky 2021). Rows count as drawn independently: strata and clusters of the
    design are not known here.

    Parameters
    ----------
    data : Dataset, array of shape (obs, feature) or frame
    spec : MixtureSpec or int
        The model; an integer is the number of components of the default spec. None with `model=`.
    covariance : str, optional
        The covariance structure beside a number of components; "full" by default.
    columns : sequence of str, optional
        The features among the columns of `data`, in this order; all by default.
    cluster_names : sequence of str, optional
        What to call the clusters, in the order of their numbers.
    draws, tune : int
        Posterior draws and warm-up draws per chain.
    chains : int
        Number of chains. One starts at each mode that holds at least 1 % of the posterior, the
        largest first; the others are distributed in proportion to the modes' mass.
    seed : int, optional
        Generated if None; stored in either case. The same seed gives the same draws for any
        `cores`.
    target_accept : float
        Mean acceptance probability of NUTS.
    cores : int, optional
        Chains that run in parallel; by default as many as there are cores.
    method : {"auto", "nuts", "smc", "importance"}
        "nuts": the No-U-Turn sampler of nutpie on the fused density. "smc": tempered sequential
        Monte Carlo from the prior, which crosses modes; ``chains`` independent runs of ``draws``
        particles. "importance": independent proposals at the modes, corrected exactly by their
        weights; nothing is tuned, and `log_evidence` has its value from the same draws. "auto":
        importance sampling from 10,000 rows on where its weights bear it, else NUTS; the log says
        which, and why.
    relabel : {"stephens", "ecr", "pivot"} or None
        How label switching is undone; None leaves the labels as sampled, which the weights of a
        survey do not allow.
    model : pymc.Model, optional
        Sample this model instead; it needs weights, means, covariances and x with our dims. Its
        labels are kept unless an exchange of two clusters leaves log prior and log likelihood as
        they are. spec, method and a callable progress are refused beside it.
    cluster_variables : sequence of str
        Variables of `model` that belong to clusters though they lack the dim cluster. Those that
        are seen to move with the clusters need not be named.
    log_likelihood : bool
        Whether to keep the log likelihood of every row and draw (8 bytes each, to 1e-9 nats),
        which `loo` and `waic` need.
    progress : bool or callable of (chain, done, total)
        True shows a progress bar of the terminal or the notebook.
    engine : {"compiled", "jax"}
        What goes through the rows in importance sampling: "jax" does on JAX's device, with
        ``method="importance"`` and complete rows of Gaussians only.

    Returns
    -------
    xarray.DataTree
        Groups posterior, log_likelihood, log_prior, sample_stats, observed_data, constant_data,
        and posterior_modes: the modes that a search before sampling and climbs from some draws
        found, with what each holds by Laplace's approximation.

    Raises
    ------
    ConfigError, DataError
        For a wrong spec or unusable data.
    ResourceError
        When the result would not fit in memory.
    SamplingError
        When no chain can start; under the weights of a survey, where the draws have several modes
        or labels that are not sure.
    SamplingInterrupted
        After Ctrl-C; carries the draws made as ``partial``.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(1).normal(size=(60, 1)) + [[0], [6], [6]] * 20
    >>> tree = sample(rows, 2, draws=50, tune=200, seed=1)
    >>> tree.posterior.means.shape
    (4, 50, 2, 1)
    """
    dataset = as_dataset(data, columns)
    _check_method(method, engine, dataset, own_model=model is not None)
    seed, chains = seed_of(seed), check_count("chains", chains)
    settings = ChainSettings.checked(draws, tune, target_accept, cores)
    _check_options(relabel, log_likelihood, progress)
    make_room = partial(
        require_room,
        dataset,
        draws=settings.draws,
        tune=settings.tune if method in ("auto", "nuts") else 0,
        chains=chains,
        log_likelihood=log_likelihood,
    )
    sampler = {"method": "nuts", "chains": chains, **vars(settings)}
    attributes: dict[str, Any] = {"seed": seed, "sampler": sampler}
    if model is not None:
        refuse_beside_model(spec, covariance, method, progress)
        make_room(1)
        tree = sample_user_model(
            model,
            dataset,
            settings,
            chains=chains,
            seed=seed,
            progress=progress is True,
            keep_log_likelihood=log_likelihood,
            cluster_variables=cluster_variables,
            attributes=attributes,
        )
        return tree if relabel is None else labels.relabel(tree, relabel)
    spec = _required(spec, covariance)
    log_posterior = _log_posterior_of(dataset, spec, engine, relabel, cluster_names)
    make_room(spec.n_components)
    _warn_of_ties(log_posterior.resolved, dataset)
    with sound_arithmetic(SamplingError):
        plan = log_posterior, dataset, settings, chains, seed, progress
        found = drawn_by(method, *plan, engine)
    drawn, modes, sampler["method"] = found.drawn, found.modes, found.method
    if found.facts is not None:
        attributes[IMPORTANCE] = found.facts
        sampler |= {"chosen": "auto"} if method == "auto" else {}
    attributes["status"] = "interrupted" if drawn.interrupted else "complete"
    assembled = partial(
        assemble, log_posterior, data=dataset, cores=settings.cores, attributes=attributes
    )
    tree = _finished(log_posterior, drawn, dataset, modes, relabel, log_likelihood, assembled)
    if drawn.interrupted:
        raise _interruption(tree, settings.draws, chains)
    return tree


def _check_method(method: Any, engine: Any, data: Dataset, *, own_model: bool) -> None:
    """Refuse an unknown method or engine, and rows with which it can do nothing."""
    check_one_of("method", method, METHODS)
    require_batches(engine, method)
    verb = OWN_MODEL if own_model else _OF_LIKELIHOODS.get(method)
    if verb is not None:
        require_taken(verb, data)
    require_streamed(method, data, own_model=own_model)


def _check_options(relabel: Any, log_likelihood: Any, progress: Any) -> None:
    check_one_of("relabel", relabel, (*labels.METHODS, None))
    check_flag("log_likelihood", log_likelihood)
    check_progress(progress)


def _finished(
    log_posterior: LogPosterior,
    drawn: ChainDraws,
    data: Dataset,
    modes: list[PosteriorMode],
    relabel: Relabelling | None,
    log_likelihood: bool,
    assembled: Callable[..., xr.DataTree],
) -> xr.DataTree:
    """Lay draws out, relabel them, and adjust them to the design of a survey."""
    if not surveyed(data):
        tree = assembled(drawn, keep_log_likelihood=log_likelihood, modes=modes)
        return _relabelled(tree, relabel)
    raw = _relabelled(assembled(drawn, keep_log_likelihood=False), relabel)
    finish = partial(assembled, keep_log_likelihood=log_likelihood)
    return adjusted(log_posterior, raw, drawn, modes, finish)


def _relabelled(tree: xr.DataTree, method: Relabelling | None) -> xr.DataTree:
    """Relabel a run; when that is interrupted, the draws are handed over as they were sampled."""
    if method is None:
        return tree
    try:
        return labels.relabel(tree, method)
    except KeyboardInterrupt as stop:
        if attribute(tree, "status") == "interrupted":  # pressed for the second time
            raise
        raise SamplingInterrupted(
            "interrupted after the last draw; all draws, labels as sampled, are in the error's "
            ".partial.",
            partial=tree,
        ) from stop


def _interruption(tree: xr.DataTree, draws: int, chains: int) -> SamplingInterrupted:
    sizes = tree["posterior"].sizes
    return SamplingInterrupted(
        f"sampling was interrupted after {sizes['draw']} of {draws} draws in "
        f"{sizes['chain']} of {chains} chains; they are in the error's .partial.",
        partial=tree,
    )


def _log_posterior_of(
    data: Dataset,
    spec: MixtureSpec,
    engine: Engine,
    relabel: str | None,
    names: Sequence[str] | None,
) -> LogPosterior:
    """Return the log posterior of rows that it can be sampled for, by this engine."""
    check_engine(engine, data, spec)
    if surveyed(data) and relabel is None:
        raise ConfigError(
            "with a survey's weights draws are relabelled before they are adjusted: relabel must "
            "be 'stephens', 'ecr' or 'pivot', got None.",
            key="relabel",
        )
    check_components(data, spec.n_components, correlated=spec.has_correlations)
    require_whole_weights(data)
    return posterior_of(resolve(spec, data, names=names), data)


def _required(spec: MixtureSpec | int | None, covariance: Covariance | None) -> MixtureSpec:
    if spec is None:
        raise ConfigError(
            "sample needs a spec (a number of components or a MixtureSpec) or model=."
        )
    return as_spec(spec, covariance)


def _warn_of_ties(resolved: ResolvedSpec, data: Dataset) -> None:
    """Say what a posterior on tied data means when the recording error is left out."""
    tied = [
        name
        for name, gap, h in zip(
            data.features, data.smallest_gaps(), resolved.resolution, strict=True
        )
        if gap > 0.0 and h == 0.0
    ]
    if tied and resolved.n_components > 1:
        warnings.warn(
            Advice(
                f"columns {', '.join(map(repr, tied))} hold ties and resolution is 0: the density "
                "has poles there, and the draws are those of the regular modes only; ",
                Option("resolution", "auto"),
                " models the recording error.",
            ),
            DataWarning,
            stacklevel=3,
        )
