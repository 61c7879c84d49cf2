"""Compare the number of components: every criterion side by side, for one model."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import xarray as xr

from bayesgmm.arguments import check_between, check_count, check_one_of, seed_of
from bayesgmm.criteria import (
    EvidenceRoutes,
    Evidences,
    evidence_note,
    evidences_of,
    loo_with_refits,
    probabilities_of,
    rank,
    waic,
)
from bayesgmm.data import Dataset, as_dataset, check_components
from bayesgmm.diagnosis import Diagnosis, diagnose
from bayesgmm.errors import ConfigError, SamplingError, SamplingInterrupted
from bayesgmm.extension import extend
from bayesgmm.fit import PointFit, fit_em
from bayesgmm.result.layout import with_attributes
from bayesgmm.sampling import carrying, sample
from bayesgmm.spec import Covariance, MixtureSpec, Priors

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Choice", "Comparison", "Criterion", "compare"]

logger = logging.getLogger(__name__)
Criterion = Literal["aic", "bic", "icl", "waic", "loo", "evidence"]
PARETO_LIMIT = 0.7
_SMALL_DIFFERENCE = 4.0
_MOST_REFITS = 10


@dataclass(frozen=True)
class Choice:
    """A number of components and why.

    Parameters
    ----------
    k : int
    reason : str
        One sentence.

    Examples
    --------
    >>> Choice(2, "K = 2 has the best bic.").k
    2
    """

    k: int
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """The same mixture with different numbers of components, fitted, sampled and compared.

    Parameters
    ----------
    data : Dataset
    table : pandas.DataFrame
        One row a K: log_likelihood, n_parameters, aic, bic, icl of the ML fit (smaller is better);
        elpd_waic, elpd_loo with se_ and p_, nats (larger is better); pareto_k_max, rows above 0.7
        that are left (n_bad_pareto), and those mended: n_matched by moment matching, n_refitted;
        weight (stacking); log_evidence with log_evidence_error and evidence_method, nats: what is
        quoted of log_evidence_bridge and log_evidence_smc, which have their errors beside them;
        probability of K, uniform prior on those with an evidence, and probability_error;
        verdict; occupied; draws; seconds (of sampling and what follows).
    elpds : dict of {"waic", "loo"} to dict of int to arviz.ELPDData
    fits : dict of int to PointFit
    posteriors : dict of int to xarray.DataTree
    verdicts : dict of int to Diagnosis
    seed : int

    Examples
    --------
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> comparison = compare(rows, [1, 2], draws=200, seed=1)
    >>> comparison.best["bic"], sorted(comparison.verdicts)
    (2, [1, 2])
    >>> comparison.chosen("bic").reason
    'K = 2 has the best bic.'
    """

    data: Dataset
    table: "pd.DataFrame"
    elpds: dict[str, dict[int, Any]]
    fits: dict[int, PointFit]
    posteriors: dict[int, xr.DataTree]
    verdicts: dict[int, Diagnosis]
    seed: int

    @property
    def differences(self) -> "pd.DataFrame":
        """elpd_loo of each K less the best one's: elpd_diff and se_diff, nats."""
        return rank(self.elpds["loo"])[["elpd_diff", "se_diff"]]

    @property
    def best(self) -> dict[str, int]:
        """The K that each criterion puts first; no "evidence" where none has a finite error."""
        columns = {"waic": "elpd_waic", "loo": "elpd_loo", "evidence": "log_evidence"}
        table = self.table
        k = table.index.to_numpy()
        smallest = {name: int(k[table[name].argmin()]) for name in ("aic", "bic", "icl")}
        values = {name: table[column] for name, column in columns.items()}
        values["evidence"] = values["evidence"].where(np.isfinite(table["log_evidence_error"]))
        known = {name: value for name, value in values.items() if value.count()}
        largest = {name: int(k[np.nanargmax(value)]) for name, value in known.items()}
        return smallest | largest

    def chosen(self, criterion: Criterion = "loo") -> Choice:
        """Choose K by a criterion, and say why.

        Parameters
        ----------
        criterion : {"loo", "waic", "evidence", "aic", "bic", "icl"}
            For loo and waic the smallest K whose elpd is within 4 nats of the best, or within two
            standard errors of the difference, among the K with a good verdict and no Pareto k
            above 0.7 left. The others take their best K.

        Raises
        ------
        ConfigError
            For an unknown criterion, or the evidence where there is none.
        """
        check_one_of("criterion", criterion, get_args(Criterion))
        if criterion not in ("loo", "waic"):
            k = self.best.get(criterion)
            if k is None:
                raise ConfigError(
                    'no K has an evidence with a finite error; compare with evidence="both".',
                    value=criterion,
                )
            return Choice(k, f"K = {k} has the best {criterion}.")
        return _simplest_within_error(self, criterion)

    @property
    def probability_note(self) -> str:
        """What p(K) leaves out and why, and where it rests on one route; empty if nothing."""
        return evidence_note(self.table)

    def __repr__(self) -> str:
        """Show the table and the choice."""
        columns = ["bic", "elpd_loo", "se_loo", "log_evidence", "probability", "verdict"]
        lines = [self.table[columns].to_string(), self.probability_note, self.chosen().reason]
        return "\n".join(line for line in lines if line)


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
    covariance : {"full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"}
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
    draws, tune = check_count("draws", draws), check_count("tune", tune)
    chains = check_count("chains", chains)
    most_draws = draws if max_draws is None else check_count("max_draws", max_draws, least=0)
    options: dict[str, Any] = {"tune": tune, "chains": chains, "cores": cores}
    options["target_accept"] = check_between("target_accept", target_accept, 0.0, 1.0)
    specs = _specs(dataset, n_components, covariance, priors or Priors(), resolution)
    seed = seed_of(seed)
    seeds = {
        k: [int(n) for n in np.random.SeedSequence([seed, k]).generate_state(4)] for k in specs
    }
    fits = {k: fit_em(dataset, spec, seed=seeds[k][0]) for k, spec in specs.items()}
    verdicts, seconds = {}, {}
    posteriors: dict[int, xr.DataTree] = {}
    evidences: dict[int, Evidences] = {}
    elpds: dict[str, dict[int, Any]] = {"waic": {}, "loo": {}}
    for k, spec in specs.items():
        start = time.perf_counter()
        _, for_draws, for_evidence, for_refits = seeds[k]
        with carrying(posteriors):
            posteriors[k], verdicts[k] = _sample_until_good(
                dataset, spec, draws, most_draws, seed=for_draws, progress=progress, **options
            )
            elpds["waic"][k] = waic(posteriors[k])
            elpds["loo"][k] = loo_with_refits(
                posteriors[k], PARETO_LIMIT, max_refits=_MOST_REFITS, seed=for_refits, cores=cores
            )
            evidences[k] = evidences_of(
                posteriors[k], evidence, converged=verdicts[k].ok, seed=for_evidence, cores=cores
            )
        seconds[k] = time.perf_counter() - start
        logger.info("K = %d: %s, %.1f s", k, verdicts[k].status.value, seconds[k])
    return Comparison(
        data=dataset,
        table=_table(fits, posteriors, verdicts, elpds, evidences, seconds),
        elpds=elpds,
        fits=fits,
        posteriors=posteriors,
        verdicts=verdicts,
        seed=seed,
    )


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
                tree = extend(tree, longer, seed=int(seeds.spawn(1)[0].generate_state(1)[0]))
            except SamplingError as error:
                logger.info("K = %d stays as it is: %s", spec.n_components, error)
                break
            longer *= 2
    except KeyboardInterrupt as stop:
        raise SamplingInterrupted("interrupted after sampling.", partial=tree) from stop
    return with_attributes(tree, verdict=verdict.to_dict()), verdict


