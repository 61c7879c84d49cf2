"""Importance sampling at the modes: draws, evidence and verdict."""

import logging

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.data import as_dataset
from bayesgmm.evidence.bridge import bridge
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.resolved import resolve
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.sampling.mode_search import find_modes
from bayesgmm.sampling.permuting import permutation_matrix
from bayesgmm.sampling.student_mixture import StudentMixture
from tests.support.places import ROOT

FAITHFUL = np.loadtxt(ROOT / "models/data/faithful.csv", delimiter=",", skiprows=1)


def rows_of(n: int) -> np.ndarray:
    rng = np.random.default_rng(n)
    return np.concatenate(
        [rng.normal(0.0, 1.0, (n // 3, 1)), rng.normal(6.0, 1.5, (n - n // 3, 1))]
    )


def test_draws_and_evidence_are_those_of_nuts_and_bridge() -> None:
    options = {"seed": 1, "log_likelihood": False}
    tree = bg.sample(rows_of(600), 2, method="importance", **options)
    nuts = bg.sample(rows_of(600), 2, method="nuts", **options)
    assert bg.diagnose(tree).ok
    mine, theirs = bg.summarize(tree), bg.summarize(nuts)
    apart = (mine["mean"] - theirs["mean"]) / theirs["sd"]
    assert abs(apart).max() < 0.12
    np.testing.assert_allclose(mine["sd"], theirs["sd"], rtol=0.12)
    evidence, other = bg.log_evidence(tree, seed=1), bg.log_evidence(nuts, seed=1)
    assert "importance" in evidence.method
    assert abs(evidence.value - other.value) < 4.0 * np.hypot(evidence.error, other.error)
    view = Draws(tree)
    value, error = bridge(view.target, view.coordinates, 1)
    assert abs(evidence.value - value) < 4.0 * np.hypot(evidence.error, error)


def test_many_rows_are_sampled_at_the_modes_and_few_by_nuts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "bayesgmm.sampling.methods")
    many = bg.sample(rows_of(12_000), 2, draws=200, seed=1, log_likelihood=False, relabel=None)
    few = bg.sample(rows_of(60), 2, draws=20, tune=50, seed=1)
    said = [line for line in caplog.messages if line.startswith("method ")]
    assert [line.split()[1] for line in said] == ["importance:", "nuts:"]
    assert "importance" in many.attrs
    assert "importance" not in few.attrs
    same = bg.sample(rows_of(60), 2, draws=20, tune=50, seed=1, method="nuts")
    assert np.array_equal(few.posterior.means, same.posterior.means)


def test_a_run_that_lacks_a_part_of_the_posterior_says_so() -> None:
    tree = bg.sample(FAITHFUL, 3, method="importance", draws=2000, seed=1)
    evidence = bg.log_evidence(tree, seed=1)
    assert abs(evidence.value + 1161.49) < 0.05 or not bg.diagnose(tree).ok


def test_the_proposal_adds_up_all_labels() -> None:
    target = LogPosterior(resolve(MixtureSpec(2), as_dataset(FAITHFUL)), FAITHFUL)
    (mode, *_) = find_modes(target, as_dataset(FAITHFUL), 1)
    proposal = StudentMixture.at_modes(target, [mode], np.ones(1), 30.0)
    points = proposal.draw(200, np.random.default_rng(1))
    swap = permutation_matrix(target, np.array([1, 0]))
    between = np.linspace(points[0], swap @ points[0], 21)
    here = [proposal._log_term(0, between), proposal._log_term(0, between @ swap.T)]
    brute = np.logaddexp(*here) - np.log(2.0)
    np.testing.assert_allclose(proposal.log_density(between), brute, atol=1e-6)
