"""Reference for two modes: the galaxies, K = 2, default priors, by adaptive importance sampling.

Independent of bayesgmm: prior and likelihood are written out with NumPy, and the modes are found
from draws of the prior, through tempered targets. Run: python tests/reference/galaxies_modes.py
"""

import json
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.special import expit, logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.mixture import GaussianMixture

HERE = Path(__file__).parent
ROWS = np.loadtxt(HERE.parents[1] / "models/data/galaxies.csv", skiprows=1)
CENTRE, SPREAD = ROWS.mean(), ROWS.std(ddof=1)
GAPS = np.diff(np.unique(ROWS))
ERROR = 0.4 * GAPS.min() if len(GAPS) + 1 < len(ROWS) else 0.0
PRIORS = [norm(CENTRE, 2.0 * SPREAD)] * 2 + [norm(np.log(0.5 * SPREAD), 0.8)] * 2
TEMPERATURES = (0.1, 0.3, 0.6, 1.0, 1.0)
ROUND, FINAL, FROM_PRIOR, GAUSSIANS = 200_000, 2_000_000, 0.1, 10


def draw_prior(size, rng):
    return np.column_stack([rng.logistic(size=size)] + [p.rvs(size, rng) for p in PRIORS])


def log_prior(x):
    """Density of log odds of the first weight (uniform), two means, two log scales."""
    log_odds = -np.abs(x[:, 0]) - 2.0 * np.log1p(np.exp(-np.abs(x[:, 0])))
    return log_odds + sum(p.logpdf(x[:, i + 1]) for i, p in enumerate(PRIORS))


def log_likelihood(x):
    out = np.empty(len(x))
    for part in np.array_split(np.arange(len(x)), max(1, len(x) // 20_000)):
        weight, deviation = expit(x[part, 0]), np.sqrt(np.exp(2.0 * x[part, 3:]) + ERROR**2)
        first = norm.logpdf(ROWS, x[part, 1, None], deviation[:, :1]) + np.log(weight)[:, None]
        other = norm.logpdf(ROWS, x[part, 2, None], deviation[:, 1:]) + np.log1p(-weight)[:, None]
        out[part] = np.logaddexp(first, other).sum(axis=1)
    return out


def swapped(x):
    return np.column_stack([-x[:, 0], x[:, 2], x[:, 1], x[:, 4], x[:, 3]])


def in_small_mode(x):
    """The narrow component lies far below the wide one: it holds the slowest galaxies."""
    narrow = np.argmin(x[:, 3:], axis=1)
    rows = np.arange(len(x))
    return x[rows, 2 - narrow] - x[rows, 1 + narrow] > 7.0


class Proposal:
    def __init__(self, fit):
        self.fit = fit

    def draw(self, size, rng):
        n_prior = int(FROM_PRIOR * size)
        counts = rng.multinomial(size - n_prior, self.fit.weights_)
        parts = [
            rng.multivariate_normal(mean, covariance, n)
            for n, mean, covariance in zip(
                counts, self.fit.means_, self.fit.covariances_, strict=True
            )
        ]
        return np.concatenate([draw_prior(n_prior, rng), *parts])

    def log_density(self, x):
        terms = [
            np.log((1.0 - FROM_PRIOR) * weight) + multivariate_normal(mean, covariance).logpdf(x)
            for weight, mean, covariance in zip(
                self.fit.weights_, self.fit.means_, self.fit.covariances_, strict=True
            )
        ]
        return logsumexp([np.log(FROM_PRIOR) + log_prior(x), *terms], axis=0)


def main():
    rng = np.random.default_rng(20240501)
    x = draw_prior(10 * ROUND, rng)
    log_weight = np.zeros(len(x))
    likelihood = log_likelihood(x)
    for temperature in TEMPERATURES:
        total = log_weight + temperature * likelihood
        chosen = x[rng.choice(len(x), 20_000, p=np.exp(total - logsumexp(total)))]
        fit = GaussianMixture(GAUSSIANS, random_state=1, reg_covar=1e-3, n_init=2)
        proposal = Proposal(fit.fit(np.concatenate([chosen, swapped(chosen)])))
        x = proposal.draw(FINAL if temperature == 1.0 else ROUND, rng)
        log_weight, likelihood = log_prior(x) - proposal.log_density(x), log_likelihood(x)
    total = log_weight + likelihood
    weight = np.exp(total - total.max())
    small = in_small_mode(x)
    share = weight[small].sum() / weight.sum()
    influence = weight * (small - share) / weight.mean()
    result = {
        "versions": {m.__name__: m.__version__ for m in (np, scipy, sklearn)},
        "n_draws": len(x),
        "effective_size": weight.sum() ** 2 / (weight**2).sum(),
        "log_evidence": total.max() + np.log(weight.mean()),
        "log_evidence_error": weight.std() / weight.mean() / np.sqrt(len(x)),
        "small_mode_weight": share,
        "small_mode_weight_error": influence.std() / np.sqrt(len(x)),
    }
    text = json.dumps(result, indent=2, default=float)
    (HERE / "galaxies_modes.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
