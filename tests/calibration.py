"""Simulation-based calibration and coverage: does a posterior mean what it says?

Parameters are drawn from the prior, rows from the mixture, draws from its posterior. Then the rank
of the true value of any function of parameters and rows among L independent draws is uniform on
0 ... L, exactly, for a right sampler of the right density; an interval between draws covers the
truth with its nominal probability (Talts et al. 2018, arXiv:1804.06788; Modrak et al. 2023,
Bayesian Analysis 20:461, on the log likelihood among the functions). Functions are free of labels:
clusters are numbered by their first mean, in the truth as in each draw.

Ranks are judged by their empirical distribution function inside simultaneous bands (Sailynoja,
Burkner and Vehtari 2022, Statistics and Computing 32:32); the level of the band that a set of
ranks just touches is its p-value.

    python -m tests.calibration [NAME ...] [--fits 1000] [--seed 20261121] [--out FOLDER]

runs the long studies, prints their figures and, with --out, keeps ranks and pictures; and each fit
as it is done, so that the same command goes on where it was stopped.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from scipy.special import expit, logsumexp
from scipy.stats import binom, multivariate_normal, multivariate_t

from bayesgmm.data import Dataset, as_dataset
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model import resolving
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.posterior.tree import parameters_of
from bayesgmm.sampling import mode_search, sample

SEED = 20261121
LEVELS = (0.5, 0.8, 0.95)
INTERVALS = ("weights", "means", "scales", "correlations")


def complete(rows: np.ndarray, clusters: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rows


@dataclass(frozen=True)
class Design:
    """What is simulated: `n_rows` rows from `truth`, which is drawn from the prior when None.

    `seen` makes of rows and their clusters what is fitted, `method` draws.
    """

    name: str
    spec: MixtureSpec
    n_features: int
    n_rows: int
    truth: Parameters | None = None
    seen: Callable[[np.ndarray, np.ndarray, np.random.Generator], Dataset | np.ndarray] = complete
    method: str = "nuts"


@dataclass(frozen=True)
class Length:
    """Chains of each fit; every `thin`-th draw enters the ranks, the last one being left out."""

    chains: int
    tune: int
    draws: int
    thin: int

    @property
    def n_ranked(self) -> int:
        return self.chains * (self.draws // self.thin) - 1


@dataclass(frozen=True)
class Study:
    """Ranks of the truth, one a fit, and the worst R-hat and ESS of each fit among `WATCHED`."""

    ranks: dict[str, np.ndarray]
    n_ranked: int
    r_hat: np.ndarray
    sample_size: np.ndarray
    divergences: np.ndarray

    def p_values(self) -> dict[str, float]:
        return {name: uniformity(ranks, self.n_ranked) for name, ranks in self.ranks.items()}

    def coverage(self, level: float) -> dict[str, float]:
        """Share of fits whose equal-tailed interval between ranked draws holds the truth."""
        size = self.n_ranked + 1
        outside = size * (1.0 - level) / 2.0
        assert abs(outside - round(outside)) < 1e-9, "the interval must end at draws"
        return {
            name: float(np.mean((ranks >= round(outside)) & (ranks < size - round(outside))))
            for name, ranks in self.ranks.items()
            if name.startswith(INTERVALS)
        }


def prior_design(n_features: int, n_components: int, n_rows: int, apart: float = 6.0) -> Design:
    """Priors in data units, each number another, and resolution 0: nothing depends on the rows.

    Means are spread by `apart` medians of the scales. Chains cross between the ways to share rows
    out over clusters that overlap, but slowly, and slowest among three: these lie further apart.
    """
    scale = np.resize([0.7, 0.5, 1.2], n_features)
    priors = Priors(
        concentration=3.0,
        mean_location=tuple(np.resize([0.5, -1.0, 2.0], n_features)),
        mean_scale=tuple(apart * scale),
        scale=tuple(scale),
        scale_sigma=0.4,
        eta=1.5,
        units="data",
    )
    spec = MixtureSpec(n_components, priors=priors, resolution=0)
    return Design(f"D{n_features}K{n_components}", spec, n_features, n_rows)


def _one_rate() -> Design:
    """Inverse gamma variances whose unknown rate is one for all clusters."""
    priors = Priors(
        concentration=3.0,
        mean_location=0.5,
        mean_scale=4.2,
        scale_family="inverse_gamma",
        scale_shape=4.0,
        hyper_shape=2.0,
        hyper_rate=1.4,
        units="data",
    )
    return Design("inverse_gamma", MixtureSpec(2, priors=priors, resolution=0), 1, 40)


def _separated() -> Design:
    """Two clusters some 8 standard deviations apart under the default priors."""
    scales = np.array([[1.0, 2.0], [0.6, 1.0]])
    correlations = np.array([[[1.0, 0.5], [0.5, 1.0]], [[1.0, -0.3], [-0.3, 1.0]]])
    truth = Parameters(
        weights=np.array([0.4, 0.6]),
        means=np.array([[0.0, 0.0], [6.0, 5.0]]),
        scales=scales,
        correlations=correlations,
        covariances=correlations * scales[:, :, None] * scales[:, None, :],
    )
    return Design("separated", MixtureSpec(2, resolution=0), 2, 300, truth)


def lacking(rows: np.ndarray, clusters: np.ndarray, rng: np.random.Generator) -> Dataset:
    """Three cells of ten are missing: at most one per row, by the value of the other."""
    may_lack = rng.integers(2, size=len(rows))
    other = rows[np.arange(len(rows)), 1 - may_lack]
    shift, spread = np.array([-1.0, 0.5])[may_lack], np.array([3.0, 4.2])[may_lack]
    lacks = rng.random(len(rows)) < expit(0.4 + (other - shift) / spread)
    cells = rows.copy()
    cells[lacks, may_lack[lacks]] = np.nan
    return Dataset.from_frame(pd.DataFrame(cells, columns=["x1", "x2"]), missing="mar")


def labelled(rows: np.ndarray, clusters: np.ndarray, rng: np.random.Generator) -> Dataset:
    """The clusters of a fifth of the rows are known."""
    known = np.arange(len(rows)) < len(rows) // 5
    labels = ["ab"[k] if knows else None for k, knows in zip(clusters, known, strict=True)]
    frame = pd.DataFrame(rows, columns=["x1", "x2"]).assign(kind=labels)
    return Dataset.from_frame(frame, labels="kind")


def _robust() -> list[Design]:
    """Tails, and noise on a box that rows of a cluster do not leave."""
    plain = prior_design(2, 2, 60)
    return [
        replace(plain, name="t", spec=replace(plain.spec, family="t")),
        replace(plain, name="noise", spec=replace(plain.spec, noise="uniform")),
    ]


def _factors() -> Design:
    """One factor of six features in each cluster."""
    plain = prior_design(6, 2, 80)
    spec = replace(plain.spec, covariance="factor", n_factors=1)
    return replace(plain, name="factors", spec=spec)


def fixed_box(spec: MixtureSpec, *_: object) -> np.ndarray:
    """Return the ends of a box that does not hang on the rows: shape (2, feature)."""
    spread = 6.0 * np.array(spec.priors.mean_scale)
    return np.array(spec.priors.mean_location) + np.stack([-spread, spread])


LONG = Length(chains=4, tune=500, draws=500, thin=10)
WATCHED = ("log posterior", "log likelihood", "log determinants", "entropy of weights")
DESIGNS = {
    design.name: design
    for design in (
        prior_design(1, 2, 40),
        prior_design(2, 2, 40),
        prior_design(2, 3, 90, apart=15.0),
        prior_design(3, 2, 60),
        _separated(),
        _one_rate(),
        replace(prior_design(2, 2, 60), name="missing", seen=lacking),
        replace(prior_design(2, 2, 40), name="labels", seen=labelled),
        replace(prior_design(2, 2, 2_000), name="at_modes", method="importance"),
        *_robust(),
        _factors(),
    )
}


def run_study(
    design: Design, n_fits: int, length: Length, seed: int = SEED, folder: Path | None = None
) -> Study:
    """Simulate and fit; every fit counts, whatever its chains look like.

    On so few rows the search for starting points is most of the work, and needs few starts itself.
    """
    with (
        mock.patch.object(mode_search, "_EM_STARTS", 4),
        mock.patch.object(resolving, "_box", fixed_box),
    ):
        children = np.random.SeedSequence(seed).spawn(n_fits)
        fits = list(_fits(design, length, children, seed, folder))
    ranks, r_hat, sample_size, divergences = zip(*fits, strict=True)
    return Study(
        ranks={name: np.array([fit[name] for fit in ranks]) for name in ranks[0]},
        n_ranked=length.n_ranked,
        r_hat=np.array(r_hat),
        sample_size=np.array(sample_size),
        divergences=np.array(divergences),
    )


def _fits(
    design: Design,
    length: Length,
    seeds: list[np.random.SeedSequence],
    seed: int,
    folder: Path | None,
) -> Iterator[tuple[dict[str, int], float, float, int]]:
    """Yield each fit; those that a folder has of this study are not made again."""
    if folder is None:
        yield from (_fit(design, length, child) for child in seeds)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{design.name}_{seed}.jsonl").open("a+") as file:
        file.seek(0)
        done = [json.loads(line) for line in file][: len(seeds)]
        yield from (tuple(fit) for fit in done)
        for child in seeds[len(done) :]:
            fit = _fit(design, length, child)
            file.write(json.dumps(fit) + "\n")
            file.flush()
            yield fit


def _fit(
    design: Design, length: Length, seed: np.random.SeedSequence
) -> tuple[dict[str, int], float, float, int]:
    rng = np.random.default_rng(seed)
    truth = draw_prior(design, rng) if design.truth is None else design.truth
    box = None if design.spec.noise is None else fixed_box(design.spec)
    rows, clusters = draw_rows(truth, design.n_rows, rng, box)
    data = design.seen(rows, clusters, rng)
    tree = sample(
        data,
        design.spec,
        draws=length.draws,
        tune=length.tune,
        chains=length.chains,
        cores=1,
        method=design.method,
        seed=int(rng.integers(2**32)),
        relabel=None,
        log_likelihood=False,
    )
    statistics = tree["sample_stats"].to_dataset()
    log_prior = sum(value.values.ravel() for value in tree["log_prior"].to_dataset().values())
    log_likelihood = statistics["log_likelihood"].values.ravel()
    drawn = {
        name: values.reshape(length.chains, length.draws)
        for name, values in functions(parameters_of(tree), log_likelihood, log_prior)
    }
    log_likelihood_there = row_log_likelihoods(truth, data, clusters, box).sum()
    there = functions(truth, log_likelihood_there, log_prior_at(truth, design.spec, rows))
    ranks = {
        name: int((drawn[name][:, :: length.thin].ravel()[:-1] < value).sum())
        for name, value in there
    }
    ranked = [drawn[name] for name in WATCHED]
    r_hat = max(float(array_stats.rhat(d, chain_axis=0, draw_axis=1)) for d in ranked)
    size = min(float(array_stats.ess(d, chain_axis=0, draw_axis=1)) for d in ranked)
    divergences = int(statistics["diverging"].sum()) if "diverging" in statistics else 0
    return ranks, r_hat, size, divergences


def functions(
    parameters: Parameters, log_likelihood: np.ndarray, log_prior: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Functions of parameters and rows that do not see labels, each of the leading axes' shape."""
    p = parameters.permuted(np.argsort(parameters.means[..., 0], axis=-1))
    n_clusters, n_features = p.means.shape[-2:]
    for k in range(n_clusters):
        if k < n_clusters - 1:
            yield f"weights[{k}]", p.weights[..., k]
        for d in range(n_features):
            yield f"means[{k}, {d}]", p.means[..., k, d]
            yield f"scales[{k}, {d}]", p.scales[..., k, d]
            for e in range(d):
                yield f"correlations[{k}, {d}, {e}]", p.correlations[..., k, d, e]
    if p.nu is not None:
        yield "degrees of freedom", p.nu[..., 0]
    if p.noise is not None:
        yield "noise", p.noise
    yield "largest weight", p.weights.max(axis=-1)
    yield "entropy of weights", -(p.weights * np.log(p.weights)).sum(axis=-1)
    yield "log determinants", np.linalg.slogdet(p.covariances)[1].sum(axis=-1)
    mean = np.einsum("...k,...kd->...d", p.weights, p.means)
    offsets = p.means - mean[..., None, :]
    spread = p.covariances + offsets[..., :, None] * offsets[..., None, :]
    covariance = np.einsum("...k,...kde->...de", p.weights, spread)
    for d in range(n_features):
        yield f"mixture mean[{d}]", mean[..., d]
        for e in range(d + 1):
            yield f"mixture covariance[{d}, {e}]", covariance[..., d, e]
    yield "log likelihood", log_likelihood
    yield "log posterior", log_likelihood + log_prior


