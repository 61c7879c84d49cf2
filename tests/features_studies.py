"""Do comparisons of 13 and 30 features, as they come, end with a verdict that is good or says why?

    python -m tests.features_studies [wine] [breast_cancer] [--out FOLDER] [--seed S] [--draws N]

For each data set of scikit-learn, in its own units and all its columns: `bayesgmm compare` with all
structures, and factor-analytic components of one to three factors, screened by BIC, draws and
evidence of the best five. Printed are wall and processor seconds, the verdict of the chosen model
and its reasons, and the adjusted Rand index of its memberships with the true classes beside that of
scikit-learn's GaussianMixture that is best by BIC over its four structures and the same K.

A folder of results that is kept (--out) is written anew.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from bayesgmm.posterior.files import load
from bayesgmm.prediction import membership

DATA = {"wine": load_wine, "breast_cancer": load_breast_cancer}
MOST_COMPONENTS, MOST_FACTORS = 4, 3
SCREENED_BY = ["--covariance", "all,factor", "--factors", f"1-{MOST_FACTORS}"]


def best_of_sklearn(rows: np.ndarray, truth: np.ndarray, seed: int) -> str:
    """Return the model of scikit-learn that is best by BIC, and its adjusted Rand index."""
    fits = [
        GaussianMixture(k, covariance_type=kind, n_init=10, random_state=seed).fit(rows)
        for k in range(1, MOST_COMPONENTS + 1)
        for kind in ("full", "tied", "diag", "spherical")
    ]
    best = min(fits, key=lambda fit: fit.bic(rows))
    index = adjusted_rand_score(truth, best.predict(rows))
    return f"{best.covariance_type}, K = {best.n_components}: adjusted Rand index {index:.3f}"


def compared(file: Path, out: Path, options: Sequence[str]) -> tuple[float, float]:
    """Run the command; return its wall and processor seconds."""
    command = [sys.executable, "-m", "bayesgmm", "compare", str(file), *options, "--out", str(out)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([*command, "--overwrite"], capture_output=True, text=True, check=False)
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    if not (out / "verdict.json").exists():
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, busy


def study(name: str, folder: Path, seed: int, draws: int) -> Iterator[str]:
    """Yield the lines of one data set."""
    loaded = DATA[name]()
    rows, truth = np.asarray(loaded.data), np.asarray(loaded.target)
    names = [each.replace("/", " or ") for each in loaded.feature_names]
    file, out = folder / f"{name}.csv", folder / name
    pd.DataFrame(rows, columns=names).to_csv(file, index=False)
    options = ["-k", f"1-{MOST_COMPONENTS}", *SCREENED_BY, "--seed", str(seed)]
    options += ["--draws", str(draws), "--tune", str(draws)]
    seconds, busy = compared(file, out, options)
    verdict = json.loads((out / "verdict.json").read_text(encoding="utf-8"))
    yield f"{name}: {seconds:.0f} s, {busy:.0f} s of processors, {verdict['status']}"
    yield from (f"  {reason}" for reason in (*verdict["verdict"]["reasons"], verdict["reason"]))
    table = pd.read_csv(out / "comparison.csv")
    shown = [
        "K",
        "covariance",
        "n_factors",
        "bic",
        "log_evidence",
        "log_evidence_error",
        "elpd_loo",
    ]
    yield table[shown].to_string(index=False)
    posterior = load(next(out.glob("posterior_*.nc")))
    labels = membership(posterior)["mean"].argmax("cluster").values
    index = adjusted_rand_score(truth, labels)
    chosen = {"K": verdict["chosen"], **verdict["chosen_model"]}
    yield f"  chosen: {chosen}: adjusted Rand index {index:.3f}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield f"  scikit-learn's best: {best_of_sklearn(rows, truth, seed)}"


def main() -> None:
    """Print the lines of all data sets asked for."""
    parser = argparse.ArgumentParser(description="Comparisons of many features, as they come.")
    parser.add_argument("names", nargs="*", default=list(DATA), metavar="DATA")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=20261130)
    parser.add_argument("--draws", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in asked.names:
            for line in study(name, folder, asked.seed, asked.draws):
                print(line, flush=True)


if __name__ == "__main__":
    main()
