"""Wrong arguments of the public verbs: each is refused before any work, by name and value."""

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import bayesgmm
import bayesgmm as bg
from bayesgmm import plots
from bayesgmm.errors import (
    ConfigError,
    DataError,
    NotFittedError,
    ResourceError,
    ResultFileError,
)
from tests.support.bad_inputs.data_cases import GOOD, Case

ROWS = GOOD[:, :2]
NAN = float("nan")
SHORT: dict[str, Any] = {"draws": 15, "tune": 30, "chains": 2, "seed": 1}


@cache
def tree() -> xr.DataTree:
    return bayesgmm.sample(ROWS, 2, **SHORT)


@cache
def bare_tree() -> xr.DataTree:
    return bayesgmm.sample(ROWS, 2, log_likelihood=False, **SHORT)


@cache
def point() -> bayesgmm.PointFit:
    return bayesgmm.fit_em(ROWS, 2, seed=1)


def call(
    name: str, run: Callable[[], Any], *words: str, error: type[Exception] = ConfigError
) -> Case:
    return Case(f"call: {name}", lambda _: run(), words, error)


def option(verb: str, name: str, value: Any, *words: str, **more: Any) -> Case:
    """A verb that takes data and a spec, with one wrong option."""
    given = {**(SHORT if verb in ("sample", "compare") else {}), name: value, **more}
    return call(
        f"{verb}({name}={value!r:.30})",
        lambda: getattr(bayesgmm, verb)(ROWS, 2, **given),
        *(words or (name, repr(value)[:80])),
    )


def components(verb: str, value: Any, *words: str, error: type[Exception] = ConfigError) -> Case:
    given = SHORT if verb in ("sample", "compare") else {}
    return call(
        f"{verb} K={value!r:.30}",
        lambda: getattr(bayesgmm, verb)(ROWS, value, **given),
        *words,
        error=error,
    )


def no_posterior(verb: Callable[..., Any], *more: Any) -> list[Case]:
    """Something else where a posterior is needed."""
    others = {"None": None, "text": "posterior.nc", "an array": ROWS, "a mapping": {"posterior": 1}}
    name = f"{verb.__module__.split('.')[1]}.{verb.__name__}"
    return [
        call(f"{name} of {what}", lambda v=value: verb(v, *more), type(value).__name__)
        for what, value in others.items()
    ] + [call(f"{name} of an empty tree", lambda: verb(xr.DataTree(), *more), "posterior")]


COUNTS = [
    *(components(verb, 0, "n_components must be", ">= 1", "got 0") for verb in
      ("fit_em", "fit_map", "sample", "compare", "build_model")),
    components("fit_em", 1.5, "n_components must be an integer >= 1, got 1.5."),
    components("fit_map", "2", "n_components must be an integer >= 1, got '2'."),
    components("sample", True, "got True"),
    components("sample", None, "needs a spec"),
    components("fit_em", np.array([2]), "got array([2])"),
    components("fit_em", 20, "20 components", "got 20", error=DataError),
    components("sample", 10**9, "1000000000", error=DataError),
    components("compare", [], "at least one K"),
    components("compare", [1, 1], "none twice"),
    components("compare", "1-3", "got '1-3'"),
    components("compare", None, "got None"),
    components("compare", [1.5], "got 1.5"),
    components("compare", [[1]], "got [1]"),
]  # fmt: skip

OPTIONS = [
    *(option(verb, "seed", value, "seed must be an integer >= 0 or None", repr(value))
      for verb in ("fit_em", "fit_map", "sample", "compare") for value in (-1, 1.5, "a", True)),
    *(option(verb, "tol", value) for verb in ("fit_em", "fit_map") for value in (0, NAN, "a")),
    option("fit_em", "n_starts", 0, "n_starts must be an integer >= 1, got 0."),
    option("fit_map", "max_iter", -1, "max_iter must be an integer >= 1, got -1."),
    *(option("sample", "draws", value, "draws must be an integer >= 1") for value in (0, 1.5, NAN)),
    option("sample", "tune", 0, "tune must be an integer >= 1, got 0."),
    option("sample", "chains", "4", "chains must be an integer >= 1, got '4'."),
    option("sample", "cores", 0, "cores must be an integer >= 1, got 0."),
    option("sample", "cores", -1, "got -1"),
    *(option("sample", "target_accept", v, "between 0 and 1") for v in (0, 1, NAN, "a", None)),
    option("sample", "method", "hmc", "one of auto, nuts, smc, importance, got 'hmc'."),
    option("sample", "relabel", "x", "stephens, ecr, pivot", "got 'x'"),
    call("sample(model=3)", lambda: bayesgmm.sample(ROWS, model=3), "pymc.Model", "int"),
    option("sample", "progress", "x", "True, False or a function", "'x'"),
    option("compare", "covariance", "XYZ", "'tied_spherical'", "got 'XYZ'"),
    option("compare", "covariance", ["full", "XYZ"], "'tied_spherical'", "got 'XYZ'"),
    option("compare", "covariance", ["full", "VVV"], "at least one structure and none twice"),
    *(option("compare", "covariance", v, "covariance", repr(v)) for v in (3, None, [], {})),
    option("compare", "priors", 3, "priors", "got 3"),
    option("compare", "resolution", -1, "resolution"),
    option("compare", "max_draws", -1, "max_draws must be an integer >= 0, got -1."),
    option("compare", "target_accept", 1, "between 0 and 1", "got 1"),
    option("compare", "draws", 0, "draws must be an integer >= 1, got 0."),
    option("compare", "draws", 5, "LOO needs at least 25 draws", "got 10"),
    option("compare", "priors", bayesgmm.Priors(concentration=(1.0, 2.0)), "in compare"),
    call(
        "sample(draws=10**12)",
        lambda: bayesgmm.sample(ROWS, 2, draws=10**12),
        "GiB",
        "log_likelihood=False",
        error=ResourceError,
    ),
]  # fmt: skip