def _table(
    fits: dict[int, PointFit],
    posteriors: dict[int, xr.DataTree],
    verdicts: dict[int, Diagnosis],
    elpds: dict[str, dict[int, Any]],
    evidences: dict[int, Evidences],
    seconds: dict[int, float],
) -> "pd.DataFrame":
    import pandas as pd

    weights = rank(elpds["loo"])["weight"]
    probabilities = probabilities_of(evidences)
    rows = {}
    for k, fit in fits.items():
        by_waic, by_loo = elpds["waic"][k], elpds["loo"][k]
        pareto = np.asarray(by_loo.pareto_k)
        rows[k] = {
            "log_likelihood": fit.log_likelihood,
            "n_parameters": fit.n_parameters,
            "aic": fit.aic,
            "bic": fit.bic,
            "icl": fit.icl,
            "elpd_waic": by_waic.elpd,
            "se_waic": by_waic.se,
            "p_waic": by_waic.p,
            "elpd_loo": by_loo.elpd,
            "se_loo": by_loo.se,
            "p_loo": by_loo.p,
            "pareto_k_max": float(pareto.max()),
            "n_bad_pareto": int((pareto > PARETO_LIMIT).sum()),
            "n_matched": by_loo.n_matched,
            "n_refitted": by_loo.n_refitted,
            "weight": weights[k],
            **evidences[k].columns(),
            "probability": probabilities["probability"][k],
            "probability_error": probabilities["error"][k],
            "verdict": verdicts[k].status.value,
            "occupied": verdicts[k].figures["occupied"],
            "draws": posteriors[k]["posterior"].sizes["draw"],
            "seconds": seconds[k],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("K")


def _simplest_within_error(comparison: Comparison, criterion: Criterion) -> Choice:
    verdicts, bad = comparison.verdicts, comparison.table["n_bad_pareto"]
    elpds = comparison.elpds[criterion]
    good = {k: e for k, e in elpds.items() if verdicts[k].ok and not bad[k]}
    if not good:
        k = comparison.best["bic"]
        return Choice(
            k,
            f"No K has both a good verdict and a reliable {criterion.upper()}; K = {k} has the "
            "best BIC of the maximum likelihood fits.",
        )
    left_out = (
        f" (left out: K = {_listed(set(elpds) - set(good))})" if len(good) < len(elpds) else ""
    )
    ranking = rank(good)
    behind, error = -ranking["elpd_diff"], ranking["se_diff"]
    best = min(good, key=lambda k: behind[k])
    k = next(k for k in good if behind[k] < max(_SMALL_DIFFERENCE, 2.0 * error[k]))
    if k == best:
        return Choice(k, f"K = {k} has the highest elpd by {criterion.upper()}{left_out}.")
    return Choice(
        k,
        f"K = {k} is the smallest K whose elpd by {criterion.upper()} is within 4 nats or two "
        f"standard errors of the best, K = {best}: {behind[k]:.1f} nats behind, standard error "
        f"{error[k]:.1f}{left_out}.",
    )


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(k) for k in sorted(numbers))
