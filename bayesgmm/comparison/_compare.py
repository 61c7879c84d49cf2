"""Compare numbers of components and covariance structures: every criterion side by side."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from bayesgmm.arguments import (
    check_between,
    check_count,
    check_flag,
    check_instance,
    check_one_of,
    seed_of,
)
from bayesgmm.comparison.drawing import drawn
from bayesgmm.comparison.outcome import Comparison
from bayesgmm.comparison.parts import KeptPosteriors, Parts
from bayesgmm.comparison.requirements import check_engines, check_executor, comparable_rows
from bayesgmm.comparison.scan import Counts, Scan, scan_of
from bayesgmm.comparison.screening import screened
from bayesgmm.comparison.table import table_of
from bayesgmm.data import Dataset
from bayesgmm.diagnosis import Diagnosis, Finding, RunStatus
from bayesgmm.elpd import check_enough_draws, waic_and_loo
from bayesgmm.evidence import EvidenceRoutes, Evidences, evidences_of
from bayesgmm.fit import fit_em
from bayesgmm.likelihood.ahead import compile_ahead
from bayesgmm.likelihood.streamed import is_streamed
from bayesgmm.model.several import (
    ByModel,
    families_in,
    is_all,
    numbers_of,
    same_models,
    structures_in,
)
from bayesgmm.model.spec import Covariance, Family, MixtureSpec, Priors
from bayesgmm.posterior.kept_rows import with_kept_rows
from bayesgmm.posterior.tree import with_attributes
from bayesgmm.prediction import density_modes, merge_components
from bayesgmm.runtime.interruption import carrying
from bayesgmm.runtime.keywords import keywords
from bayesgmm.runtime.parallel import one_blas_thread
from bayesgmm.runtime.progress import check_progress
from bayesgmm.runtime.seeds import integers
from bayesgmm.sampling import METHODS

__all__ = ["compare"]

logger = logging.getLogger(__name__)

_COUNTED = 100  # draws in which modes and groups are counted


class _Plan(NamedTuple):
    """How every model of a comparison is sampled."""

    seed: int
    evidence: EvidenceRoutes
    log_likelihood: bool
    options: dict[str, Any]
    numbers: Mapping[MixtureSpec, str]


@keywords()
def compare(
    data: Any,
    n_components: Counts = range(1, 7),
    *,
    covariance: Covariance | Literal["all"] | Sequence[str] = "full",
    n_factors: int | Sequence[int] | None = None,
    family: Family | Sequence[str] = "normal",
    nu: Literal["shared", "own"] | float = "shared",
    noise: Literal["uniform"] | Sequence[str | None] | None = None,
    priors: Priors | None = None,
    resolution: Any = "auto",
    labels_inform_weights: bool = True,
    columns: Sequence[str] | None = None,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    target_accept: float = 0.9,
    method: Literal["auto", "nuts", "smc", "importance"] = "auto",
    max_draws: int | None = None,
    cores: int | None = None,
    evidence: EvidenceRoutes = "both",
    log_likelihood: bool = True,
    seed: int | None = None,
    progress: bool = False,
    kept: KeptPosteriors | None = None,
    executor: Any = None,
    engine: Literal["compiled", "jax"] = "compiled",
) -> Comparison:
    """Fit, sample and compare mixtures of several numbers of components, structures and families.

    Every number of components is compared with every structure and family; those that are the same
    model (full and tied with one component) stand once, under the first name given. Probabilities
    are over all of them, each as probable as any other beforehand.

    Parameters
    ----------
    data : Dataset, array of shape (obs, feature) or frame
    n_components : int, iterable of int or "auto"
        "auto" goes on from K = 1 until the probability of all larger K, were p(K) to fall on as it
        last did, is below 1 %, or LOO has fallen twice in a row; to K = 12 at most.
    covariance : str or sequence of str
        One covariance structure of `MixtureSpec`, or several; mclust's names are taken too. "all"
        stands for those without factors, and ``["all", "factor"]`` for these and one with: they
        are first screened, by BIC of every K, structure, number of factors and family. Draws
        are made of the best five models alone, and `Comparison.screening` holds the whole table.
        With "auto" K then goes as far as it may.
    family : str or sequence of str
        One or several of "normal", "t" and "contaminated": Gaussians, components with the tails of
        Student's t, or two Gaussians about one mean.
    n_factors : int, sequence of int or None
        Numbers of factors of the structures that have any ("factor"), each compared.
    nu : "shared", "own" or float
        Degrees of freedom of t; see `MixtureSpec`.
    noise : "uniform", None or a sequence of these
        Whether rows may belong to no cluster; [None, "uniform"] compares both.
    priors : Priors, optional
    resolution : "auto", float or one per feature
        Recording step of the data; see `MixtureSpec`.
    labels_inform_weights : bool
        False where labelled rows were selected for their labels; see `MixtureSpec`.
    columns : sequence of str, optional
        The features among the columns of `data`, in this order; all by default.
    draws, tune, chains : int
    target_accept : float
    method : {"auto", "nuts", "smc", "importance"}
        As in `sample`.
    max_draws : int, optional
        A run that did not pass the convergence checks is extended, first by as many draws, then by
        twice as many each time, up to this number per chain; `draws` by default, that is once; 0
        for never. With importance sampling, twice as many proposals are made anew.
    cores : int, optional
    evidence : {"both", "bridge", "none"}
        By bridge sampling from the draws and, independently, by sequential Monte Carlo from the
        prior: the bridge is quoted where both agree within 3 errors, the other where the chains
        did not pass the convergence checks, unless it lies more than 3 errors below the bridge; a
        K where they disagree by more than 0.1 nats gets no probability. "bridge" takes about half
        the time and leaves out a K that did not pass; "none" gives no p(K).
    log_likelihood : bool
        False leaves the log likelihood of every row and draw out of the posteriors once WAIC and
        LOO are computed: most of their size where rows are many.
    seed : int, optional
        Generated if None; stored in either case. The draws of a model do not depend on the others.
    progress : bool
        Show a progress bar for each model.
    kept : KeptPosteriors, optional
        Takes each posterior once its draws are made, and gives those of an earlier run: an object
        with the methods ``keep(model, posterior)``, which returns the posterior, and
        ``taken(model)``, which returns it or None.
    executor : Executor or distributed.Client, optional
        A pool of Python's futures, or the client of Dask, where models are fitted and sampled,
        several at a time, with the same results; one after another in this process by default.
        "auto" sends the models of one K after another.
    engine : {"compiled", "jax"}
        What evaluates all rows in fits and draws; "jax" with ``method="importance"`` and
        complete rows of Gaussians only.

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
    dataset = comparable_rows(data, columns, labels_inform_weights)
    draws, chains = check_count("draws", draws), check_count("chains", chains)
    check_enough_draws(draws * chains)
    most_draws = draws if max_draws is None else check_count("max_draws", max_draws, least=0)
    options: dict[str, Any] = {
        "tune": check_count("tune", tune),
        "chains": chains,
        "target_accept": check_between("target_accept", target_accept, 0.0, 1.0),
        "method": check_one_of("method", method, METHODS),
        "engine": engine,
        "cores": None if cores is None else check_count("cores", cores),
        "log_likelihood": not is_streamed(dataset),
    }
    check_progress(progress)
    if kept is not None:
        check_instance("kept", kept, KeptPosteriors, "where posteriors are kept")
    others = {"resolution": resolution, "labels_inform_weights": labels_inform_weights}
    lengths = {"draws": draws, "tune": options["tune"], "chains": chains}
    kinds = structures_in(covariance, n_factors), families_in(family, noise, nu)
    scan = scan_of(dataset, n_components, *kinds, priors or Priors(), others, **lengths)
    check_engines(engine, method, dataset, scan.specs)
    same = same_models(scan.specs, dataset.n_features)
    wanted = [spec for spec in scan.specs if spec not in same]
    seed = seed_of(seed)
    asked = {"family": family, "noise": noise, "nu": nu}
    screening = screened(dataset, wanted, asked, seed=seed) if is_all(covariance) else None
    if screening is not None:
        wanted, scan = list(screening.kept), replace(scan, growing=False)
    options |= {"draws": draws, "limit": most_draws, "progress": progress, "kept": kept}
    keep = check_flag("log_likelihood", log_likelihood)
    plan = _Plan(seed, evidence, keep, options, numbers_of(wanted))
    compile_ahead()
    models, parts = _finished(dataset, scan, wanted, plan, executor)
    parts.raise_unless_finished()
    same = {spec: other for spec, other in same.items() if other in models}
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
        screening=screening,
    )