def draw_prior(design: Design, rng: np.random.Generator) -> Parameters:
    """Draw parameters by NumPy's own generators, the correlations by the onion."""
    priors, d = design.spec.priors, design.n_features
    shape = (design.spec.n_components, d)
    if priors.scale_family == "inverse_gamma":
        rate = rng.gamma(priors.hyper_shape, 1.0 / priors.hyper_rate)
        scales = rng.gamma(priors.scale_shape, 1.0 / rate, shape) ** -0.5
    else:
        scales = np.exp(rng.normal(np.log(priors.scale), priors.scale_sigma, shape))
    if design.spec.n_factors is None:
        correlations = np.stack([onion(d, priors.eta, rng) for _ in range(shape[0])])
        covariances = correlations * scales[:, :, None] * scales[:, None, :]
        factors = {}
    else:
        widths = np.array(priors.scale)[:, None] / np.sqrt(design.spec.n_factors)
        loadings = widths * rng.normal(size=(*shape, design.spec.n_factors))
        covariances = loadings @ loadings.swapaxes(1, 2) + scales[:, :, None] ** 2 * np.eye(d)
        factors = {"loadings": loadings, "unique_scales": scales}
        scales = np.sqrt(np.einsum("kdd->kd", covariances))
        correlations = covariances / (scales[:, :, None] * scales[:, None, :])
    concentration = np.full(shape[0], priors.concentration)
    if design.spec.noise is None:
        noise, weights = None, rng.dirichlet(concentration)
    else:
        noise, *weights = rng.dirichlet([design.spec.noise_concentration, *concentration])
    return Parameters(
        weights=np.array(weights),
        means=rng.normal(priors.mean_location, priors.mean_scale, shape),
        scales=scales,
        correlations=correlations,
        covariances=covariances,
        noise=noise,
        nu=np.full(shape[0], _degrees(priors, rng)) if design.spec.family == "t" else None,
        **factors,
    )


