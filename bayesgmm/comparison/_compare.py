"""Compare the number of components: every criterion side by side, for one model."""

import logging
import time
from collections.abc import Iterable
from functools import partial
from typing import Any, get_args

import numpy as np
import xarray as xr

from bayesgmm.arguments import check_between, check_count, check_one_of, seed_of
from bayesgmm.comparison.outcome import Comparison
from bayesgmm.comparison.parts import Parts
from bayesgmm.comparison.table import table_of
from bayesgmm.data import Dataset, as_dataset, check_components
from bayesgmm.diagnosis import Diagnosis, Finding, RunStatus, diagnose
from bayesgmm.elpd import check_enough_draws, loo_with_refits, waic
from bayesgmm.errors import BayesGMMError, ConfigError, SamplingError, SamplingInterrupted
from bayesgmm.evidence import EvidenceRoutes, Evidences, evidences_of
from bayesgmm.evidence._extend import extend
from bayesgmm.fit import fit_em
from bayesgmm.limits import MOST_REFITS, PARETO_K
from bayesgmm.model.spec import Covariance, MixtureSpec, Priors
from bayesgmm.posterior.tree import with_attributes
from bayesgmm.runtime.interruption import carrying
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.runtime.seeds import integer, integers
from bayesgmm.sampling import sample

__all__ = ["compare"]

logger = logging.getLogger(__name__)


def compare(
    data: Any,
    n_components: int | Iterable[int] = range(1, 7),
    *,
    covariance: Covariance = "full",
    priors: Priors | None = None,
    resolution: Any = "auto",
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    target_accept: float = 0.9,
    max_draws: int | None = None,
    cores: int | None = None,
    evidence: EvidenceRoutes = "both",
    seed: int | None = None,
    progress: bool = False,
) -> Comparison:
    """Fit, sample and compare one mixture for several numbers of components.

    Parameters
    ----------
    data : Dataset, array of shape (obs, feature) or frame
    n_components : iterable of int
    covariance : str
        A structure of `MixtureSpec`, or mclust's name of one.
    priors : Priors, optional
    resolution : "auto", float or one a feature
        Recording step of the data; see `MixtureSpec`.
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
        Drawn when None; stored either way. The draws of one K do not depend on the others.
    progress : bool
        Show a progress bar for each K.

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
    """
    check_one_of("evidence", evidence, get_args(EvidenceRoutes))
    dataset = as_dataset(data)
    draws, chains = check_count("draws", draws), check_count("chains", chains)
    check_enough_draws(draws * chains)
    most_draws = draws if max_draws is None else check_count("max_draws", max_draws, least=0)
    options = {
        "tune": check_count("tune", tune),
        "chains": chains,
        "target_accept": check_between("target_accept", target_accept, 0.0, 1.0),
        "cores": cores,
    }
    specs = _specs(dataset, n_components, covariance, priors or Priors(), resolution)
    seed = seed_of(seed)
    seeds = {k: integers(np.random.SeedSequence([seed, k]), 4) for k in specs}
    parts = Parts()
    for k, spec in specs.items():
        with parts.attempt(k, "the maximum likelihood fit"):
            parts.fits[k] = fit_em(dataset, spec, seed=seeds[k][0])
    for k, spec in specs.items():
        start = time.perf_counter()
        _, for_draws, for_evidence, for_refits = seeds[k]
        with one_blas_thread(), carrying(parts.posteriors), parts.attempt(k, "sampling"):
            tree, verdict = _sample_until_good(
                dataset, spec, draws, most_draws, seed=for_draws, progress=progress, **options
            )
            parts.posteriors[k], parts.verdicts[k] = tree, verdict
            with parts.attempt(k, "WAIC and LOO"):
                parts.elpds["waic"][k] = waic(tree)
                parts.elpds["loo"][k] = _loo(tree, for_refits, cores)
            parts.evidences[k] = evidences_of(
                tree, evidence, converged=verdict.ok, seed=for_evidence, cores=cores
            )
            parts.verdicts[k] = verdict = _with_evidence(verdict, parts.evidences[k])
            parts.posteriors[k] = with_attributes(tree, verdict=verdict.to_dict())
        parts.seconds[k] = time.perf_counter() - start
        logger.info("K = %d took %.1f s", k, parts.seconds[k])
    parts.raise_unless_finished()
    return Comparison(
        data=dataset,
        table=table_of(specs, parts),
        elpds=parts.elpds,
        fits=parts.fits,
        posteriors=parts.posteriors,
        verdicts=parts.verdicts,
        seed=seed,
        failures=parts.failures,
    )


def _loo(posterior: xr.DataTree, seed: int, cores: int | None) -> Any:
    """Return LOO with its unreliable rows mended, as far as they can be."""
    mend = partial(loo_with_refits, posterior, PARETO_K, seed=seed, cores=cores)
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
    covariance: Covariance,
    priors: Priors,
    resolution: Any,
) -> dict[int, MixtureSpec]:
    several = isinstance(n_components, Iterable) and not isinstance(n_components, str)
    given: Any = n_components if several else [n_components]
    numbers = [check_count("n_components", k) for k in given]
    if not numbers or len(set(numbers)) < len(numbers):
        raise ConfigError(
            f"n_components must name at least one K and none twice, got {numbers!r:.80}.",
            key="n_components",
        )
    specs = {k: MixtureSpec(k, covariance, priors, resolution) for k in sorted(numbers)}
    if by_cluster := priors.by_cluster:
        raise ConfigError(
            f"{by_cluster[0]} must not differ between clusters in compare, where it must serve "
            "every K: give one number or, but for the concentration, one a feature; sample and "
            "fit_map take priors of single clusters.",
            key=by_cluster[0],
        )
    for k in specs:
        check_components(data, k)
    return specs


def _sample_until_good(
    data: Dataset, spec: MixtureSpec, draws: int, limit: int, seed: int, **options: Any
) -> tuple[xr.DataTree, Diagnosis]:
    """Sample, and while the verdict is bad go on from the run, each time twice as long."""
    tree = sample(data, spec, draws=draws, seed=seed, **options)
    longer, seeds = draws, np.random.SeedSequence(seed)
    try:
        while not (verdict := diagnose(tree)).ok and longer <= limit:
            status = verdict.status.value
            logger.info("K = %d: %s; %d more draws", spec.n_components, status, longer)
            try:
                tree = extend(tree, longer, seed=integer(seeds.spawn(1)[0]))
            except SamplingError as error:
                logger.info("K = %d stays as it is: %s", spec.n_components, error)
                break
            longer *= 2
    except KeyboardInterrupt as stop:
        raise SamplingInterrupted("interrupted after sampling.", partial=tree) from stop
    return tree, verdict
