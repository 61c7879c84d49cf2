"""Draw from mixture.stan with CmdStan, in this folder: data.json, init_*.json and chain_*.csv.

    python tests/reference/cmdstan/make_draws.py EXECUTABLE

EXECUTABLE is what CmdStan makes of mixture.stan; the files here are of CmdStan 2.35.0. It runs in
this folder under relative paths, since CmdStan writes the paths that it is given into its files.
The rows are every eighth of faithful.csv. The second chain starts with its clusters exchanged, and
keeps them so.
"""

import json
import subprocess
import sys
from pathlib import Path

from bayesgmm import MixtureSpec
from bayesgmm.data import Dataset, as_dataset
from bayesgmm.model.resolving import resolve

HERE = Path(__file__).resolve().parent
FAITHFUL = HERE.parents[2] / "models/data/faithful.csv"
SPEC = MixtureSpec(2)
CHAINS = {1: (0, 1), 2: (1, 0)}  # and the order of their clusters at the start
SEED = 20261129


def stan_data(rows: Dataset, spec: MixtureSpec) -> dict:
    """Return the rows and the resolved priors under the names of mixture.stan."""
    prior = resolve(spec, rows)
    names = ("resolution", "concentration", "mean_location", "mean_scale", "scale")
    return {
        "N": rows.n_obs,
        "D": rows.n_features,
        "K": spec.n_components,
        "x": rows.values.tolist(),
        **{name: getattr(prior, name).tolist() for name in names},
        "scale_sigma": spec.priors.scale_sigma,
        "eta": spec.priors.eta,
    }


def start(order: tuple[int, int]) -> dict:
    """Return values near the two groups of the geyser, clusters in this order."""
    means, scales = [[2.0, 55.0], [4.3, 80.0]], [[0.3, 6.0], [0.4, 6.0]]
    return {
        "weights": [0.5, 0.5],
        "means": [means[k] for k in order],
        "scales": [scales[k] for k in order],
        "factors": [[[1.0, 0.0], [0.0, 1.0]]] * 2,
    }


def main(executable: Path) -> None:
    """Write the data and the starts, and run one chain after the other."""
    rows = Dataset.from_csv(FAITHFUL).values[::8]
    data = stan_data(as_dataset(rows), SPEC)
    (HERE / "data.json").write_text(json.dumps(data) + "\n")
    for chain, order in CHAINS.items():
        (HERE / f"init_{chain}.json").write_text(json.dumps(start(order)) + "\n")
        command = (
            f"id={chain} random seed={SEED} data file=data.json init=init_{chain}.json "
            f"output file=chain_{chain}.csv sig_figs=8 "
            "method=sample num_warmup=1000 num_samples=1000 thin=5"
        )
        subprocess.run([executable.resolve(), *command.split()], cwd=HERE, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
