"""Published tables: p(K) and p(K+) under Richardson and Green's prior, and Chib's evidences.

    python -m tests.published [galaxies_corrected] [enzyme] [acidity] [--seed N]

Richardson and Green (1997), JRSS B 59:731: with the midrange m and the range R of the data, means
are N(m, R^2), precisions Gamma(2, beta), beta Gamma(0.2, 10 / R^2), weights Dirichlet(1), and K is
uniform on 1 .. 30. The tables are those of their program Nmix after 4 to 7 million sweeps, with
errors of at most 0.002. Ours follow from runs at K = 1 .. 12, each entry within 0.015 of theirs.

Chib (1995), JASA 90:1313, as Neal (1999) corrected the evidences for labels that did not switch:
means are N(20, 100), precisions Gamma(3, 20), weights Dirichlet(1). Each is within 0.05.

The evidence of large K has K! labellings, which a bridge goes through: from K = 7 on it follows
from that of one component fewer by Nobile's identity.
"""

import argparse
import math
import time
import warnings
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

import bayesgmm as bg
from bayesgmm.evidence import nobile_step
from bayesgmm.model.spec import Covariance
from bayesgmm.posterior.draws import Draws
from bayesgmm.typing import Array
from tests.support.places import ROOT

LARGEST, BY_BRIDGES, LARGEST_OF_PRIOR = 12, 6, 30
ALLOWED, ALLOWED_NATS = 0.015, 0.05
_RUNS, _PARTICLES = 32, 4000
_REPEATS = 4  # of an evidence by bridges

P_OF_K: dict[str, dict[str, tuple[float, ...]]] = {  # of K, or K+, = 1, 2, ...; below .0005: 0
    "galaxies_corrected": {
        "K": (0, 0, 0.0602, 0.1334, 0.1863, 0.1942, 0.1578, 0.1100, 0.0687, 0.0404, 0.0227),
        "K+": (0, 0, 0.0699, 0.1598, 0.2258, 0.2279, 0.1604, 0.0882, 0.0413, 0.0170, 0.0063),
    },
    "enzyme": {
        "K": (0, 0.0248, 0.2818, 0.3204, 0.2085, 0.0981, 0.0405, 0.0161, 0.0061, 0.0024, 0.0009),
        "K+": (0, 0.0254, 0.2956, 0.3326, 0.2074, 0.0885, 0.0329, 0.0117, 0.0040, 0.0013),
    },
    "acidity": {
        "K": (0, 0.0763, 0.2413, 0.2406, 0.1814, 0.1166, 0.0678, 0.0368, 0.0194, 0.0098, 0.0049),
        "K+": (0, 0.0793, 0.2577, 0.2533, 0.1849, 0.1122, 0.0597, 0.0292, 0.0134, 0.0059, 0.0026),
    },
}
EVIDENCES = {(2, "tied"): -239.764, (3, "tied"): -226.803, (3, "full"): -226.791}


class Column(NamedTuple):
    """A column of a table: ours, its stated errors, and theirs, from K = 1 on."""

    ours: Array
    errors: Array
    theirs: Array

    @property
    def gap(self) -> float:
        """The largest difference."""
        return float(np.abs(self.ours - self.theirs).max())


def rows_of(name: str) -> Array:
    """Return a data set of one column, (obs, 1)."""
    return np.loadtxt(ROOT / f"models/data/{name}.csv", skiprows=1)[:, None]


def richardson_and_green(rows: Array) -> bg.Priors:
    """Return their prior for these rows."""
    extent = float(np.ptp(rows))
    return bg.Priors(
        mean_location=float(rows.min() + rows.max()) / 2.0,
        mean_scale=extent,
        scale_family="inverse_gamma",
        scale_shape=2.0,
        hyper_shape=0.2,
        hyper_rate=10.0 / extent**2,
        units="data",
    )


def chib() -> bg.Priors:
    """Return Chib's prior of the galaxies, 1000 km/s."""
    return bg.Priors(
        mean_location=20.0,
        mean_scale=10.0,
        scale_family="inverse_gamma",
        scale_shape=3.0,
        scale_rate=20.0,
        units="data",
    )


def evidence(n_components: int, covariance: Covariance, seed: int) -> bg.Evidence:
    """Return the evidence of the galaxies under Chib's prior."""
    spec = bg.MixtureSpec(n_components, covariance, chib(), resolution=0.0)
    tree = _drawn(rows_of("galaxies_corrected"), spec, seed, chains=4, draws=100)
    return bg.smc_evidence(tree, seed=seed)


def p_of_k(name: str, seed: int) -> dict[str, Column]:
    """Return p(K) and p(K+) of a data set beside the published ones."""
    rows = rows_of(name)
    priors = richardson_and_green(rows)
    posteriors, found = {}, [(0.0, 0.0)]
    for k in range(1, LARGEST + 1):
        spec = bg.MixtureSpec(k, priors=priors, resolution=0.0)
        tree = _drawn(rows, spec, seed + k, chains=_RUNS, draws=_PARTICLES)
        posteriors[spec] = tree
        if k <= BY_BRIDGES:
            several = [bg.smc_evidence(tree, seed=seed + r) for r in range(_REPEATS)]
            error = math.hypot(*(each.error for each in several)) / _REPEATS
            found.append((float(np.mean([each.value for each in several])), error))
        else:
            step = nobile_step(Draws(tree))
            found.append((found[-1][0] + step.value, math.hypot(found[-1][1], step.error)))
    table = pd.DataFrame(found[1:], columns=["log_evidence", "log_evidence_error"])
    runs = SimpleNamespace(
        table=table.set_index(pd.RangeIndex(1, LARGEST + 1)),
        models=list(posteriors),
        posteriors=posteriors,
        verdicts={spec: SimpleNamespace(ok=True) for spec in posteriors},
    )
    over = bg.posterior_over_k(runs, np.ones(LARGEST_OF_PRIOR), seed=seed)
    return {
        column: _beside(table, P_OF_K[name][column])
        for column, table in (("K", over.table), ("K+", over.clusters))
    }


def _drawn(rows: Array, spec: bg.MixtureSpec, seed: int, *, chains: int, draws: int) -> xr.DataTree:
    return bg.sample(
        rows,
        spec,
        method="smc",
        chains=chains,
        draws=draws,
        seed=seed,
        relabel=None,
        log_likelihood=False,
    )


def _beside(table: pd.DataFrame, theirs: tuple[float, ...]) -> Column:
    here = table.reindex(range(1, len(theirs) + 1))
    return Column(
        here["probability"].to_numpy(), here["error"].to_numpy(), np.array(theirs, dtype=float)
    )


def main() -> int:
    """Print the tables; return 1 where an entry is too far from the published one."""
    parser = argparse.ArgumentParser(prog="python -m tests.published")
    parser.add_argument("names", nargs="*", metavar="DATA", default=list(P_OF_K))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    failed = False
    for name in options.names:
        start = time.perf_counter()
        for what, column in p_of_k(name, options.seed).items():
            failed |= not column.gap <= ALLOWED
            entries = (f"{ours:.4f}" for ours in column.ours[1:])
            figures = f"{column.gap:.4f} | {column.errors.max():.4f}"
            print(f"| {name}, {what} | {' | '.join(entries)} | {figures} |", flush=True)
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    for (k, covariance), published in EVIDENCES.items():
        found = evidence(k, covariance, options.seed)
        failed |= not abs(found.value - published) <= ALLOWED_NATS
        print(f"| {k}, {covariance} | {published} | {found.value:.3f} | {found.error:.3f} |")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
