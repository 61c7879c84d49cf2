"""The engine in JAX: the numbers of compiled code, in float64, and what it refuses."""

import subprocess
import sys

import jax
import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm.cli import main
from bayesgmm.data import as_dataset
from bayesgmm.data.capabilities import ANNOTATIONS, ROUTES
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood import engines
from bayesgmm.likelihood.engines import posterior_by, rows_by
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.rows import CHUNK
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from tests.support.places import ROOT


def blobs(n_rows, n_features, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, n_features)) + 4.0 * (rng.random((n_rows, 1)) < 0.4)


def both(rows, spec):
    """The log posterior by each engine."""
    data = as_dataset(rows)
    target = LogPosterior(resolve(spec, data), rows)
    return target, posterior_by("jax", target, data), data


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("n_rows", "n_features", "spec"),
    [
        (40, 1, MixtureSpec(1)),
        (700, 2, MixtureSpec(3)),
        (CHUNK + 77, 2, MixtureSpec(2, resolution=0.1)),
        (300, 3, MixtureSpec(2, "tied_spherical")),
        (300, 4, MixtureSpec(2, "diag", resolution=[0.1, 0.0, 0.2, 0.0])),
        (600, 23, MixtureSpec(2)),
    ],
)
def test_densities_moments_and_gradients_are_those_of_compiled_code(n_rows, n_features, spec):
    target, by_jax, data = both(blobs(n_rows, n_features), spec)
    points = 0.4 * np.random.default_rng(2).normal(size=(67, target.dim))
    told = []
    assert_close(by_jax.log_densities(points, tell=told.append), target.log_densities(points))
    assert told[-1] == 1.0
    ours, theirs = by_jax.evaluate(points[1]), target.evaluate(points[1])
    assert_close(ours.value, theirs.value)
    assert np.abs(ours.gradient - theirs.gradient).max() < 1e-10 * max(
        1.0, np.abs(theirs.gradient).max()
    )
    point = target.em_point(points[2])
    rows = rows_by("jax", target.resolved, data)
    found, expected = rows.moments(point), rows_by("compiled", target.resolved, data).moments(point)
    assert_close(found.log_likelihood, expected.log_likelihood)
    for name in ("mass", "centres", "scatters"):
        there = getattr(expected, name)
        assert np.abs(getattr(found, name) - there).max() < 1e-10 * max(1.0, np.abs(there).max())
    assert not jax.config.jax_enable_x64


def test_a_singular_covariance_has_no_density():
    target, by_jax, _ = both(blobs(300, 2), MixtureSpec(2, resolution=0))
    points = np.zeros((2, target.dim))
    points[1, target.slices["scales"]] = -800.0
    assert np.isfinite(by_jax.log_densities(points)).tolist() == [True, False]


def test_rows_are_gone_through_where_they_lie(tmp_path, monkeypatch):
    """Neither held on the device nor in memory: fit, draws and evidence of a Parquet file."""
    monkeypatch.setattr("bayesgmm.likelihood.jax.rows.HELD_BYTES", 0)
    rows = blobs(CHUNK + 500, 2)
    pd.DataFrame(rows, columns=["x", "y"]).to_parquet(tmp_path / "rows.parquet")
    data = bg.Dataset.from_parquet(tmp_path / "rows.parquet", in_memory=False)
    fits = [bg.fit_em(data, 2, seed=1, n_starts=4, engine=engine) for engine in engines.ENGINES]
    assert fits[1].log_likelihood == pytest.approx(fits[0].log_likelihood, rel=1e-10)
    np.testing.assert_allclose(fits[1].means, fits[0].means, atol=1e-5)
    options = {"method": "importance", "draws": 50, "seed": 1, "log_likelihood": False}
    trees = [bg.sample(data, 2, engine=engine, **options) for engine in engines.ENGINES]
    evidences = [bg.log_evidence(tree).value for tree in trees]
    assert evidences[1] == pytest.approx(evidences[0], abs=1e-4)
    lp = [tree.sample_stats.lp.values.mean() for tree in trees]
    assert lp[1] == pytest.approx(lp[0], abs=1.0)


def test_few_rows_have_the_same_mode_and_the_same_draws():
    rows = blobs(400, 2)
    modes = [bg.fit_map(rows, 2, seed=1, n_starts=4, engine=name) for name in engines.ENGINES]
    assert modes[1].log_posterior == pytest.approx(modes[0].log_posterior, rel=1e-9)
    options = {"method": "importance", "draws": 100, "seed": 1}
    trees = [bg.sample(rows, 2, engine=name, **options) for name in engines.ENGINES]
    np.testing.assert_allclose(
        trees[1].posterior.means.values, trees[0].posterior.means.values, rtol=1e-10
    )


