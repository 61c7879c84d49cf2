"""WAIC and LOO of rows with weights, labels and missing cells."""

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import logsumexp

import bayesgmm as bg
from bayesgmm.elpd import refit as refits
from bayesgmm.elpd.ranking import ranked
from bayesgmm.elpd.refit import loo_with_refits
from bayesgmm.likelihood.annotated_rows import AnnotatedRows, without_one
from bayesgmm.posterior.draws import Draws
from tests.support.few_rows import EIGHT, FIXED, OUTLYING, evidence_by_enumeration
from tests.support.places import REFERENCE

pytestmark = pytest.mark.filterwarnings("ignore::bayesgmm.errors.DataWarning")
TIMES = np.array([0, 1, 2, 3, 1] * 6)


def tree_of(log_likelihood, weights=None):
    groups = {"log_likelihood": xr.Dataset({"x": (("chain", "draw", "obs"), log_likelihood)})}
    if weights is not None:
        variable = ("obs", weights, {"kind": "frequency"})
        groups["observed_data"] = xr.Dataset({"weights": variable})
    return xr.DataTree.from_dict(groups)


def some_values(seed):
    """Log likelihoods of 30 rows; some posterior variances exceed 0.4."""
    rng = np.random.default_rng(seed)
    return rng.normal(-2.0, 0.1 + 0.9 * rng.random(30), (2, 250, 30)) - 5.0 * rng.random(30)


@pytest.mark.parametrize("criterion", [bg.waic, bg.loo])
def test_a_row_counts_as_often_as_it_would_be_written(criterion):
    weighted, written = {}, {}
    for seed in (1, 2, 3):
        values = some_values(seed)
        one = weighted[seed] = criterion(tree_of(values, TIMES.astype(float)))
        other = written[seed] = criterion(tree_of(np.repeat(values, TIMES, axis=2)))
        for name in ("elpd", "se", "p"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-10), name
        assert one.n_data_points == other.n_data_points == TIMES.sum()
        assert one.warning == other.warning
        np.testing.assert_allclose(np.repeat(one.elpd_i, TIMES), other.elpd_i, rtol=1e-12)
        absent = TIMES == 0
        predictive = logsumexp(values[..., absent], axis=(0, 1)) - np.log(500)
        np.testing.assert_allclose(one.elpd_i[absent], predictive, rtol=1e-12)
    if criterion is bg.waic:
        assert one.n_high_variance == other.n_high_variance > 0
    else:
        assert (one.pareto_k[absent] == 0.0).all()
        np.testing.assert_allclose(np.repeat(one.pareto_k, TIMES), other.pareto_k, atol=1e-10)
    ours, theirs = ranked(weighted), az.compare(written, round_to="none")
    for key, row in ours.items():
        expected = theirs.loc[key, ["elpd_diff", "dse", "weight"]].astype(float)
        np.testing.assert_allclose(list(row.values())[:2], expected[:2], rtol=1e-9)
        assert row["weight"] == pytest.approx(expected["weight"], abs=2e-4)


def test_one_copy_is_left_out():
    rows = AnnotatedRows(EIGHT[:, None], np.array([1.0, 2, 1, 1, 3, 1, 1, 1]))
    assert without_one(rows, 4).weights.tolist() == [1, 2, 1, 1, 2, 1, 1, 1]
    assert without_one(rows, 0).weights.tolist() == [2, 1, 1, 3, 1, 1, 1]
    assert rows.weights[4] == 3.0
    assert without_one(EIGHT[:, None], 7).ravel().tolist() == EIGHT[:7].tolist()


@pytest.mark.parametrize("moment_matching", [True, False])
def test_a_weighted_row_far_out_is_mended(moment_matching):
    """By quadrature: the evidence of all rows over that of all but one copy."""
    rows, times = OUTLYING[::2], np.array([2] * 10 + [1])
    data = bg.Dataset.from_frame(pd.DataFrame({"x": rows}), weights=times, weights_kind="frequency")
    spec = bg.MixtureSpec(1, priors=FIXED, resolution=0)
    posterior = bg.sample(data, spec, seed=3)
    # Without matching all rows are refitted, so that one of weight 2 is among them.
    options = {"limit": 0.7} if moment_matching else {"limit": -np.inf, "draws": 300, "tune": 200}
    result = loo_with_refits(posterior, moment_matching=moment_matching, seed=4, **options)
    assert result.n_data_points == 21 and not (result.pareto_k > 0.7).any()
    assert result.matched == ((10,) if moment_matching else ())
    written = np.repeat(rows, times)
    everything = evidence_by_enumeration(written, 1)
    for place in (10,) if moment_matching else (3, 10):
        rest = np.delete(written, int(times[:place].sum()))
        exact = everything - evidence_by_enumeration(rest, 1)
        error = float(result.error[place])
        assert error < 0.1
        assert abs(float(result.elpd_i[place]) - exact) < 4 * error
    assert result.elpd == pytest.approx(float(times @ result.elpd_i.values))


