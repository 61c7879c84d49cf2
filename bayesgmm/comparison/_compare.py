"""Compare numbers of components and covariance structures: every criterion side by side."""

import logging
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from bayesgmm.arguments import check_between, check_count, check_one_of, seed_of
from bayesgmm.comparison.outcome import Comparison
from bayesgmm.comparison.parts import KeptPosteriors, Parts
from bayesgmm.comparison.table import table_of
from bayesgmm.data import (
    Dataset,
    as_dataset,
    check_components,
    check_labels,
    require_taken,
    require_whole_weights,
)
from bayesgmm.diagnosis import Diagnosis, Finding, RunStatus, diagnose
from bayesgmm.elpd import check_enough_draws, loo_with_refits, waic
from bayesgmm.errors import BayesGMMError, ConfigError, SamplingError, SamplingInterrupted
from bayesgmm.evidence import EvidenceRoutes, Evidences, evidences_of, extend
from bayesgmm.fit import fit_em
from bayesgmm.limits import MOST_REFITS, PARETO_K
from bayesgmm.model.several import ByModel, covariances_in, numbers_of, same_models
from bayesgmm.model.spec import Covariance, MixtureSpec, Priors
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.tree import with_attributes
from bayesgmm.runtime.interruption import carrying
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.runtime.seeds import integer, integers
from bayesgmm.sampling import sample
from bayesgmm.sampling.room import require_room

__all__ = ["compare"]

logger = logging.getLogger(__name__)


def compare(
    data: Any,
    n_components: int | Iterable[int] = range(1, 7),
    *,
    covariance: Covariance | Literal["all"] | Sequence[str] = "full",
    priors: Priors | None = None,
    resolution: Any = "auto",
    labels_inform_weights: bool = True,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    target_accept: float = 0.9,
    max_draws: int | None = None,
    cores: int | None = None,
    evidence: EvidenceRoutes = "both",
    seed: int | None = None,
    progress: bool = False,
    kept: KeptPosteriors | None = None,
) -> Comparison:
    """Fit, sample and compare mixtures of several numbers of components, and structures.

    Every number of components is compared with every structure; those that are the same model
    (full and tied with one component) stand once, under the first name given.

    Parameters
    ----------
    data : Dataset, array of shape (obs, feature) or frame
    n_components : int or iterable of int
    covariance : str or sequence of str
        One covariance structure of `MixtureSpec`, several, or "all"; mclust's names are taken too.
    priors : Priors, optional
    resolution : "auto", float or one a feature
        Recording step of the data; see `MixtureSpec`.
    labels_inform_weights : bool
        False where labelled rows were picked for their labels; see `MixtureSpec`.
    draws, tune, chains : int
    target_accept : float
        As in `sample`.
    max_draws : int, optional
        From a run with a bad verdict `extend` goes on, first for as many draws, then for twice as
        many each time, at most this number a chain; `draws` by default, that is once; 0 for never.
    cores : int, optional
    evidence : {"both", "bridge", "none"}
        By bridge sampling from the draws and, independently, by sequential Monte Carlo from the
        prior: the bridge is quoted where both agree within 3 errors, the other where the chains
        have a bad verdict, unless it lies more than 3 errors below the bridge; a K where they
        disagree, by more than 0.1 nats, gets no probability. "bridge" takes about
        half the time and leaves K with a bad verdict out; "none" gives no p(K).
    seed : int, optional
        Drawn when None; stored either way. The draws of a model do not depend on the others.
    progress : bool
        Show a progress bar for each model.
    kept : KeptPosteriors, optional
        Takes each posterior once its draws are made, and gives those of an earlier run: an object
        with the methods ``keep(model, posterior)``, which returns the posterior, and
        ``taken(model)``, which returns it or None.

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigError, DataError
        For a wrong spec or unusable data, before anything is fitted.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), Statistics and Computing 27:1413 (LOO, WAIC and the standard
    error of a difference); Yao et al. (2018), Bayesian Analysis 13:917 (stacking).

    Examples
    --------
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> comparison = compare(rows, [1, 2], draws=200, seed=1)
    >>> comparison.table["n_parameters"].tolist()
    [2, 5]
    >>> comparison.posteriors[2].posterior.weights.shape
    (4, 200, 2)
    >>> both = compare(rows, 2, covariance=["full", "tied"], draws=200, evidence="none", seed=1)
    >>> both.fits[MixtureSpec(2, "tied")].n_parameters
    4
    """
    check_one_of("evidence", evidence, get_args(EvidenceRoutes))
    dataset = as_dataset(data)
    require_whole_weights(dataset)
    require_taken("compare", dataset)
    check_labels(dataset, labels_inform_weights)
    draws, chains = check_count("draws", draws), check_count("chains", chains)
    check_enough_draws(draws * chains)
    most_draws = draws if max_draws is None else check_count("max_draws", max_draws, least=0)
    options: dict[str, Any] = {
        "tune": check_count("tune", tune),
        "chains": chains,
        "target_accept": check_between("target_accept", target_accept, 0.0, 1.0),
        "cores": cores,
    }
    others = {"resolution": resolution, "labels_inform_weights": labels_inform_weights}
    specs = _specs(dataset, n_components, covariance, priors or Priors(), others)
    same = same_models(specs, dataset.n_features)
    models = [spec for spec in specs if spec not in same]
    numbers = numbers_of(models)
    for spec in models:
        require_room(dataset, spec.n_components, draws=draws, tune=options["tune"], chains=chains)
    seed = seed_of(seed)
    seeds = {s: integers(np.random.SeedSequence([seed, s.n_components]), 4) for s in models}
    parts = Parts()
    for spec in models:
        with parts.attempt(spec, "the maximum likelihood fit"):
            parts.fits[spec] = fit_em(dataset, spec, seed=seeds[spec][0])
    options |= {"draws": draws, "limit": most_draws, "progress": progress, "kept": kept}
    for spec in models:
        start = time.perf_counter()
        with one_blas_thread(), carrying(ByModel(parts.posteriors), numbers.__getitem__):
            _sampled(parts, dataset, spec, evidence, seeds[spec], options)
        parts.seconds[spec] = time.perf_counter() - start
        logger.info("K = %s took %.1f s", numbers[spec], parts.seconds[spec])
    parts.raise_unless_finished()
    return Comparison(
        data=dataset,
        models=tuple(models),
        table=table_of(models, parts),
        elpds={name: ByModel(values, same) for name, values in parts.elpds.items()},
        fits=ByModel(parts.fits, same),
        posteriors=ByModel(parts.posteriors, same),
        verdicts=ByModel(parts.verdicts, same),
        seed=seed,
        failures=ByModel(parts.failures, same),
        same=same,
    )