def priors(**values: Any) -> Case:
    (name,) = values
    return call(f"Priors({values})"[:60], lambda: bayesgmm.Priors(**values), name)


def spec(**values: Any) -> Case:
    (name,) = values
    return call(f"MixtureSpec({values})"[:60], lambda: bayesgmm.MixtureSpec(2, **values), name)


SPECS = [
    *(priors(eta=value) for value in (0, -1.0, NAN, "2", True)),
    priors(concentration=0),
    priors(concentration=(1.0, -1.0)),
    priors(mean_scale=-1),
    priors(scale="a"),
    priors(scale_family="gamma"),
    *(priors(**{name: 0}) for name in ("scale_shape", "scale_rate", "hyper_shape", "hyper_rate")),
    priors(units="cm"),
    priors(mean_location="x"),
    priors(etta=1.0),
    spec(covariance="XYZ"),
    spec(resolution="fine"),
    spec(resolution=(1.0, NAN)),
    spec(resolution=True),
    spec(sigma=1.0),
    call(
        "three scales of two features",
        lambda: bayesgmm.sample(
            ROWS, bayesgmm.MixtureSpec(2, priors=bayesgmm.Priors(scale=(1.0, 2.0, 3.0)))
        ),
        "scale must be one number or one per feature (2), got 3 numbers.",
    ),
    call(
        "fit_map with a concentration below 1",
        lambda: bayesgmm.fit_map(
            ROWS, bayesgmm.MixtureSpec(2, priors=bayesgmm.Priors(concentration=0.5))
        ),
        "no mode",
        "got 0.5",
    ),
]

POSTERIORS = [
    *(case for verb in (
        bayesgmm.diagnose, bayesgmm.summarize, bayesgmm.label_free, bayesgmm.relabel,
        bayesgmm.agreement, bayesgmm.waic, bayesgmm.loo, bayesgmm.loo_with_refits,
        bayesgmm.log_evidence, bayesgmm.smc_evidence, bayesgmm.weigh_modes,
        bayesgmm.combine_modes, bayesgmm.membership, bayesgmm.coclustering, bayesgmm.partition,
        bayesgmm.overlap, bayesgmm.density_grid, bayesgmm.posterior_predictive,
        plots.traces, plots.ranks, plots.forest, plots.density_1d, plots.posterior_predictive,
    ) for case in no_posterior(verb)),
    *no_posterior(bayesgmm.simulate, 5),
    *no_posterior(bayesgmm.density, ROWS),
    *no_posterior(bayesgmm.log_density, ROWS),
    call("waic without log likelihood", lambda: bayesgmm.waic(bare_tree()), "log_likelihood=True"),
    call("loo without log likelihood", lambda: bayesgmm.loo(bare_tree()), "log_likelihood=True"),
    call("relabel, unknown method", lambda: bayesgmm.relabel(tree(), "x"), "got 'x'", "ecr"),
    call("evidence from few draws", lambda: bayesgmm.log_evidence(tree()), "draws", "got 30"),
    *(
        call(f"{verb.__name__}(seed={seed!r})", lambda v=verb, s=seed: v(tree(), seed=s), "seed")
        for verb in (bayesgmm.log_evidence, bayesgmm.partition, bayesgmm.weigh_modes)
        for seed in (-1, "a")
    ),
    *(
        call(f"{verb.__name__}(prob={prob!r})", lambda v=verb, p=prob: v(tree(), prob=p), "prob")
        for verb in (bayesgmm.summarize, bayesgmm.label_free, bayesgmm.membership,
                     bayesgmm.partition)
        for prob in (0, 1, 89, NAN, "a", None)
    ),
    call("partition, unknown loss", lambda: bayesgmm.partition(tree(), loss="x"), "loss", "'x'"),
    *(call(f"simulate {n!r}", lambda n=n: bayesgmm.simulate(tree(), n), "n must be an integer")
      for n in (0, 1.5, "a")),
    call("simulate too many", lambda: bayesgmm.simulate(tree(), 10**13), "GiB",
         error=ResourceError),
    call("density_grid, unknown", lambda: bayesgmm.density_grid(tree(), "zzz"), "'zzz'", "x1, x2"),
    call("most_ambiguous of text", lambda: bayesgmm.most_ambiguous("x"), "membership", "str"),
    call("strays of Gaussians", lambda: bayesgmm.strays(tree()), "noise='uniform'", "family='t'"),
    call("posterior_over_k", lambda: bayesgmm.posterior_over_k(3), "Comparison", "got 3"),
    call("posterior_over_k numbers", lambda: bayesgmm.posterior_over_k({1: 2}), "an Evidence"),
    call("membership of a fit alone", lambda: bayesgmm.membership(point()), "pass them as rows"),
    *(
        call(f"density at {rows!r}"[:40], lambda r=rows: bayesgmm.density(tree(), r), *words,
             error=DataError)
        for rows, words in (
            ([[1.0]], ("2 features", "got 1 columns")),
            ([[1.0, NAN]], ("row 1", "'x2'")),
            ([[[1.0, 2.0]]], ("two-dimensional",)),
            ([1.0, 2.0, 3.0], ("2 features",)),
            (np.zeros((0, 2)), ("empty",)),
            ("new.csv", ("two-dimensional",)),
            ([["a", "b"]], ("real numbers",)),
        )
    ),
    *(
        call(f"plots.{name} of {value!r:.10}", lambda n=name, v=value: getattr(plots, n)(v), *words)
        for name, value, words in (
            ("criteria", 3, ("Comparison", "int")),
            ("pareto_k", None, ("loo", "NoneType")),
            ("coclustering", ROWS, ("obs, obs",)),
            ("coclustering", "x", ("obs, obs", "str")),
            ("em_path", 3, ("PointFit", "int")),
            ("prior_posterior", 3, ("posterior group", "int")),
            ("prior_predictive", ROWS, ("spec",)),
        )
    ),
    call(
        "cluster_colour of 0",
        lambda: bg.cluster_colour(0),
        "number must be an integer >= 1, got 0.",
    ),
]  # fmt: skip