def _finished(
    data: Dataset, scan: Scan, wanted: Sequence[MixtureSpec], plan: _Plan, executor: Any
) -> tuple[list[MixtureSpec], Parts]:
    """Return the models that were needed, and what there is of them."""
    if executor is not None:
        check_executor(executor, data)
    models, parts = list[MixtureSpec](), Parts()
    for group in scan.by_count(wanted) if executor is None or scan.growing else [list(wanted)]:
        if executor is None:
            for spec in group:
                _finish(parts, data, spec, plan)
        else:
            _finish_elsewhere(parts, data, group, plan, executor)
        models += group
        if scan.ended(models, parts):
            break
    return sorted(models, key=lambda spec: spec.n_components), parts


def _finish_elsewhere(
    parts: Parts, data: Dataset, specs: Sequence[MixtureSpec], plan: _Plan, executor: Any
) -> None:
    """Finish models by tasks of an executor; those that are kept need none."""
    kept = plan.options["kept"]
    bare = plan._replace(options={**plan.options, "kept": None, "progress": False})
    there = {spec: kept is not None and kept.taken(spec) is not None for spec in specs}
    tasks = {
        spec: executor.submit(_finished_alone, data, spec, bare)
        for spec in specs
        if not there[spec]
    }
    for spec in specs:
        if there[spec]:
            _finish(parts, data, spec, plan)
            continue
        parts.take(tasks[spec].result())
        if kept is not None and spec in parts.posteriors:
            parts.posteriors[spec] = kept.keep(spec, parts.posteriors[spec])


