"""The table of what verbs take, walked: what it says works, works; what it refuses is refused."""

import tempfile
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm.data.capabilities import (
    ANNOTATIONS,
    AT_MODES,
    OWN_MODEL,
    REFUSED,
    SMC,
    VERBS,
    annotations_of,
    capabilities_page,
    refusal,
)
from bayesgmm.errors import DataError
from tests.support.places import ROOT

pytestmark = [
    pytest.mark.filterwarnings("ignore::bayesgmm.errors.DataWarning"),
    pytest.mark.filterwarnings("ignore::bayesgmm.errors.DegeneracyWarning"),
]
SHORT = {"draws": 40, "tune": 150, "seed": 1, "progress": False}


@cache
def data_with(annotation):
    rng = np.random.default_rng(4)
    rows = np.concatenate([rng.normal(0.0, 1.0, (16, 2)), rng.normal(6.0, 1.0, (14, 2))])
    frame = pd.DataFrame(rows, columns=["a", "b"])
    if annotation == "missing":
        frame.loc[::5, "b"] = np.nan
        return bg.Dataset.from_frame(frame, missing="mar")
    if annotation in ("frequency", "sampling"):
        weights = 1.0 + np.arange(len(frame)) % 2
        return bg.Dataset.from_frame(frame, weights=weights, weights_kind=annotation)
    if annotation in ("labels", "picked"):
        labels = ["low" if i < 4 else "high" if i > 26 else None for i in range(len(frame))]
        return bg.Dataset.from_frame(frame, labels=labels)
    return bg.Dataset.from_frame(frame, errors={"a": 0.1 + 0.1 * (np.arange(len(frame)) % 3)})


def model_of(annotation):
    return bg.MixtureSpec(2, labels_inform_weights=annotation != "picked")


@cache
def posterior_of(annotation):
    return bg.sample(data_with(annotation), model_of(annotation), **SHORT)


def on_data(call):
    return lambda annotation: call(data_with(annotation), model_of(annotation))


def on_several(call):
    return lambda annotation: call(
        data_with(annotation), labels_inform_weights=annotation != "picked"
    )


def on_posterior(call):
    return lambda annotation: call(posterior_of(annotation))


def own_model(data, spec):
    """A user's model: what it is does not matter, as the rows are refused before it is read."""
    return bg.sample(data, model=bg.build_model(data, spec), **SHORT)


def reported(posterior):
    with tempfile.TemporaryDirectory() as folder:
        return bg.write_report(posterior, Path(folder) / "report.html")


def beside(annotation, other):
    """Draws of rows of which two things are known, for verbs that are about one of them."""
    rows = pd.DataFrame(data_with("errors").values, columns=["a", "b"])
    options = {}
    for each in {annotation, other}:
        if each == "missing":
            rows.loc[::5, "b"] = np.nan
            options["missing"] = "mar"
        elif each in ("frequency", "sampling"):
            options |= {"weights": np.ones(len(rows)), "weights_kind": each}
        elif each in ("labels", "picked"):
            options["labels"] = ["low" if i < 4 else "high" if i > 26 else None for i in range(30)]
        else:
            options["errors"] = {"a": 0.1}
    return bg.sample(bg.Dataset.from_frame(rows, **options), model_of(annotation), **SHORT)


CALLS = {
    "fit_em": on_data(partial(bg.fit_em, n_starts=4, seed=1)),
    "fit_map": on_data(partial(bg.fit_map, n_starts=4, seed=1)),
    "bic_grid": on_several(partial(bg.bic_grid, n_components=[2], covariance="diag", n_starts=4,
                                   seed=1)),
    "bootstrap_lrt": lambda annotation: bg.bootstrap_lrt(
        data_with(annotation), 1, n_bootstrap=19, n_starts=2, seed=1
    ),
    "build_model": on_data(bg.build_model),
    "sample": posterior_of,
    SMC: on_data(partial(bg.sample, method="smc", draws=64, seed=1)),
    AT_MODES: on_data(partial(bg.sample, method="importance", draws=64, seed=1)),
    OWN_MODEL: on_data(own_model),
    "adopt": lambda annotation: bg.adopt(
        posterior_of(annotation), data_with(annotation), model_of(annotation)
    ),
    "extend": on_posterior(partial(bg.extend, draws=20, seed=1)),
    "relabel": on_posterior(bg.relabel),
    "diagnose": on_posterior(bg.diagnose),
    "summarize": on_posterior(bg.summarize),
    "label_free": on_posterior(bg.label_free),
    "log_evidence": on_posterior(partial(bg.log_evidence, seed=1)),
    "smc_evidence": on_posterior(partial(bg.smc_evidence, n_particles=64, n_runs=4, seed=1)),
    "loo": on_posterior(bg.loo),
    "loo_with_refits": on_posterior(partial(bg.loo_with_refits, max_refits=0, seed=1)),
    "waic": on_posterior(bg.waic),
    "label_accuracy": lambda annotation: bg.label_accuracy(beside(annotation, "labels")),
    "compare": on_several(partial(bg.compare, n_components=2, evidence="none", **SHORT)),
    "membership": on_posterior(bg.membership),
    "coclustering": on_posterior(bg.coclustering),
    "partition": on_posterior(partial(bg.partition, seed=1)),
    "density": on_posterior(bg.density),
    "posterior_predictive": on_posterior(partial(bg.posterior_predictive, seed=1)),
    "hard_comparison": lambda annotation: bg.hard_comparison(
        None, posterior_of(annotation), seed=1
    ),
    "impute": lambda annotation: bg.impute(beside(annotation, "missing")),
    "true_values": lambda annotation: bg.true_values(beside(annotation, "errors")),
    "write_report": on_posterior(reported),
}  # fmt: skip


def test_the_table_names_verbs_and_each_is_walked():
    assert CALLS.keys() == set(VERBS) and REFUSED.keys() <= set(VERBS)
    for annotation in ANNOTATIONS:
        assert annotations_of(data_with(annotation)) == [annotation]


def test_the_page_is_the_table():
    assert (ROOT / "docs/reference/capabilities.md").read_text() == capabilities_page()


@pytest.mark.parametrize(
    "annotation", [*ANNOTATIONS, pytest.param("picked", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "verb",
    [pytest.param(v, marks=pytest.mark.slow) if v == "write_report" else v for v in VERBS],
)
def test_what_works_works_and_what_is_refused_says_why(verb, annotation):
    known = "labels" if annotation == "picked" else annotation
    sentence = refusal(verb, known)
    if sentence is None:
        assert CALLS[verb](annotation) is not None
    else:
        why = REFUSED[verb][known]
        reason = "complete rows" if verb == "hard_comparison" else why[:40]
        with pytest.raises(DataError, match=f"(?s)take.*{reason[:20]}"):
            CALLS[verb](annotation)
