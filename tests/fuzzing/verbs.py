"""All that is public and takes arguments, each with arguments that are right."""

import inspect
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

import bayesgmm as bg
from bayesgmm import plots
from bayesgmm.diagnosis.status import Finding

__all__ = ["NOT_WALKED", "Material", "Verb", "public_names", "verbs"]

Arguments = dict[str, Any]
SHORT: Arguments = {"draws": 15, "tune": 20, "chains": 2, "seed": 1}
FEW = {"n_starts": 2, "max_iter": 20}


class Verb(NamedTuple):
    """What is called, and what makes arguments for it that are right."""

    name: str
    call: Callable[..., Any]
    given: Arguments
    signature: inspect.Signature


class Material:
    """Small data, fits and posteriors of every kind, each made once; ``place`` is for files."""

    def __init__(self, place: Path) -> None:
        self.place = place

    @cached_property
    def with_factors(self) -> xr.DataTree:
        rows = np.random.default_rng(4).normal(size=(40, 4))
        return bg.sample(rows, bg.MixtureSpec(1, "factor", n_factors=1), **SHORT)

    @cached_property
    def rows(self) -> np.ndarray:
        rng = np.random.default_rng(3)
        return np.round(rng.normal(size=(40, 2)) + 6.0 * (np.arange(40) % 2)[:, None], 3)

    @cached_property
    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=["x1", "x2"])

    @cached_property
    def data(self) -> bg.Dataset:
        return bg.Dataset.from_frame(self.frame)

    @cached_property
    def annotated(self) -> bg.Dataset:
        frame = self.frame.copy()
        frame.loc[3, "x2"] = np.nan
        labels = ["a", "b"] * 4 + [None] * 32
        return bg.Dataset.from_frame(frame, missing="mar", labels=labels, errors={"x1": 0.1})

    @cached_property
    def fit(self) -> bg.PointFit:
        return bg.fit_em(self.rows, 2, seed=1, n_starts=2)

    @cached_property
    def tree(self) -> xr.DataTree:
        return bg.sample(self.rows, 2, **SHORT)

    @cached_property
    def tailed(self) -> bg.PointFit:
        spec = bg.MixtureSpec(2, family="t", noise="uniform")
        return bg.fit_em(self.rows, spec, seed=1, n_starts=2)

    @cached_property
    def annotated_tree(self) -> xr.DataTree:
        return bg.sample(self.annotated, 2, **SHORT)

    @cached_property
    def comparison(self) -> bg.Comparison:
        options = {**SHORT, "max_draws": 0, "evidence": "bridge"}
        return bg.compare(self.rows, [1, 2], **options)

    @cached_property
    def loo(self) -> Any:
        return bg.loo(self.tree)

    @cached_property
    def grid(self) -> pd.DataFrame:
        return bg.bic_grid(self.rows, 2, "full", seed=1, **FEW)

    @cached_property
    def imputation(self) -> bg.Imputation:
        return bg.impute(self.annotated_tree, seed=1)

    @cached_property
    def over_k(self) -> bg.PosteriorsOverK:
        evidences = {k: bg.Evidence(-9.0 + k, 0.02, "bridge", 1000, 1) for k in (1, 2)}
        found = bg.posterior_over_k(evidences)
        over = pd.DataFrame(found.table["probability"].to_numpy()[None], ["flat"], [1, 2])
        return bg.PosteriorsOverK(over, over, over, {"flat": found}, {})

    @cached_property
    def coarsened(self) -> bg.Coarsened:
        return bg.coarsened(self.comparison, [4.0], draws=40, tune=40)

    @cached_property
    def csv(self) -> Path:
        path = self.place / "rows.csv"
        self.frame.to_csv(path, index=False)
        return path

    @cached_property
    def parquet(self) -> Path:
        path = self.place / "rows.parquet"
        self.frame.to_parquet(path)
        return path

    @cached_property
    def saved(self) -> Path:
        return bg.save(self.tree, self.place / "saved.nc")

    @cached_property
    def model_file(self) -> Path:
        path = self.place / "rows.toml"
        path.write_text(
            f"[data]\nfile = '{self.csv}'\n[model]\nn_components = [1, 2]\n"
            "[sampler]\ndraws = 15\ntune = 20\nseed = 1\nmax_draws = 0\nevidence = 'bridge'\n"
        )
        return path

    @cached_property
    def estimator(self) -> bg.GaussianMixture:
        return bg.GaussianMixture(2, random_state=1).fit(self.rows)

    @cached_property
    def plot(self) -> bg.Plot:
        return plots.em_path(self.fit)