def _degrees(priors: Priors, rng: np.random.Generator) -> float:
    while (nu := rng.gamma(priors.nu_shape, 1.0 / priors.nu_rate)) <= 1.0:
        pass
    return float(nu)


def onion(size: int, eta: float, rng: np.random.Generator) -> np.ndarray:
    """Draw from LKJ(eta) by growing the matrix (Lewandowski et al. 2009, section 3.2)."""
    matrix = np.ones((1, 1))
    shape = eta + 0.5 * (size - 1)
    for k in range(1, size):
        shape -= 0.5
        direction = rng.normal(size=k)
        direction *= np.sqrt(rng.beta(0.5 * k, shape)) / np.linalg.norm(direction)
        column = np.linalg.cholesky(matrix) @ direction
        matrix = np.block([[matrix, column[:, None]], [column[None], np.ones((1, 1))]])
    return matrix


def draw_rows(
    truth: Parameters, size: int, rng: np.random.Generator, box: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows, and the clusters that they come from; noise counts as the last."""
    n_clusters, n_features = truth.means.shape
    weights = truth.weights if truth.noise is None else np.append(truth.weights, truth.noise)
    clusters = rng.choice(len(weights), size, p=weights / weights.sum())
    of_clusters = np.minimum(clusters, n_clusters - 1)
    normal = rng.normal(size=(size, n_features))
    if truth.nu is not None:
        nu = truth.nu[of_clusters]
        normal *= np.sqrt(nu / rng.chisquare(nu))[:, None]
    roots = np.linalg.cholesky(truth.covariances)
    rows = truth.means[of_clusters] + np.einsum("nij,nj->ni", roots[of_clusters], normal)
    if box is not None:
        rows[clusters == n_clusters] = rng.uniform(
            *box, ((clusters == n_clusters).sum(), n_features)
        )
    return rows, clusters


def row_log_likelihoods(
    truth: Parameters,
    data: Dataset | np.ndarray,
    clusters: np.ndarray,
    box: np.ndarray | None = None,
) -> np.ndarray:
    """Log density of each row over its observed cells, jointly with a known label, by SciPy."""
    rows = data.values if isinstance(data, Dataset) else data
    known = data.annotations if isinstance(data, Dataset) else None
    labels = None if known is None else known.possible
    densities = np.full((len(truth.weights), len(rows)), np.nan)
    observed = ~np.isnan(rows)
    for pattern in np.unique(observed, axis=0):
        there = (observed == pattern).all(axis=1)
        square = np.ix_(pattern, pattern)
        for k, weight in enumerate(truth.weights):
            shape = truth.means[k][pattern], truth.covariances[k][square]
            if truth.nu is None:
                component = multivariate_normal(*shape)
            else:
                component = multivariate_t(*shape, truth.nu[k])
            densities[k, there] = np.log(weight) + component.logpdf(rows[there][:, pattern])
    if labels is not None:
        told = labels.any(axis=1)
        densities[:, told] += np.where(
            np.arange(len(densities))[:, None] == clusters[told], 0.0, -np.inf
        )
    if box is not None:
        volume = np.log(box[1] - box[0]).sum()
        densities = np.vstack([densities, np.full(len(rows), np.log(truth.noise) - volume)])
    return logsumexp(densities, axis=0)


def log_prior_at(truth: Parameters, spec: MixtureSpec, rows: np.ndarray) -> float:
    target = LogPosterior(resolve(spec, as_dataset(rows)), rows)
    x = target.unconstrain(truth)
    terms = target.terms(x[None], np.array([target.evaluate(x).value]))
    return float(sum(value[0] for name, value in terms.items() if name != "log_likelihood"))


def uniformity(ranks: np.ndarray, n_ranked: int) -> float:
    """Return the p-value of uniform ranks on 0 ... n_ranked by the simultaneous band they touch.

    The number of ranks up to i is binomial; the smallest two-sided tail probability over i, g, is
    the statistic. P(no i has a tail as small as g) follows from the counts' Markov chain: given s
    ranks up to i - 1, a binomial share 1 / (n_ranked + 1 - i) of the rest are i.
    """
    n, size = len(ranks), n_ranked + 1
    below = np.cumsum(np.bincount(ranks, minlength=size))[:-1]
    counts = np.arange(n + 1)
    tails = []
    for i in range(n_ranked):
        share = (i + 1) / size
        tails.append(2.0 * np.minimum(binom.cdf(counts, n, share), binom.sf(counts - 1, n, share)))
    smallest = min(tail[count] for tail, count in zip(tails, below, strict=True))
    inside, probability = np.array([0]), np.array([1.0])
    for i, tail in enumerate(tails):
        following = np.flatnonzero(tail > smallest * (1.0 + 1e-9))
        steps = binom.pmf(following[:, None] - inside, n - inside, 1.0 / (size - i))
        inside, probability = following, steps @ probability
    return float(1.0 - probability.sum())


def describe(design: Design, study: Study, seconds: float) -> str:
    """Write the figures of a study as lines of text."""
    n_fits = len(study.r_hat)
    lines = [
        f"{design.name}: {n_fits} fits of {design.n_rows} rows, {seconds:.0f} s; "
        f"R-hat above 1.01 in {(study.r_hat > 1.01).sum()} (largest {study.r_hat.max():.3f}), "
        f"ESS at least {study.sample_size.min():.0f}, "
        f"divergences in {(study.divergences > 0).sum()} fits ({study.divergences.sum()} draws)"
    ]
    if design.truth is None:
        p_values = study.p_values()
        worst = min(p_values, key=p_values.__getitem__)
        adjusted = min(1.0, len(p_values) * p_values[worst])
        lines.append(
            f"  ranks of {len(p_values)} functions: smallest p {p_values[worst]:.4f} ({worst}), "
            f"{adjusted:.3f} for all together"
        )
    for level in LEVELS:
        shares = study.coverage(level)
        error = np.sqrt(level * (1 - level) / n_fits)
        low, high = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
        lines.append(
            f"  coverage of {level:.0%} intervals: mean {np.mean(list(shares.values())):.3f}, "
            f"from {shares[low]:.3f} ({low}) to {shares[high]:.3f} ({high}); "
            f"largest |z| {max(abs(s - level) for s in shares.values()) / error:.2f}"
        )
    return "\n".join(lines)


def keep(design: Design, study: Study, folder: Path) -> None:
    """Write the ranks, and the picture of their distribution functions."""
    import arviz as az
    import xarray as xr

    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{design.name}.npz", n_ranked=study.n_ranked, **study.ranks)
    pit = {n: ("sample", (r + 0.5) / (study.n_ranked + 1)) for n, r in study.ranks.items()}
    tree = xr.DataTree.from_dict({"prior_sbc": xr.Dataset(pit)})
    with az.rc_context({"plot.max_subplots": len(pit)}):
        plot = az.plot_ecdf_pit(tree, sample_dims=["sample"], visuals={"xlabel": False})
    plot.savefig(folder / f"{design.name}.png")


def main() -> None:
    """Run the long studies."""
    parser = argparse.ArgumentParser(description="Calibration and coverage, the long studies.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(DESIGNS)}; all by default")
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    for design in [DESIGNS[name] for name in arguments.names or DESIGNS]:
        start = time.process_time()
        study = run_study(design, arguments.fits, LONG, arguments.seed, arguments.out)
        print(describe(design, study, time.process_time() - start), flush=True)
        if arguments.out:
            keep(design, study, arguments.out)


if __name__ == "__main__":
    main()