def test_a_refit_leaves_out_a_row_with_all_that_is_known_of_it():
    """The log ratio of two evidences, each by its own chains."""
    table = pd.DataFrame(
        {"x": [*EIGHT, 3.1], "y": [0.4, -0.3, 1.9, 0.1, -1.2, 2.4, 0.7, -0.9, 1.0]}
    )
    table.loc[2, "y"] = table.loc[7, "x"] = np.nan
    known = {
        "weights": [1, 1, 2, 1, 1, 1, 1, 1, 1],
        "labels": pd.Categorical(["low", "low", "low", *[None] * 3, *["high"] * 3]),
        "errors": {"y": 0.3},
    }
    spec = bg.MixtureSpec(2, "diag", FIXED, resolution=0)

    def evidence(frame, annotations):
        data = bg.Dataset.from_frame(frame, missing="mar", weights_kind="frequency", **annotations)
        posterior = bg.sample(data, spec, draws=700, seed=5)
        return posterior, bg.log_evidence(posterior, seed=1)

    posterior, of_all = evidence(table, known)
    settings = refits.ChainSettings(500, 300, 0.9, 1)
    terms, errors, _ = refits._refit(Draws(posterior), np.array([2, 7]), 4, settings, 3)
    for row, term, its_error in zip((2, 7), terms, errors, strict=True):
        rest = {**known, "weights": list(known["weights"])}
        rest["weights"][row] -= 1
        _, of_rest = evidence(table, rest)
        error = np.hypot(its_error, np.hypot(of_all.error, of_rest.error))
        assert error < 0.08
        assert abs(term - (of_all.value - of_rest.value)) < 4 * error


def airquality():
    table = pd.read_csv(REFERENCE / "airquality.csv")
    return bg.Dataset.from_frame(table.assign(Ozone=np.log(table["Ozone"])), missing="mar")


@pytest.mark.parametrize(
    ("rows", "draws"),
    [
        pytest.param(slice(10, 140, 65), 1000, id="2 rows"),
        pytest.param(slice(0, 160, 8), 1000, id="20 rows", marks=pytest.mark.slow),
    ],
)
def test_loo_of_incomplete_rows_is_exact_within_its_errors(rows, draws):
    """PSIS against refits without the row, by the errors of both."""
    posterior = bg.sample(airquality(), 2, draws=2 * draws, seed=1)
    plain = bg.loo(posterior)
    places = np.arange(153)[rows]
    settings = refits.ChainSettings(draws, 500, 0.9, 1)
    terms, errors, r_hat = refits._refit(Draws(posterior), places, 4, settings, 3)
    values = posterior["log_likelihood"]["x"].values.reshape(-1, 153)[:, places]
    ratios = np.exp(values.min(axis=0) - values)
    of_psis = ratios.std(axis=0) / ratios.mean(axis=0) / np.sqrt(len(ratios) / 4)
    together = np.hypot(errors, of_psis)
    assert together.max() < 0.1 and r_hat.max() < 1.05
    gaps = (plain.elpd_i.values[places] - terms) / together
    assert np.abs(gaps).max() < 3.0


def test_a_row_without_a_cell_has_the_term_0_wherever_rows_lie():
    rng = np.random.default_rng(20261130)
    values = np.concatenate([rng.normal(0.0, 1.0, (45, 2)), rng.normal(6.0, 1.0, (45, 2))])
    values[3], values[7, 0] = np.nan, np.nan
    frame = pd.DataFrame(values, columns=["a", "b"])
    data = bg.Dataset.from_frame(frame, missing="mar")
    tree = bg.sample(data, 2, draws=100, tune=200, seed=1)
    kept, by_blocks = bg.loo(tree), bg.loo(tree, rows=data)
    for found in (kept, by_blocks):
        assert (found.elpd_i.values[3], found.pareto_k.values[3]) == (0.0, 0.0)
        assert found.n_data_points == 90
    np.testing.assert_allclose(kept.elpd_i, by_blocks.elpd_i, atol=1e-7)
    others = bg.Dataset.from_frame(frame.drop(index=3), missing="mar")
    without = bg.loo(bg.sample(others, 2, draws=100, tune=200, seed=1))
    assert abs(kept.elpd - without.elpd) < 0.5
