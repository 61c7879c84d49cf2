"""The joint posterior of K and of the number of clusters that hold rows, under any prior."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from bayesgmm.errors import ConfigError
from bayesgmm.evidence.mixing import log_occupied_evidence, log_reweighting, reweighted
from bayesgmm.evidence.occupancy import Occupancy, occupancy_of
from bayesgmm.evidence.priors_over_k import OverK, WeightsPrior, clusters_beforehand
from bayesgmm.evidence.shares import share_errors
from bayesgmm.limits import LAST_K, LEFT_OUT_FACTOR, PARETO_K, VISIBLE
from bayesgmm.model.groups import LabelGroups
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.several import numbers_of
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.typing import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Joint", "Runs", "clusters_table", "joint_of", "no_clusters", "runs_of"]


class Runs(NamedTuple):
    """Runs at several K that differ in nothing else.

    Parameters
    ----------
    occupancies : dict of int to Occupancy
    evidences : dict of int to (value, error), nats
        Finite ones.
    concentration : float
    n_rows : int
        Rows, by their weights.
    doubtful : tuple of int
        The K whose draws did not pass the convergence checks.
    """

    occupancies: dict[int, Occupancy]
    evidences: dict[int, tuple[float, float]]
    concentration: float
    n_rows: int
    doubtful: tuple[int, ...]

    @property
    def largest(self) -> int:
        """The largest K."""
        return max(self.occupancies)


class Joint(NamedTuple):
    """The joint posterior of K+, the number of clusters that hold rows, and K.

    Parameters
    ----------
    counts : tuple of int
        K+ of each row.
    shares : array of shape (K+, K)
        Sum to 1.
    errors : array of shape (K+,)
        Relative errors of the rows.
    k_hats : array of shape (K+,)
        Pareto k of the reweighting; -inf where the largest weights are equal.
    """

    counts: tuple[int, ...]
    shares: Array
    errors: Array
    k_hats: Array

    @property
    def over_clusters(self) -> tuple[Array, Array]:
        """The probabilities of K+, and their errors."""
        parts = self.shares.sum(axis=1)
        return parts, share_errors(np.eye(len(parts)), parts, self.errors)

    @property
    def over_k(self) -> tuple[Array, Array]:
        """The probabilities of K, and their errors."""
        parts = self.shares.sum(axis=1)
        given = self.shares / np.where(parts > 0.0, parts, 1.0)[:, None]
        return self.shares.sum(axis=0), share_errors(given, parts, self.errors)


def runs_of(source: Any, evidences: Mapping[MixtureSpec, tuple[float, float]], seed: int) -> Runs:
    """Return the runs of a comparison from which other priors follow.

    Raises
    ------
    ConfigError
        Where there are no draws, or other priors do not follow from them.
    """
    posteriors = getattr(source, "posteriors", None)
    if posteriors is None:
        raise ConfigError("the number of clusters that hold rows needs draws: pass a Comparison.")
    kept = {s: e for s, e in evidences.items() if math.isfinite(e[1]) and s in posteriors}
    if len({spec.kind for spec in kept}) > 1:
        raise ConfigError(
            "the number of clusters that hold rows is found for one structure and family at a "
            f"time, got K = {', '.join(numbers_of(kept).values())}; compare one of them.",
            key="covariance",
        )
    views = {spec: Draws(posteriors[spec]) for spec in kept}
    for view in views.values():
        _require_exchangeable(view)
    some = next(iter(views.values()))
    return Runs(
        {s.n_components: occupancy_of(view, seed + s.n_components) for s, view in views.items()},
        {spec.n_components: each for spec, each in kept.items()},
        float(_resolved(some).concentration[0]),
        round(some.target.n_counted),
        tuple(spec.n_components for spec in views if not source.verdicts[spec].ok),
    )


def _resolved(view: Draws) -> ResolvedSpec:
    if view.resolved is None:
        raise ConfigError(
            "other priors on K follow from draws of the built-in model only, not of a user's own."
        )
    return view.resolved


def _require_exchangeable(view: Draws) -> None:
    """Refuse clusters that the prior or labels tell apart: their number is part of the model."""
    if _resolved(view).noise is not None:
        raise ConfigError(
            "other priors on K are not found for a model with noise, whose weight changes with "
            "them; compare the numbers of components by p(K) of the comparison."
        )
    if _resolved(view).groups != LabelGroups.of_all(view.n_components):
        raise ConfigError(
            "other priors on K do not follow from clusters that priors or known labels tell apart."
        )


def joint_of(runs: Runs, prior: OverK, weights: WeightsPrior) -> Joint:
    """Return the joint posterior of K+ and K under other priors.

    Raises
    ------
    ConfigError
        Where the draws cannot be reweighted so far.
    """
    logs, errors, k_hats = [], [], []
    for k, occupancy in runs.occupancies.items():
        value, error = runs.evidences[k]
        full = occupancy.full
        start = log_occupied_evidence(
            value, occupancy.log_probability, k, runs.concentration, runs.n_rows
        )
        if not full.any() or k > len(prior.log_mass):
            logs.append(np.full(len(prior.log_mass), -np.inf))
            errors.append(math.inf)
            k_hats.append(-math.inf)
            continue
        ratios = log_reweighting(occupancy.sizes[full], prior, weights, runs.concentration)
        some = reweighted(start, ratios)
        logs.append(some.log_joint)
        k_hats.append(some.k_hat)
        own = occupancy.error_of_mean(some.log_weights)
        errors.append(math.hypot(error, occupancy.error, own))
    log_joint = np.array(logs)
    shares = np.exp(log_joint - logsumexp(log_joint))
    joint = Joint(tuple(runs.occupancies), shares, np.array(errors), np.array(k_hats))
    _refuse_far(joint, prior, weights)
    return joint


def _refuse_far(joint: Joint, prior: OverK, weights: WeightsPrior) -> None:
    """Refuse a reweighting that rests on a few draws, where its part could be seen."""
    seen = joint.over_clusters[0] * LEFT_OUT_FACTOR >= VISIBLE
    bad = [k for k, s, k_hat in zip(joint.counts, seen, joint.k_hats, strict=True)
           if s and k_hat > PARETO_K]  # fmt: skip
    if bad:
        raise ConfigError(
            f"the draws do not reach this prior ({prior.words}; {weights.words}): the weights of "
            f"K+ = {', '.join(map(str, bad))} have a Pareto k above {PARETO_K}. Take more draws, "
            "or compare with a concentration nearer to it.",
            key="mixing",
            pareto_k=dict(zip(joint.counts, joint.k_hats.tolist(), strict=True)),
        )


def clusters_table(
    runs: Runs, joint: Joint, prior: OverK, weights: WeightsPrior
) -> tuple["pd.DataFrame", str]:
    """Return the table of K+, and what is to be said of it."""
    import pandas as pd

    before = clusters_beforehand(prior, weights, runs.n_rows, runs.largest)
    probability, error = joint.over_clusters
    table = pd.DataFrame(
        {
            "prior": before[np.array(joint.counts) - 1],
            "probability": probability,
            "error": error,
            "pareto_k": joint.k_hats,
        },
        index=pd.Index(joint.counts, name="K+", dtype=int),
    )
    return table, _note(runs, probability)


def no_clusters() -> "pd.DataFrame":
    """Return the table of K+ where it is not known."""
    import pandas as pd

    columns = ["prior", "probability", "error", "pareto_k"]
    return pd.DataFrame(columns=columns, index=pd.Index([], name="K+", dtype=int), dtype=float)


def _note(runs: Runs, probability: Array) -> str:
    counts = list(runs.occupancies)
    sentences = []
    if without := sorted(set(range(1, runs.largest + 1)) - set(counts)):
        listed = ", ".join(map(str, without))
        sentences.append(f"Given that K+ is not {listed}, for which there is no reliable run.")
    empty = [k for k, held in runs.occupancies.items() if not held.full.any()]
    if empty:
        listed = ", ".join(map(str, empty))
        sentences.append(f"No partition that was drawn at K = {listed} uses all components.")
    if runs.doubtful:
        listed = ", ".join(map(str, runs.doubtful))
        sentences.append(f"The draws at K = {listed} did not converge.")
    last = float(probability[counts.index(runs.largest)])
    if last > LAST_K:
        sentences.append(
            f"p(K+ = {runs.largest}) = {last:.2g} at the largest K: the scan ended too early; "
            "compare larger K."
        )
    return " ".join(sentences)