def _finished_alone(data: Dataset, spec: MixtureSpec, plan: _Plan) -> Parts:
    parts = Parts()
    _finish(parts, data, spec, plan)
    return parts


def _finish(parts: Parts, data: Dataset, spec: MixtureSpec, plan: _Plan) -> None:
    """Fit one model, draw from it, and add all that follows to the parts."""
    with parts.attempt(spec, "the maximum likelihood fit"):
        parts.fits[spec] = fit_em(data, spec, seed=plan.seed, engine=plan.options["engine"])
    seeds = integers(np.random.SeedSequence([plan.seed, spec.n_components]), 4)[1:]
    start = time.perf_counter()
    with one_blas_thread(), carrying(ByModel(parts.posteriors), plan.numbers.__getitem__):
        _sample(parts, data, spec, plan, seeds)
    parts.seconds[spec] = time.perf_counter() - start
    logger.info("K = %s took %.1f s", plan.numbers[spec], parts.seconds[spec])


def _sample(
    parts: Parts, data: Dataset, spec: MixtureSpec, plan: _Plan, seeds: Sequence[int]
) -> None:
    """Draw from one model, and add the draws and all that follows from them to the parts."""
    for_draws, for_evidence, for_refits = seeds
    cores, number = plan.options["cores"], plan.numbers[spec]
    with parts.attempt(spec, "sampling"):
        view, verdict = drawn(data, spec, seed=for_draws, **plan.options)
        parts.posteriors[spec], parts.verdicts[spec] = view.tree, verdict
        logger.info("K = %s: sampled; modes and groups, WAIC and LOO follow", number)
        with parts.attempt(spec, "counting modes and groups"):
            if not view.parameters.tailed:
                parts.modes[spec] = density_modes(view, n_draws=_COUNTED)
            parts.groups[spec] = merge_components(with_kept_rows(view), n_draws=_COUNTED)
        with parts.attempt(spec, "WAIC and LOO"):
            by_waic, by_loo = waic_and_loo(view, data, for_refits, cores)
            parts.elpds["waic"][spec], parts.elpds["loo"][spec] = by_waic, by_loo
        logger.info("K = %s: evidence follows", number)
        parts.evidences[spec] = evidences_of(
            view, plan.evidence, converged=verdict.ok, seed=for_evidence, cores=cores
        )
        parts.verdicts[spec] = verdict = _with_evidence(verdict, parts.evidences[spec])
        tree = with_attributes(view.tree, verdict=verdict.to_dict())
        if not plan.log_likelihood:
            tree = tree.drop_nodes("log_likelihood", errors="ignore")
        parts.posteriors[spec] = tree


def _with_evidence(verdict: Diagnosis, evidences: Evidences) -> Diagnosis:
    """Return the verdict with what is found where two independent evidences contradict."""
    sentence = evidences.contradiction
    if sentence is None:
        return verdict
    return verdict.with_finding(Finding(RunStatus.MODES_LEFT_OUT, sentence))