NOT_WALKED = {
    "Dataset.from_dask": "test_dask.py calls it: each call may start workers",
    "Dataset.completed": "fits ask it for rows of the data set itself",
    "Dataset.of_blocks": "its own checks and counts ask it, with functions of this package",
    "GaussianMixture.get_params": "scikit-learn's",
    "GaussianMixture.set_fit_request": "scikit-learn's",
    "GaussianMixture.set_params": "scikit-learn's",
    "GaussianMixture.set_score_request": "scikit-learn's",
    "robustness": "the three studies that it makes are walked",
}
_MAKERS = ("MixtureSpec", "Priors", "GaussianMixture")  # other classes are what verbs return


def public_names() -> Iterator[str]:
    """Yield the names of public functions and methods that take arguments."""
    for name in bg.__all__:
        value = getattr(bg, name)
        if isinstance(value, ModuleType):
            yield from (
                f"{name}.{each}"
                for each in value.__all__
                if inspect.isfunction(getattr(value, each))
            )
        elif inspect.isclass(value):
            if name in _MAKERS:
                yield name
            yield from (f"{name}.{each}" for each in _methods(value))
        elif callable(value):
            yield name


def _methods(owner: type) -> Iterator[str]:
    """Yield the methods that take arguments, and those that scikit-learn puts there."""
    for name in dir(owner):
        if name.startswith("_") or issubclass(owner, BaseException):
            continue
        method = inspect.getattr_static(owner, name)
        made = isinstance(method, classmethod | staticmethod) or "Request" in type(method).__name__
        if made or (inspect.isfunction(method) and len(inspect.signature(method).parameters) > 1):
            yield name


def _fitted(**options: Any) -> Any:
    rows = np.random.default_rng(3).normal(size=(40, 2))
    return bg.GaussianMixture(**options).fit(rows)


def _of_comparison(comparison: bg.Comparison, key: Any) -> Any:
    return comparison.fits[key], comparison.posteriors[key]


def verbs(material: Material) -> Iterator[Verb]:
    """Yield all verbs with arguments that are right."""
    made = {**_data(material), **_fits(material), **_draws(material), **_pictures(material)}
    for name, given in made.items():
        owner, _, method = name.rpartition(".")
        call = getattr(getattr(bg, owner) if owner else bg, method)
        shown = call
        if "self" in given:
            call = getattr(given["self"], method)
            shown, given = call, {key: value for key, value in given.items() if key != "self"}
        if name == "GaussianMixture":
            call = _fitted
        yield Verb(name, call, given, inspect.signature(shown, eval_str=False))
    key = inspect.Parameter("key", inspect.Parameter.KEYWORD_ONLY, annotation="MixtureSpec | int")
    given = {"comparison": material.comparison, "key": 2}
    yield Verb("ByModel", _of_comparison, given, inspect.Signature([key]))


def _data(m: Material) -> dict[str, Arguments]:
    return {
        "Dataset.from_csv": {"path": m.csv},
        "Dataset.from_frame": {"df": m.frame},
        "Dataset.from_parquet": {"path": m.parquet},
        "Dataset.blocks": {"self": m.data, "max_rows": 7},
        "MixtureSpec": {"n_components": 2},
        "MixtureSpec.from_dict": {"values": {"n_components": 2}},
        "MixtureSpec.n_coordinates": {"self": bg.MixtureSpec(2), "n_features": 2},
        "MixtureSpec.n_parameters": {"self": bg.MixtureSpec(2), "n_features": 2},
        "Priors": {},
        "Priors.from_dict": {"values": {"eta": 1.0}},
        "build_model": {"data": m.rows, "spec": 2},
        "load": {"path": m.saved},
        "save": {"posterior": m.tree, "path": m.place / "again.nc", "overwrite": True},
        "run_analysis": {"path": m.model_file, "out": m.place / "out", "overwrite": True,
                         "draws": 15, "tune": 20},
        "Evidence.with_error": {"self": bg.Evidence(1.0, 0.1, "bridge", 10, 1), "error": 0.2},
        "Diagnosis.with_finding": {
            "self": bg.diagnose(m.tree),
            "finding": Finding(bg.RunStatus.TOO_FEW_DRAWS, "few"),
        },
        "Comparison.chosen": {"self": m.comparison, "criterion": "bic"},
        "Comparison.shortfalls": {"self": m.comparison, "chosen": 2},
        "Imputation.data_sets": {"self": m.imputation, "n": 2},
        "cluster_colour": {"number": 1},
        "write_predictions": {"posterior": m.tree, "rows": m.data, "path": m.place / "p.parquet",
                              "overwrite": True},
        "write_report": {"comparison_or_posterior": m.tree, "path": m.place / "r.html",
                         "overwrite": True},
    }  # fmt: skip


