"""How well known labels are predicted when each is left out."""

import math
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from bayesgmm.elpd.predictive import WEIGHT, check_enough_draws, totals
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.likelihood.picked import log_chances
from bayesgmm.limits import EVEN_WEIGHTS, PARETO_K
from bayesgmm.model.groups import LabelGroups
from bayesgmm.model.parameters import log_of_weights
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.posterior.draws import Draws, Posterior, view_of
from bayesgmm.posterior.mcmc_error import effective_size
from bayesgmm.posterior.pareto import smoothed
from bayesgmm.posterior.tree import require_likelihood
from bayesgmm.runtime.keywords import keywords
from bayesgmm.typing import Array, BoolArray, IntArray

__all__ = ["LabelAccuracy", "label_accuracy"]

_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class LabelAccuracy:
    """How well known labels are predicted when each is left out.

    Parameters
    ----------
    accuracy, accuracy_error : float
        Share of the labels whose class is the most probable one, and its standard error over rows.
    log_score, log_score_error : float, nats
        Mean log probability of a label, and its standard error: log(1 / 3) is what guessing among
        three classes gives.
    n_labels : int
        Labels left out; a row with frequency weight w has w.
    n_bad : int
        Rows with a Pareto k above 0.7, whose prediction is unreliable.
    probabilities : DataArray of shape (obs, cluster)
        P(cluster | the row, all other rows and labels), of the rows with a label.
    log_scores, pareto_k : DataArray of shape (obs,)
        Log probability of each label, nats, and Pareto k of the weights behind it: 0 where they
        differ by no more than 1 %.

    Examples
    --------
    >>> import pandas as pd
    >>> from bayesgmm import Dataset, sample
    >>> table = pd.DataFrame({"x": [0.0, 0.2, 0.5, 5.0, 5.1, 5.4, 0.3, 5.2]})
    >>> labels = ["low", "low", None, "high", "high", None, None, None]
    >>> found = label_accuracy(sample(Dataset.from_frame(table, labels=labels), 2, seed=1))
    >>> found.n_labels, found.probabilities.shape
    (4, (4, 2))
    """

    accuracy: float
    accuracy_error: float
    log_score: float
    log_score_error: float
    n_labels: int
    n_bad: int
    probabilities: xr.DataArray
    log_scores: xr.DataArray
    pareto_k: xr.DataArray

    def __repr__(self) -> str:
        """Show accuracy and log score with their errors."""
        bad = f"; Pareto k above {PARETO_K} in {self.n_bad} rows" if self.n_bad else ""
        return (
            f"LabelAccuracy(of {self.n_labels} labels left out {100 * self.accuracy:.1f} % "
            f"(se {100 * self.accuracy_error:.1f}) are predicted, log score {self.log_score:.3f} "
            f"(se {self.log_score_error:.3f}){bad})"
        )


@keywords()
def label_accuracy(posterior: Posterior) -> LabelAccuracy:
    """Predict each known label from its row's values and all other rows and labels.

    The label of row i has the probability 1 / E[1 / r_il], the mean over draws of the posterior
    given all labels, r_il being the probability of its class given row and draw; other classes are
    weighted by 1 / r_il. The weights are smoothed (PSIS). A row that may be of several classes is
    predicted if the most probable one is among them.

    Where one label alone tells clusters apart, the others do not say which of them is which without
    it, and each of them has the same probability. Where labelled rows were selected for their
    labels (`MixtureSpec.labels_inform_weights`), the row stays as one with an unknown label, and
    its class is as frequent as the weights say.

    Parameters
    ----------
    posterior : DataTree
        As `bayesgmm.sample` returns it, of rows with labels.

    Returns
    -------
    LabelAccuracy

    Raises
    ------
    ConfigError
        When no labels are known, or the draws are too few for PSIS.
    DataError
        For rows with the weights of a survey.

    References
    ----------
    Gelfand, Dey and Chang (1992), Bayesian Statistics 4:147. Vehtari, Simpson, Gelman, Yao and
    Gabry (2024), Journal of Machine Learning Research 25(72).

    Examples
    --------
    >>> import pandas as pd
    >>> from bayesgmm import Dataset, sample
    >>> table = pd.DataFrame({"x": [0.0, 0.2, 0.5, 5.0, 5.1, 5.4, 0.3, 5.2]})
    >>> labels = ["low", "low", None, "high", "high", None, None, None]
    >>> data = Dataset.from_frame(table, labels=labels)
    >>> label_accuracy(sample(data, 2, draws=200, seed=1)).accuracy
    1.0
    """
    draws = view_of(posterior)
    if draws.noise is not None:
        raise ConfigError(
            "label_accuracy does not take a model with noise, to which rows without a label may "
            "belong; take the model without it.",
            key="noise",
        )
    require_likelihood(draws.tree, "cross-validated labels")
    table, resolved = draws.table, draws.resolved
    if resolved is None or not isinstance(table, AnnotatedRows) or table.allowed is None:
        raise ConfigError(
            "no labels are known of these rows, so that none can be left out; name their column "
            "where the data set is made."
        )
    check_enough_draws(draws.n_samples)
    weights = np.ones(len(table)) if table.weights is None else table.weights
    rows = np.flatnonzero(~table.allowed.all(axis=1) & (weights > 0.0))
    found = _Predicted.empty(len(rows), draws.n_components)
    exchanges, relative = _exchanges(table, resolved, rows), _relative_efficiency(draws)
    predict = partial(_predict, draws, table, rows, exchanges, relative, found)
    draws.over_row_blocks(len(rows), predict)
    return _summed_up(found, draws, rows, weights[rows], table.allowed[rows])


