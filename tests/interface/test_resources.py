"""What a process takes and leaves: memory refused beforehand, threads as they were, seeds."""

import hashlib
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import bayesgmm
from bayesgmm.errors import DegenerateFitError, ResourceError
from bayesgmm.posterior.tree import attribute
from bayesgmm.runtime import memory as resources
from tests.support.few import few

ROWS = np.random.default_rng(3).normal(size=(60, 2)) + np.repeat([[0.0], [6.0]], 30, axis=0)
SHORT = {"draws": 40, "tune": 60, "chains": 2, "seed": 7}
LIMITED = textwrap.dedent("""
    import resource, sys, warnings
    warnings.simplefilter("ignore")
    import numpy as np
    import bayesgmm
    rows = np.random.default_rng(1).normal(size=(100_000, 2))
    rows[:50_000] += 6.0
    bayesgmm.sample(rows[:100], 2, draws=10, tune=20, seed=1)  # everything is loaded
    mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + 400 * 2**20,) * 2)
    fit = bayesgmm.fit_em(rows, 2, seed=1, n_starts=2)
    for call in (
        lambda: bayesgmm.sample(rows, 2, seed=1),
        lambda: bayesgmm.coclustering(fit, rows),
        lambda: bayesgmm.simulate(fit, 10**8),
        lambda: bayesgmm.sample(rows[:20_000], 2, draws=10, tune=20, chains=2, seed=1),
        lambda: bayesgmm.membership(fit, rows),
    ):
        try:
            print("done", type(call()).__name__)
        except bayesgmm.ResourceError as error:
            print(error)
""")


@pytest.mark.slow
def test_under_a_limit_work_is_done_or_refused_with_ways_out() -> None:
    """400 MiB to spare and 100,000 rows: never killed, never a raw MemoryError."""
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    sampled, pairs, simulated, *rest = done.stdout.splitlines()
    assert "GiB and 0." in sampled and "2.9" in sampled and "log_likelihood=False" in sampled
    assert "GiB" in pairs and "partition" in pairs
    assert "GiB" in simulated and "ask for fewer" in simulated
    assert rest == ["done DataTree", "done Dataset"]


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_threads_are_as_before_also_after_an_error() -> None:
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        bayesgmm.fit_em(ROWS, 2, seed=1, n_starts=2)
        assert blas_threads() == before
        bayesgmm.sample(ROWS, 2, **SHORT)
        assert blas_threads() == before
        tied = np.repeat([[0.0], [1.0], [5.0]], 4, axis=0)
        with pytest.raises(DegenerateFitError), pytest.warns(match="duplicates"):
            bayesgmm.fit_em(tied, bayesgmm.MixtureSpec(3, resolution=0.0), seed=1, n_starts=2)
        assert blas_threads() == before


def fingerprint(tree) -> str:
    posterior = tree["posterior"].to_dataset()
    arrays = (posterior[name].values.tobytes() for name in ("weights", "means", "covariances"))
    return hashlib.sha256(b"".join(arrays)).hexdigest()


@pytest.mark.parametrize("method", few(["nuts", "smc"], {"nuts"}))
def test_draws_depend_on_the_seed_and_not_on_cores_or_process(method: str) -> None:
    one, two = (bayesgmm.sample(ROWS, 2, **SHORT, method=method, cores=cores) for cores in (1, 2))
    assert fingerprint(one) == fingerprint(two)
    code = (
        f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); "
        "import bayesgmm, test_resources as t; "
        f"print(t.fingerprint(bayesgmm.sample(t.ROWS, 2, **t.SHORT, method={method!r})))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert other.stdout.strip() == fingerprint(one), other.stderr
    again = bayesgmm.sample(ROWS, 2, **{**SHORT, "seed": 8}, method=method)
    assert fingerprint(again) != fingerprint(one)


def test_a_drawn_seed_is_stored_and_repeats_the_run() -> None:
    given = {name: value for name, value in SHORT.items() if name != "seed"}
    drawn = bayesgmm.sample(ROWS, 2, **given)
    repeated = bayesgmm.sample(ROWS, 2, **given, seed=attribute(drawn, "seed"))
    assert fingerprint(repeated) == fingerprint(drawn)
    fit = bayesgmm.fit_em(ROWS, 2, n_starts=2)
    assert bayesgmm.fit_em(ROWS, 2, n_starts=2, seed=fit.seed).log_likelihood == fit.log_likelihood


def test_comparisons_do_not_depend_on_cores_and_a_k_not_on_the_others() -> None:
    both = bayesgmm.compare(ROWS, [1, 2], **SHORT, cores=1)
    alone = bayesgmm.compare(ROWS, 2, **SHORT, cores=2)
    assert fingerprint(both.posteriors[2]) == fingerprint(alone.posteriors[2])
    assert both.table.loc[2, "elpd_loo"] == alone.table.loc[2, "elpd_loo"]
    assert both.table.loc[2, "log_evidence"] == pytest.approx(
        alone.table.loc[2, "log_evidence"], nan_ok=True
    )


def test_memory_is_known_where_the_system_has_no_list_of_it(monkeypatch):
    def nothing(*_, **__):
        raise OSError("no such file")

    listed = resources._machine_bytes()
    monkeypatch.setattr("builtins.open", nothing)
    assert 0 < listed <= resources._machine_bytes()  # what is free, and all there is
    assert resources._mapped_bytes() == 0


@pytest.mark.parametrize(
    "asked",
    [{"tune": 10**12}, {"chains": 10**11}, {"draws": 10**12, "log_likelihood": False}],
    ids=str,
)
@pytest.mark.parametrize("k", [1, 3])
def test_what_no_memory_holds_is_refused_before_sampling(asked, k, monkeypatch):
    monkeypatch.setattr("bayesgmm.sampling.methods.find_modes", pytest.fail)
    with pytest.raises(ResourceError, match="GiB are available; .*fewer draws, tune less") as told:
        bayesgmm.sample(ROWS, k, **{**SHORT, **asked})
    assert ("log_likelihood=False" in str(told.value)) == ("log_likelihood" not in asked)


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    groups = [(tmp_path, *names) for _, *names in resources._GROUPS]
    monkeypatch.setattr(resources, "_GROUPS", groups)
    assert resources._container_bytes() == float("inf")
    for name, text in {"memory.max": "max", "memory.current": "7"}.items():
        (tmp_path / name).write_text(text)
    assert resources._container_bytes() == float("inf")
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 300\ninactive_file 200\nfile 5\n")
    assert resources.available_bytes() == 1000 - 7 + 200
    with pytest.raises(ResourceError, match="0.00 GiB are available"):
        resources.require_bytes(10**6, "this", "wait")


def test_a_limit_too_small_for_the_libraries_says_so(tmp_path):
    command = f"ulimit -v 700000; exec {sys.executable} -m bayesgmm check d.csv"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: this process may take 0.")
    assert "loading the libraries takes 1 GiB" in done.stderr and done.stderr.count("\n") == 1