def no_path(verb: str, value: Any, *words: str, error: type[Exception] = ConfigError) -> Case:
    def run() -> Any:
        if verb == "load":
            return bayesgmm.load(value)
        if verb == "run_analysis":
            return bayesgmm.run_analysis(value)
        return getattr(bayesgmm, verb)(tree(), value)

    return call(f"{verb} at {value!r}", run, *words, error=error)


FILES = [
    *(no_path(verb, value, "path must be text or a path", repr(value))
      for verb in ("save", "load", "write_report", "run_analysis") for value in (None, 3, b"a.nc")),
    *(no_path(verb, "a\0b", "no file can be named", "null", error=ResultFileError)
      for verb in ("save", "load", "write_report")),
    *(no_path(verb, "/proc/x.nc", "/proc/x.nc", error=ResultFileError)
      for verb in ("save", "load", "write_report")),
    *(no_path(verb, ".", "is a folder", error=ResultFileError)
      for verb in ("save", "write_report")),
    call("save a mapping", lambda: bayesgmm.save({}, "x.nc"), "DataTree", "dict"),
    call("report of an array", lambda: bayesgmm.write_report(ROWS, "x.html"), "ndarray"),
    call("report as pdf", lambda: bayesgmm.write_report(tree(), "x", format="pdf"), "html, md"),
    call("report by dic", lambda: bayesgmm.write_report(tree(), "x", criterion="dic"), "'dic'"),
    call("report about 3", lambda: bayesgmm.write_report(tree(), "x", about=3), "about", "got 3"),
    call("run_analysis to 3", lambda: bayesgmm.run_analysis("models/faithful.toml", out=3), "out"),
    call(
        "run_analysis, no draws",
        lambda: bayesgmm.run_analysis("models/faithful.toml", draws=0),
        "draws must be an integer >= 1, got 0.",
    ),
]  # fmt: skip


def estimator(name: str, run: Callable[[], Any], *words: str, **more: Any) -> Case:
    return call(f"GaussianMixture {name}", run, *words, **more)


ESTIMATORS = [
    estimator("K=0", lambda: bayesgmm.GaussianMixture(0).fit(ROWS), "n_components", "got 0"),
    estimator("tol", lambda: bayesgmm.GaussianMixture(tol=-1).fit(ROWS), "tol", "got -1"),
    estimator(
        "covariance_type",
        lambda: bayesgmm.GaussianMixture(covariance_type="XYZ").fit(ROWS),
        "got 'XYZ'",
    ),
    estimator(
        "not fitted",
        lambda: bayesgmm.GaussianMixture().predict(ROWS),
        "not fitted yet",
        error=NotFittedError,
    ),
]


def quietly(case: Case) -> Case:
    """Few rows and short runs warn; here only the error is looked at."""

    def run(folder: Path) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return case.run(folder)

    return case._replace(run=run)


CASES = [quietly(case) for case in (*COUNTS, *OPTIONS, *SPECS, *POSTERIORS, *FILES, *ESTIMATORS)]