def _sampled(
    parts: Parts,
    data: Dataset,
    spec: MixtureSpec,
    evidence: EvidenceRoutes,
    seeds: Sequence[int],
    options: dict[str, Any],
) -> None:
    """Draw from one model, and add the draws and all that follows from them to the parts."""
    _, for_draws, for_evidence, for_refits = seeds
    cores = options["cores"]
    with parts.attempt(spec, "sampling"):
        view, verdict = _drawn(data, spec, seed=for_draws, **options)
        parts.posteriors[spec], parts.verdicts[spec] = view.tree, verdict
        with parts.attempt(spec, "WAIC and LOO"):
            parts.elpds["waic"][spec] = waic(view.tree)
            parts.elpds["loo"][spec] = _loo(view, for_refits, cores)
        parts.evidences[spec] = evidences_of(
            view, evidence, converged=verdict.ok, seed=for_evidence, cores=cores
        )
        parts.verdicts[spec] = verdict = _with_evidence(verdict, parts.evidences[spec])
        parts.posteriors[spec] = with_attributes(view.tree, verdict=verdict.to_dict())


def _drawn(
    data: Dataset, spec: MixtureSpec, *, kept: KeptPosteriors | None, **options: Any
) -> tuple[Draws, Diagnosis]:
    """Return the draws that are kept of this model, or make them and keep them."""
    if kept is None:
        return _sample_until_good(data, spec, **options)
    tree = kept.taken(spec)
    if tree is None:
        tree = kept.keep(spec, _sample_until_good(data, spec, **options)[0].tree)
    view = Draws(tree)
    try:
        return view, diagnose(view)
    except KeyboardInterrupt as stop:
        raise SamplingInterrupted("interrupted after sampling.", partial=tree) from stop


def _loo(view: Draws, seed: int, cores: int | None) -> Any:
    """Return LOO with its unreliable rows mended, as far as they can be."""
    mend = partial(loo_with_refits, view, PARETO_K, seed=seed, cores=cores)
    try:
        return mend(max_refits=MOST_REFITS)
    except SamplingInterrupted:
        raise
    except BayesGMMError as error:
        logger.info("rows are not refitted: %s", error)
        return mend(max_refits=0)


def _with_evidence(verdict: Diagnosis, evidences: Evidences) -> Diagnosis:
    """Return the verdict with what is found where two independent evidences contradict."""
    sentence = evidences.contradiction
    if sentence is None:
        return verdict
    return verdict.with_finding(Finding(RunStatus.MODES_LEFT_OUT, sentence))


def _specs(
    data: Dataset,
    n_components: int | Iterable[int],
    covariance: Any,
    priors: Priors,
    others: dict[str, Any],
) -> list[MixtureSpec]:
    """Return every number of components with every structure, in the order of K."""
    several = isinstance(n_components, Iterable) and not isinstance(n_components, str)
    given: Any = n_components if several else [n_components]
    numbers = [check_count("n_components", k) for k in given]
    if not numbers or len(set(numbers)) < len(numbers):
        raise ConfigError(
            f"n_components must name at least one K and none twice, got {numbers!r:.80}.",
            key="n_components",
        )
    specs = [
        MixtureSpec(k, structure, priors, **others)
        for k in sorted(numbers)
        for structure in covariances_in(covariance)
    ]
    if by_cluster := priors.by_cluster:
        raise ConfigError(
            f"{by_cluster[0]} must not differ between clusters in compare, where it must serve "
            "every K: give one number or, but for the concentration, one a feature; sample and "
            "fit_map take priors of single clusters.",
            key=by_cluster[0],
        )
    for k in numbers:
        check_components(data, k)
    return specs


def _sample_until_good(
    data: Dataset, spec: MixtureSpec, draws: int, limit: int, seed: int, **options: Any
) -> tuple[Draws, Diagnosis]:
    """Sample, and while the verdict is bad go on from the run, each time twice as long."""
    view = Draws(sample(data, spec, draws=draws, seed=seed, **options))
    longer, seeds = draws, np.random.SeedSequence(seed)
    try:
        while not (verdict := diagnose(view)).ok and longer <= limit:
            status = verdict.status.value
            logger.info("K = %d: %s; %d more draws", spec.n_components, status, longer)
            try:
                view = Draws(extend(view, longer, seed=integer(seeds.spawn(1)[0])))
            except SamplingError as error:
                logger.info("K = %d stays as it is: %s", spec.n_components, error)
                break
            longer *= 2
    except KeyboardInterrupt as stop:
        raise SamplingInterrupted("interrupted after sampling.", partial=view.tree) from stop
    return view, verdict
