"""Factor-analytic models from a model file to the report: loadings, their prior, likelihood's."""

import re

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.posterior.draws import Draws
from bayesgmm.summary.likelihood import likelihood_estimates

MODEL = """
[data]
file = "rows.csv"
[model]
n_components = [2]
covariance = "factor"
n_factors = [1, 2]
[sampler]
draws = 200
tune = 300
seed = 1
max_draws = 0
evidence = "none"
"""


def rows_with_factors(n=250, n_features=4):
    """Return rows of two clusters with one factor each."""
    rng = np.random.default_rng(2)
    loadings = np.array([[1.5, 1.0, -1.0, 0.5], [0.5, -1.0, 1.0, 1.5]])
    which = (rng.random(n) < 0.4).astype(int)
    noise = 0.5 * rng.normal(size=(n, n_features))
    return 6.0 * which[:, None] + rng.normal(size=(n, 1)) * loadings[which] + noise


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("factors")
    lines = [",".join(f"{value:.4f}" for value in row) for row in rows_with_factors()]
    (folder / "rows.csv").write_text("\n".join(["a,b,c,d", *lines]))
    (folder / "factors.toml").write_text(MODEL)
    return bg.run_analysis(folder / "factors.toml", folder / "out")


def test_each_number_of_factors_is_a_model_of_its_own(run):
    table = run.comparison.table
    assert table["n_factors"].astype(int).tolist() == [1, 2]
    assert run.choice.model.n_factors == 1
    assert run.files["posterior"].name == "posterior_k2_factor_q_1.nc"


def test_the_report_states_the_loadings_and_their_prior(run):
    page = re.sub(r"<[^>]+>", " ", run.files["report"].read_text(encoding="utf-8"))
    assert "Loadings on the factors: posterior summaries" in page
    assert "Unique scales (standard deviations beside the factors): posterior" in page
    assert page.count("loading of") == 4
    assert "LKJ" not in page, "no correlation matrix has a prior of its own"


def test_likelihood_stands_beside_loadings_with_the_signs_of_the_draws(run):
    """The prior hardly matters: half of the posterior's deviations apart at most, as wide."""
    model = run.choice.model
    tree, fit = run.comparison.posteriors[model], run.comparison.fits[model]
    frame = bg.summarize(tree, prob=0.89)
    found = likelihood_estimates(fit, Draws(tree), 0.89)
    names = [name for name in frame.index if name.startswith("loadings")]
    assert len(names) == 8
    for name in names:
        gap = abs(found[name].value - float(frame.loc[name, "mean"]))
        width = found[name].upper - found[name].lower
        ratio = width / float(frame.loc[name, "eti89_ub"] - frame.loc[name, "eti89_lb"])
        assert gap < 0.5 * float(frame.loc[name, "sd"])
        assert 0.8 < ratio < 1.25