def _fits(m: Material) -> dict[str, Arguments]:
    fit = {"data": m.rows, "spec": 2, "seed": 1, **FEW}
    scored = {"self": m.estimator, "X": m.rows}
    return {
        "fit_em": fit,
        "fit_map": fit,
        "bic_grid": {"data": m.rows, "n_components": [1, 2], "covariance": "full", "seed": 1,
                     **FEW},
        "bootstrap_lrt": {"data": m.rows, "n_components": 1, "n_bootstrap": 3, "n_starts": 1,
                          "seed": 1},
        "hard_comparison": {"data": m.rows, "fit": m.fit, "seed": 1},
        "GaussianMixture": {"n_components": 2, "random_state": 1},
        "GaussianMixture.fit": {**scored, "self": bg.GaussianMixture(2, random_state=1)},
        "GaussianMixture.fit_predict": {**scored, "self": bg.GaussianMixture(2, random_state=1)},
        **{f"GaussianMixture.{name}": scored for name in
           ("aic", "bic", "predict", "predict_proba", "score", "score_samples")},
        "GaussianMixture.sample": {"self": m.estimator, "n_samples": 3},
    }  # fmt: skip


def _draws(m: Material) -> dict[str, Arguments]:
    posterior = {"posterior": m.tree}
    seeded = {**posterior, "seed": 1}
    return {
        "sample": {"data": m.rows, "spec": 2, **SHORT},
        "compare": {"data": m.rows, "n_components": [1], "max_draws": 0, "evidence": "none",
                    **SHORT},
        "adopt": {"tree": m.tree, "data": m.rows, "spec_or_model": 2},
        "extend": {**seeded, "draws": 5},
        **{name: posterior for name in
           ("agreement", "correlation_matrices", "diagnose", "loo", "relabel", "summarize",
            "label_free", "waic")},
        **{name: seeded for name in
           ("combine_modes", "log_evidence", "weigh_modes")},
        "smc_evidence": {**seeded, "n_particles": 16, "n_runs": 2},
        "loo_with_refits": {**seeded, "draws": 15, "tune": 20, "chains": 2, "max_refits": 1},
        "posterior_over_k": {"comparison": m.comparison, "seed": 1},
        "posteriors_over_k": {"comparison": m.comparison, "priors": {"flat": {}}},
        "posterior_predictive": {**seeded, "n": 3},
        "impute": {"posterior": m.annotated_tree, "seed": 1},
        "true_values": {"posterior": m.annotated_tree, "seed": 1},
        "label_accuracy": {"posterior": m.annotated_tree},
        **{name: posterior for name in
           ("coclustering", "density", "density_modes", "log_density", "membership",
            "merge_components", "overlap")},
        "average": {"comparison": m.comparison},
        "clusters_by_family": {"comparison": m.comparison, "model": bg.MixtureSpec(2)},
        "probability_by_rows": {"comparison": m.comparison, "n_particles": 16, "n_runs": 4},
        "coarsened": {"comparison": m.comparison, "alphas": [4.0], "draws": 40, "tune": 40},
        "sensitivity": {
            "comparison": m.comparison, "scale": [1.1], "eta": [], "concentration": [],
            "step": [], "sample_anew": False,
        },
        "write_table": {"table": bg.summarize(m.tree), "path": Path("table.md"), "overwrite": True},
        "name_clusters": {"result": m.tree, "cluster_names": ["a", "b"]},
        "group_membership": {**posterior, "partition": bg.partition(m.tree, seed=1)},
        "density_grid": {**posterior, "size": 5},
        "partition": {**posterior, "seed": 1},
        "simulate": {**posterior, "n": 5, "seed": 1},
        "strays": {"posterior": m.tailed, "rows": m.rows},
        "most_ambiguous": {"membership": bg.membership(m.tree), "n": 3},
    }  # fmt: skip


def _pictures(m: Material) -> dict[str, Arguments]:
    fit, posterior = {"posterior": m.fit}, {"posterior": m.tree}
    return {
        "plots.bic_grid": {"table": m.grid},
        "plots.coclustering": {"probabilities": bg.coclustering(m.tree)},
        "plots.correlations": fit,
        "plots.criteria": {"comparison": m.comparison},
        "plots.density_1d": {**fit, "rows": m.rows, "feature": "x1"},
        "plots.density_2d": {**fit, "rows": m.rows, "features": ("x1", "x2")},
        "plots.density_pairs": {**fit, "rows": m.rows, "features": ("x1", "x2")},
        "plots.em_path": {"fit": m.fit},
        "plots.forest": fit,
        "plots.loadings": {"posterior": m.with_factors},
        "plots.membership": {**fit, "rows": m.rows},
        "plots.over_alpha": {"coarsened": m.coarsened},
        "plots.over_k": {"posteriors": m.over_k},
        "plots.pareto_k": {"elpd": m.loo},
        "plots.posterior_predictive": {**posterior, "n": 3, "seed": 1},
        "plots.prior_posterior": posterior,
        "plots.prior_predictive": {"source": m.rows, "spec": 2, "seed": 1},
        "plots.profile": posterior,
        "plots.ranks": posterior,
        "plots.traces": posterior,
        "Plot.savefig": {"self": m.plot, "path": m.place / "plot.png"},
    }