REFUSED = {
    "family='t'": ({}, MixtureSpec(2, family="t")),
    "family='contaminated'": ({}, MixtureSpec(2, family="contaminated")),
    "noise": ({}, MixtureSpec(2, noise="uniform")),
    "factor-analytic components": ({}, MixtureSpec(2, "factor", n_factors=1)),
    "frequency weights": ({"weights": [1, 2] * 50, "weights_kind": "frequency"}, MixtureSpec(2)),
    "a survey's weights": ({"weights": [1, 2] * 50, "weights_kind": "sampling"}, MixtureSpec(2)),
    "missing cells": ({"missing": "mar"}, MixtureSpec(2)),
    "known labels": ({"labels": ["a", "b"] * 50}, MixtureSpec(2)),
    "errors of single rows": ({"errors": {"x1": 0.1}}, MixtureSpec(2)),
}


def test_the_table_of_capabilities_says_so():
    said = {*ROUTES['engine="jax"']} - {"t", "contaminated", "noise"}
    assert {ANNOTATIONS[each] for each in said} <= REFUSED.keys()


@pytest.mark.parametrize("why", REFUSED)
def test_what_it_cannot_do_is_refused_before_the_start(why):
    known, spec = REFUSED[why]
    frame = pd.DataFrame(blobs(100, 3), columns=["x1", "x2", "x3"])
    if known.get("missing"):
        frame.loc[3, "x1"] = np.nan
    data = bg.Dataset.from_frame(frame, **known)
    verbs = [(bg.fit_em, {}), (bg.sample, {"method": "importance"})]
    for verb, options in verbs[: 1 if "survey" in why else 2]:  # whose draws are refused anyway
        with pytest.raises(ConfigError, match=f"engine='jax' does not take {why}") as refused:
            verb(data, spec, engine="jax", **options)
        assert "engine='compiled'" in str(refused.value)


def test_it_takes_no_other_method_and_no_unknown_engine_is_taken():
    rows = blobs(100, 2)
    with pytest.raises(ConfigError, match="pass method='importance'"):
        bg.sample(rows, 2, engine="jax")
    for verb in (bg.fit_em, bg.fit_map, bg.sample):
        with pytest.raises(ConfigError, match="engine must be one of compiled, jax, got 'torch'"):
            verb(rows, 2, engine="torch")


def test_comparisons_commands_and_model_files_take_it(tmp_path, capsys):
    rows = blobs(300, 1)
    options = {"draws": 120, "seed": 1, "method": "importance", "evidence": "none"}
    here, there = (bg.compare(rows, [1], engine=name, **options) for name in engines.ENGINES)
    assert_close(
        there.posteriors[1].posterior.means.values, here.posteriors[1].posterior.means.values
    )
    with pytest.raises(ConfigError, match="pass method='importance'"):
        bg.compare(rows, [1], engine="jax")
    with pytest.raises(ConfigError, match="engine='jax' does not take family='t'"):
        bg.compare(rows, [1, 2], family="t", engine="jax", **options)
    pd.DataFrame(rows, columns=["x"]).to_csv(tmp_path / "rows.csv", index=False)
    file = tmp_path / "rows.toml"
    file.write_text(
        "data.file = 'rows.csv'\nmodel.n_components = 1\ncompute.engine = 'jax'\n"
        "sampler.method = 'nuts'"
    )
    with pytest.raises(ConfigError, match="pass method='importance'"):
        bg.run_analysis(file, out=tmp_path / "out")
    asked = ["sample", str(tmp_path / "rows.csv"), "-k", "1", "--engine", "jax"]
    assert main([*asked, "--method", "nuts"]) == 2
    assert "--engine 'jax'" in capsys.readouterr().err
    assert main([*asked, "--method", "importance", "--draws", "30", "--out",
                 str(tmp_path / "p.nc"), "--seed", "1"]) in (0, 3)  # fmt: skip
    assert main(["fit", str(tmp_path / "rows.csv"), "-k", "1", "--engine", "jax"]) == 0


def test_where_jax_is_missing_the_cure_is_named(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"JAX is not installed; install bayesgmm\[jax\]"):
        bg.fit_em(blobs(100, 2), 2, engine="jax")


def test_jax_is_not_loaded_unless_it_is_asked_for():
    code = (
        "import sys, numpy as np, bayesgmm as bg;"
        "bg.fit_em(np.random.default_rng(1).normal(size=(60, 1)), 1, seed=1);"
        "print('jax' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_the_script_for_devices_needs_few_packages_and_finds_the_engines_equal():
    code = (
        "import runpy, sys\n"
        "absent = {'lazy_loader', 'pydantic', 'pandas', 'xarray', 'pymc', 'arviz', 'pyarrow'}\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in absent:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "sys.argv = ['tests.device', '--rows', '5000']\n"
        "runpy.run_module('tests.device', run_name='__main__')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert "JAX on the CPU" in run.stdout
    assert run.stdout.count("million rows a second") == 3
