"""Importance sampling at the modes: draws, evidence and verdict."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm.data import as_dataset
from bayesgmm.errors import ConfigError
from bayesgmm.evidence.bridge import bridge
from bayesgmm.likelihood.climbing import some_rows
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.limits import NO_MASS
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.sampling import methods, staged_search
from bayesgmm.sampling.mode_search import find_modes
from bayesgmm.sampling.permuting import permutation_matrix
from bayesgmm.sampling.posterior_modes import climb
from bayesgmm.sampling.student_mixture import StudentMixture
from tests.benchmarks.simulated import simulated_rows
from tests.support.annotated import everything_known
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


@pytest.mark.parametrize("rows", ["plain", "annotated"])
@pytest.mark.parametrize(
    "options",
    [{}, {"family": "t"}, {"family": "t", "nu": "own"}, {"noise": "uniform"}],
    ids=["normal", "t", "t, own nu", "noise"],
)
def test_every_family_and_kind_of_rows_is_sampled_right(options: dict[str, Any], rows: str) -> None:
    """The chains' moments are those of NUTS, the evidence that of a bridge from NUTS's draws."""
    if rows == "annotated":
        data = everything_known(300)
    else:
        strays = np.random.default_rng(3).uniform(-4.0, 12.0, (15, 1))
        data = as_dataset(np.concatenate([rows_of(300), strays]))
    spec = bg.MixtureSpec(2, **options)
    seen: dict[str, Any] = {"seed": 1, "log_likelihood": False}
    tree = bg.sample(data, spec, method="importance", **seen)
    nuts = bg.sample(data, spec, method="nuts", **seen)
    mine, theirs = bg.summarize(tree), bg.summarize(nuts)
    apart = (mine["mean"] - theirs["mean"]) / np.hypot(mine["mcse_mean"], theirs["mcse_mean"])
    assert abs(apart).max() < 4.5
    np.testing.assert_allclose(mine["sd"], theirs["sd"], rtol=0.2)
    evidence, bridged = bg.log_evidence(tree, seed=1), bg.log_evidence(nuts, seed=1)
    assert abs(evidence.value - bridged.value) < 4.0 * np.hypot(evidence.error, bridged.error)


def test_a_survey_is_refused_before_the_start() -> None:
    frame = pd.DataFrame(rows_of(60), columns=["x"])
    data = bg.Dataset.from_frame(frame, weights=1.0 + np.arange(60) % 2, weights_kind="sampling")
    with pytest.raises(bg.DataError, match="sample, by importance sampling does not take a survey"):
        bg.sample(data, 2, method="importance")


@pytest.mark.parametrize("options", [{}, {"family": "t"}, {"noise": "uniform"}])
def test_threads_do_not_change_a_bit(options: dict[str, Any]) -> None:
    found = [
        bg.sample(
            rows_of(9_000),
            bg.MixtureSpec(2, **options),
            method="importance",
            draws=30,
            chains=2,
            seed=1,
            cores=cores,
            relabel=None,
            log_likelihood=False,
        )
        for cores in (1, 2, 3)
    ]
    for other in found[1:]:
        assert np.array_equal(other.posterior.means, found[0].posterior.means)
        assert other.attrs["importance"] == found[0].attrs["importance"]


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


def test_a_mode_that_the_search_lacks_is_found_by_particles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two clusters for three groups: the search is made to hand over its last mode alone."""
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.normal(at, 1.0, (100, 1)) for at in (0.0, 6.0, 13.0)])
    options: dict[str, Any] = {"method": "importance", "seed": 1, "log_likelihood": False}
    whole = bg.sample(rows, 2, **options)
    assert len(whole["posterior_modes"].mode) > 1
    search = methods.search_in_stages
    monkeypatch.setattr(methods, "search_in_stages", lambda *plan: search(*plan)[-1:])
    tree = bg.sample(rows, 2, **options)
    right, found = bg.log_evidence(whole, seed=1), bg.log_evidence(tree, seed=1)
    assert abs(found.value - right.value) < 4.0 * np.hypot(found.error, right.error)


@pytest.mark.parametrize(("last", "n_kept"), [(4_000, 2), (1_500, 1)])
def test_only_modes_without_mass_given_all_rows_are_left_behind(last: int, n_kept: int) -> None:
    """Three groups for two clusters: on mirrored rows both modes are alike, on others not."""
    half = np.random.default_rng(1).normal(size=(6_000, 1))
    half[4_000:] = 8.0 + np.abs(half[4_000:])
    rows = np.concatenate([half, (16.0 - half)[4_000 - last :]])
    data = as_dataset(rows)
    target = LogPosterior(resolve(MixtureSpec(2), data), rows)
    coarse = some_rows(target, 1_000, 1)
    modes = find_modes(coarse, data, 1)
    kept = staged_search._in_reach(target, coarse, modes)
    values = [climb(target, mode.x)[1] for mode in modes]
    assert len(modes) == 2 and len(kept) == n_kept
    assert (abs(values[0] - values[1]) > NO_MASS) == (n_kept == 1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("shape", [(1, 2), (1, 4), (2, 2), (2, 3), (3, 3), (5, 3)])
def test_the_evidence_of_many_rows_is_that_of_bridge_and_particles(shape: tuple[int, int]) -> None:
    n_features, n_components = shape
    rows = simulated_rows(10_000, n_features, n_components)
    options: dict[str, Any] = {"seed": 1, "log_likelihood": False, "draws": 500}
    tree = bg.sample(rows, n_components, method="importance", **options)
    nuts = bg.sample(rows, n_components, method="nuts", tune=500, **options)
    mine, bridged = bg.log_evidence(tree, seed=1), bg.log_evidence(nuts, seed=1)
    tempered = bg.smc_evidence(nuts, seed=1)
    for other in (bridged, tempered):
        assert abs(mine.value - other.value) < 3.0 * np.hypot(mine.error, other.error), other


def test_comparisons_and_model_files_take_the_method(tmp_path: Path) -> None:
    rows, few = rows_of(300), {"draws": 200, "seed": 1}
    comparison = bg.compare(rows, 2, method="importance", evidence="bridge", **few)
    assert "importance" in comparison.posteriors[2].attrs
    assert comparison.table["evidence_method"].iloc[0].startswith("importance")
    np.savetxt(tmp_path / "rows.csv", rows, header="x", comments="")
    file = tmp_path / "rows.toml"
    file.write_text(
        "data.file = 'rows.csv'\nmodel.n_components = 1\n"
        "sampler.method = 'importance'\nsampler.evidence = 'none'\n"
    )
    result = bg.run_analysis(file, out=tmp_path / "out", **few)
    assert "importance" in result.comparison.posteriors[1].attrs
    report = result.files["report"].read_text()
    assert "method=&#39;importance&#39;" in report and "Importance weights" in report
    file.write_text(file.read_text().replace("'importance'", "'gibbs'"))
    with pytest.raises(ConfigError, match="method"):
        bg.run_analysis(file)
    with pytest.raises(ConfigError, match="method must be"):
        bg.compare(rows, 2, method="gibbs")