class _Predicted(NamedTuple):
    """What is found of each labelled row, written block by block."""

    probabilities: Array  # (row, cluster)
    log_scores: Array  # (row,)
    pareto_k: Array  # (row,)

    @classmethod
    def empty(cls, n_rows: int, n_clusters: int) -> "_Predicted":
        return cls(np.empty((n_rows, n_clusters)), np.empty(n_rows), np.empty(n_rows))


def _predict(
    draws: Draws,
    table: AnnotatedRows,
    rows: IntArray,
    exchanges: Array,
    relative: float,
    found: _Predicted,
    block: slice,
) -> None:
    """Predict the labels of a block of rows; see `label_accuracy`."""
    part = table[rows[block]]
    assert part.allowed is not None and draws.resolved is not None
    shares = exchanges[block] @ draws.responsibilities_by_row(replace(part, allowed=None))
    of_label = np.maximum((shares * part.allowed[:, :, None]).sum(axis=1), _LEAST)
    log_likelihood = np.log(of_label)  # of the label given the values
    if not draws.resolved.spec.labels_inform_weights:
        log_likelihood -= np.transpose(log_chances(part, log_of_weights(draws.parameters.weights)))
    each = [_smoothed(values, relative) for values in log_likelihood]
    left_out, found.pareto_k[block] = (np.array(parts) for parts in zip(*each, strict=True))
    found.probabilities[block] = np.einsum("iks,is->ik", shares, left_out)
    found.log_scores[block] = np.log((left_out * of_label).sum(axis=1))


def _smoothed(log_likelihood: Array, relative: float) -> tuple[Array, float]:
    """Return weights (sample,) that leave one term out, smoothed and summing to 1, and Pareto k.

    Where the largest are equal there is no tail to fit, and k is infinite; where all are, up to
    `EVEN_WEIGHTS`, no tail matters, and k is 0.
    """
    if np.ptp(log_likelihood) <= EVEN_WEIGHTS:
        return np.exp(-log_likelihood - logsumexp(-log_likelihood)), 0.0
    log_weights, pareto_k = smoothed(-log_likelihood, relative)
    return np.exp(log_weights), math.inf if math.isinf(pareto_k) else pareto_k


def _relative_efficiency(draws: Draws) -> float:
    """Return the effective share of the draws for the mean of the total log likelihood."""
    total = draws.tree["sample_stats"].to_dataset()["log_likelihood"]
    size = effective_size(total.transpose("chain", "draw").values)
    return min(1.0, size / draws.n_samples)


def _exchanges(table: AnnotatedRows, resolved: ResolvedSpec, rows: IntArray) -> Array:
    """Return (row, cluster, cluster) that averages over clusters alike without the row's label.

    The posterior without the label is the mean over their exchanges of that given it, weighted; so
    the mean over draws of 1 / (mean over exchanges of r_il) is what the label's probability is the
    inverse of.
    """
    assert table.allowed is not None
    labelled = table.allowed & ~table.allowed.all(axis=1, keepdims=True)
    out = np.tile(_averaging(resolved.groups), (len(rows), 1, 1))
    for a, b in combinations(range(resolved.n_components), 2):
        apart = np.flatnonzero(labelled[:, a] != labelled[:, b])
        if len(apart) == 1 and (table.weights is None or table.weights[apart[0]] <= 1.0):
            columns = np.delete(labelled, apart[0], axis=0).T
            told = tuple(int((columns == column).all(axis=1).argmax()) for column in columns)
            names = tuple(map(str, told))
            without = replace(resolved, classes=names, class_groups=told)
            out[rows == apart[0]] = _averaging(without.groups)
    return out


def _averaging(groups: LabelGroups) -> Array:
    """Return the matrix (cluster, cluster) that takes means within groups."""
    return groups.allowed / groups.allowed.sum(axis=1, keepdims=True)


def _summed_up(
    found: _Predicted, draws: Draws, rows: IntArray, weights: Array, allowed: BoolArray
) -> LabelAccuracy:
    obs, n_labels = draws.obs[rows], float(weights.sum())
    coords = {"obs": obs, WEIGHT: ("obs", weights)}
    predicted = allowed[np.arange(len(rows)), found.probabilities.argmax(axis=1)]
    log_scores = xr.DataArray(found.log_scores, coords, ("obs",))
    (right, its_error), (score, error) = (
        totals(each) for each in (log_scores.copy(data=predicted.astype(float)), log_scores)
    )
    return LabelAccuracy(
        accuracy=right / n_labels,
        accuracy_error=its_error / n_labels,
        log_score=score / n_labels,
        log_score_error=error / n_labels,
        n_labels=int(n_labels),
        n_bad=int((found.pareto_k > PARETO_K).sum()),
        probabilities=xr.DataArray(
            found.probabilities, {"obs": obs, "cluster": draws.clusters}, ("obs", "cluster")
        ),
        log_scores=log_scores,
        pareto_k=log_scores.copy(data=found.pareto_k),
    )
