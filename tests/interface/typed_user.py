"""A user's script, read by type checkers only: `test_typing.py` requires that they accept it."""

from pathlib import Path

import numpy as np

import bayesgmm as bg

DATA = Path("models/data/faithful.csv")


def fits(data: bg.Dataset) -> bg.PointFit:
    """Fit by maximum likelihood and at the posterior mode, and test K."""
    by_ml = bg.fit_em(data, bg.MixtureSpec(2), seed=1)
    if by_ml.status is not bg.FitStatus.CONVERGED:
        raise bg.ConfigError("no convergence.")
    best: bg.Optimum = max(by_ml.optima, key=lambda optimum: optimum.objective)
    test: bg.BootstrapTest = bg.bootstrap_lrt(data, 2, n_bootstrap=99, seed=1)
    print(bg.bic_grid(data, range(1, 4)), best.objective, test.p_value)
    return bg.fit_map(data, 2, seed=1)


def draws(data: bg.Dataset, priors: bg.Priors) -> None:
    """Sample, relabel, judge and save one posterior."""
    posterior = bg.relabel(bg.sample(data, bg.MixtureSpec(2, priors=priors), draws=500, seed=1))
    verdict: bg.Diagnosis = bg.diagnose(posterior)
    if verdict.status is bg.RunStatus.CONVERGED:
        print(bg.summarize(posterior), bg.label_free(posterior))
    evidence: bg.Evidence = bg.log_evidence(posterior, seed=1)
    loo: bg.RepairedLOO = bg.loo_with_refits(posterior, seed=1)
    print(evidence.value + evidence.error, loo.n_refitted, bg.waic(posterior))
    bg.save(posterior, "posterior.nc")


def rows() -> None:
    """Say where rows belong."""
    posterior = bg.load("posterior.nc")
    grouping: bg.Partition = bg.partition(posterior)
    ball: bg.CredibleBall = grouping.ball
    chances = bg.membership(posterior, np.array([[3.0, 65.0]]))
    print(bg.most_ambiguous(chances), grouping.labels, ball, bg.strays(posterior)["stray"].sum())
    print(bg.density(posterior, [[3.0, 65.0]]))
    bg.plots.density_2d(posterior).savefig("density.png")
    picture: bg.Plot = bg.plots.forest(posterior)
    picture.savefig("forest.png")


def report(data: bg.Dataset) -> None:
    """Compare K and write the report."""
    comparison: bg.Comparison = bg.compare(data, range(1, 4), covariance=["full", "tied"], seed=1)
    choice: bg.Choice = comparison.chosen("evidence")
    weights: bg.PosteriorOverK = bg.posterior_over_k(comparison)
    print(choice.reason, weights)
    bg.write_report(comparison, "report.html")
    bg.GaussianMixture(2).fit(np.zeros((10, 2)))


if __name__ == "__main__":
    table = bg.Dataset.from_csv(DATA)
    print(fits(table).parameters.means)
    draws(table, bg.Priors(scale=0.4))
    rows()
    report(table)
