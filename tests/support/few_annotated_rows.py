"""Eight rows of which more is known than their values, and their evidence by enumeration."""

import itertools
import math

import numpy as np
import pandas as pd
from scipy.special import gammaln, logsumexp
from scipy.stats import norm

from bayesgmm.data import Dataset
from bayesgmm.model.spec import MixtureSpec
from tests.support.few_rows import EIGHT, FIXED

__all__ = ["INDEPENDENT", "SECOND", "enumerated", "known"]

SECOND = np.array([0.4, -0.3, 1.9, 0.1, -1.2, 2.4, 0.7, -0.9])
INDEPENDENT = MixtureSpec(2, "diag", FIXED, resolution=0)


def enumerated(values, times, allowed, errors=None):
    """Log evidence of clusters with independent features: a sum over all allocations.

    A row that counts w times has w labels of its own. The density of one feature's cells in one
    cluster is that of quadrature in (mean, log scale).
    """
    mean = np.linspace(-9.0, 10.0, 191)[:, None]
    log_scale = np.linspace(math.log(0.7) - 4.0, math.log(0.7) + 4.0, 81)
    prior = norm.logpdf(mean, 0.5, 2.0) + norm.logpdf(log_scale, math.log(0.7), 0.6)
    prior = prior + math.log(mean[1, 0] - mean[0, 0]) + math.log(log_scale[1] - log_scale[0])
    errors = np.zeros(values.shape) if errors is None else errors
    of_cell = {
        (i, j): norm.logpdf(value, mean, np.hypot(np.exp(log_scale), errors[i, j]))
        for (i, j), value in np.ndenumerate(values)
        if not np.isnan(value)
    }
    rows, n_clusters = np.repeat(np.arange(len(values)), times), allowed.shape[1]
    kept, terms = {}, []
    for labels in itertools.product(range(n_clusters), repeat=len(rows)):
        if not all(allowed[i, k] for i, k in zip(rows, labels, strict=True)):
            continue
        sizes = np.bincount(labels, minlength=n_clusters)
        term = gammaln(1.0 + sizes).sum() + gammaln(n_clusters) - gammaln(n_clusters + len(rows))
        for k, feature in itertools.product(range(n_clusters), range(values.shape[1])):
            mine = [i for i, label in zip(rows, labels, strict=True) if label == k]
            cells = tuple((i, feature) for i in mine if (i, feature) in of_cell)
            if (feature, cells) not in kept:
                kept[feature, cells] = logsumexp(prior + sum(of_cell[cell] for cell in cells))
            term += kept[feature, cells]
        terms.append(term)
    return logsumexp(terms)


def known(*options):
    """Eight rows of two features with whichever of missing, weights, labels and errors is asked.

    Returns
    -------
    data : Dataset
    evidence : float
        Its log evidence under `INDEPENDENT`, nats.
    """
    values, arguments = np.column_stack([EIGHT, SECOND]), {}
    times, labels, errors = np.ones(8, int), [None] * 8, None
    if "missing" in options:
        for cell in ((1, 1), (4, 0), (6, 1)):
            values[cell] = np.nan
        arguments["missing"] = "mar"
    if "weights" in options:
        times[1] = 2
        arguments |= {"weights": times, "weights_kind": "frequency"}
    if "labels" in options:
        labels[0], labels[5], labels[7] = "low", "high", "high"
        arguments["labels"] = pd.Categorical(labels, ["low", "high"])
    if "errors" in options:
        errors = np.column_stack([np.tile([0.3, 1.5], 4), np.zeros(8)])
        arguments["errors"] = {"x": errors[:, 0]}
    data = Dataset.from_frame(pd.DataFrame(values, columns=["x", "y"]), **arguments)
    allowed = np.array([[label in (None, k) for k in ("low", "high")] for label in labels])
    return data, enumerated(values, times, allowed, errors)
