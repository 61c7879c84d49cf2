"""The same posterior by NumPyro and by Stan, where they are installed."""

import importlib.util
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from tests.benchmarks.sampling import SIZES, effective, run_ours, standardised

_STAN = """
data { int n; int D; int K; array[n] vector[D] x; }
parameters {
  simplex[K] weights; array[K] vector[D] means;
  array[K] vector<lower=0>[D] scales; array[K] cholesky_factor_corr[D] factors;
}
model {
  array[K] matrix[D, D] roots;
  for (k in 1:K) {
    means[k] ~ normal(0, 2);
    scales[k] ~ normal(0, 2);
    factors[k] ~ lkj_corr_cholesky(2);
    roots[k] = diag_pre_multiply(scales[k], factors[k]);
  }
  for (i in 1:n) {
    vector[K] joint = log(weights);
    for (k in 1:K) joint[k] += multi_normal_cholesky_lpdf(x[i] | means[k], roots[k]);
    target += log_sum_exp(joint);
  }
}
"""
_RSTAN = r"""
suppressMessages(library(rstan))
code <- paste(readLines("mixture.stan"), collapse = "\n")
if (packageVersion("rstan") < "2.26")  # arrays were written after the name
  code <- gsub("array\\[(\\w+)\\] ([^;]+) (\\w+);", "\\2 \\3[\\1];", code, perl = TRUE)
if (rstan_options("boost_lib") == "" && dir.exists("/usr/include/boost"))  # Debian's place for it
  rstan_options(boost_lib = "/usr/include")
given <- jsonlite::fromJSON("given.json")
started <- proc.time()[["elapsed"]]
fit <- stan(model_code = code, data = given, chains = 4, iter = 2000, warmup = 1000, cores = 2,
            seed = given$seed, control = list(adapt_delta = 0.9), refresh = 0)
elapsed <- proc.time()[["elapsed"]] - started
draws <- rstan::extract(fit, c("weights", "means"), permuted = FALSE)
jsonlite::write_json(list(seconds = elapsed, names = dimnames(draws)[[3]], dim = dim(draws),
                          values = as.vector(draws)), "draws.json", digits = 12)
"""


def tree_of(weights, means):
    """Shape draws (chain, draw, ...) as `effective` reads a tree."""
    import xarray as xr

    dims = ("chain", "draw", "cluster")
    posterior = xr.Dataset({"weights": (dims, weights), "means": ((*dims, "feature"), means)})
    return xr.DataTree(children={"posterior": xr.DataTree(posterior)})


def run_numpyro(rows, n_components, seed):
    """NUTS on CPU, one chain after the other, compile time counted."""
    import jax
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS

    n_features = rows.shape[1]

    def model():
        weights = numpyro.sample("weights", dist.Dirichlet(np.ones(n_components)))
        with numpyro.plate("cluster", n_components):
            means = numpyro.sample("means", dist.Normal(0, 2).expand([n_features]).to_event(1))
            scales = numpyro.sample("scales", dist.HalfNormal(2).expand([n_features]).to_event(1))
            factors = numpyro.sample("factors", dist.LKJCholesky(n_features, 2.0))
        components = dist.MultivariateNormal(means, scale_tril=scales[..., None] * factors)
        mixture = dist.MixtureSameFamily(dist.Categorical(weights), components)
        numpyro.sample("x", mixture, obs=rows)

    start = time.perf_counter()
    mcmc = MCMC(
        NUTS(model, target_accept_prob=0.9),
        num_warmup=1000,
        num_samples=1000,
        num_chains=4,
        chain_method="sequential",
        progress_bar=False,
    )
    with jax.enable_x64(True):
        mcmc.run(jax.random.key(seed))
        draws = mcmc.get_samples(group_by_chain=True)
    drawn = tree_of(np.asarray(draws["weights"]), np.asarray(draws["means"]))
    return drawn, time.perf_counter() - start


def run_rstan(rows, n_components, seed):
    """Run rstan in a fresh R process; Stan's own compile time counts, starting R does not."""
    n, n_features = rows.shape
    given = {"n": n, "D": n_features, "K": n_components, "x": rows.tolist(), "seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "mixture.stan").write_text(_STAN)
        Path(folder, "given.json").write_text(json.dumps(given))
        subprocess.run(["Rscript", "-e", _RSTAN], cwd=folder, check=True, capture_output=True)
        result = json.loads(Path(folder, "draws.json").read_text())
    values = np.array(result["values"]).reshape(result["dim"], order="F").swapaxes(0, 1)
    weights, means = values[..., :n_components], values[..., n_components:]
    shape = (*means.shape[:2], n_features, n_components)  # Stan's means[k, d]: k runs fastest
    return tree_of(weights, means.reshape(shape).swapaxes(2, 3)), result["seconds"][0]


def has_rstan():
    if shutil.which("Rscript") is None:
        return False
    code = 'quit(status = !(requireNamespace("rstan") && requireNamespace("jsonlite")))'
    return subprocess.run(["Rscript", "-e", code], capture_output=True).returncode == 0


def pair_line(name, run, size, seeds):
    """Ours and the peer's in turn: ESS a second, and whether the posteriors agree."""
    rows, k = standardised(size), size[2]
    run_ours(rows, k, 0)
    ratios = []
    for seed in seeds:
        mine, my_seconds = run_ours(rows, k, seed)
        peer, their_seconds = run(rows, k, seed)
        my_ess, my_means, my_error = effective(mine)
        their_ess, their_means, their_error = effective(peer)
        apart = np.abs(my_means - their_means) / np.hypot(my_error, their_error)
        ratios.append((my_ess / my_seconds) / (their_ess / their_seconds))
    agree = "same posterior" if apart.max() < 5.0 else f"POSTERIORS DIFFER: {apart.max():.1f} MCSE"
    return (
        f"b. sampling at {size}: {median(ratios):.0f} times {name}'s ESS a second, compile counted "
        f"({my_seconds:.2f} s against {their_seconds:.1f} s in the last pair; {agree})"
    )


def lines(rounds=5, sizes=SIZES):
    if importlib.util.find_spec("numpyro") is None:
        yield "b. NumPyro: not installed, pip install 'bayesgmm[benchmarks]'"
    else:
        for size in sizes:
            yield pair_line("NumPyro", run_numpyro, size, range(1, rounds + 1))
    if not has_rstan():
        yield "b. Stan: no Rscript with the packages rstan and jsonlite found, not measured"
    else:
        for size in sizes[:2]:  # (5000, 5, 4) takes rstan hours
            yield pair_line("rstan", run_rstan, size, range(1, min(rounds, 3) + 1))
