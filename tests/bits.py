"""Digests of fits, draws and criteria, to the bit: what a move of code must not change.

    python -m tests.bits [--out FILE]

Run at two commits on one machine and compare: bits differ between processors, so none are kept.
"""

import argparse
import hashlib
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import astuple, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import bayesgmm as bg
from bayesgmm.model.spec import COVARIANCES
from tests.support.places import DATA

ROWS = DATA / "faithful.csv"


def digest(value: Any) -> str:
    """Return a digest of numbers, arrays, trees, frames and what is made of them."""
    sums = hashlib.sha256()
    for part in _parts(value):
        sums.update(part)
    return sums.hexdigest()[:16]


def _parts(value: Any) -> Iterator[bytes]:
    if isinstance(value, xr.DataTree):
        for group in value.subtree:
            for name in sorted(group.data_vars):
                if name not in ("created_at",):
                    yield from _parts(group[name].values)
    elif isinstance(value, xr.Dataset):
        for name in sorted(value.data_vars):
            yield from _parts(value[name].values)
    elif isinstance(value, (np.ndarray, float, int, np.generic)):
        array = np.asarray(value)
        yield array.tobytes() if array.dtype != object else repr(array.tolist()).encode()
    elif isinstance(value, dict):
        for key in value:
            yield from _parts(value[key])
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _parts(each)
    elif is_dataclass(value):
        yield from _parts(astuple(value))
    elif hasattr(value, "to_numpy"):
        yield from _parts(value.to_numpy())
    else:
        yield repr(value).encode()


def point(fit: bg.PointFit) -> tuple[Any, ...]:
    """Return the numbers of a point fit."""
    best = fit.optima[0]
    return (fit.weights, fit.means, fit.covariances, fit.path, best.objective, len(fit.optima))


def cases() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what is computed, each under a name."""
    data = bg.Dataset.from_csv(ROWS)
    few = np.array(data.values[:80])
    one = few[:, :1].copy()
    for covariance in COVARIANCES:
        for step in ("auto", 0.0):
            spec = bg.MixtureSpec(2, covariance, resolution=step)
            yield f"em {covariance} {step}", lambda s=spec: point(bg.fit_em(few, s, seed=1))
            yield f"map {covariance} {step}", lambda s=spec: point(bg.fit_map(few, s, seed=1))
        spec = bg.MixtureSpec(2, covariance)
        tree: dict[str, Any] = {}

        def drawn(method: str, s: bg.MixtureSpec = spec, kept: dict[str, Any] = tree) -> Any:
            if method not in kept:
                kept[method] = bg.sample(few, s, draws=300, tune=200, seed=2, method=method)
            return kept[method]

        yield f"nuts {covariance}", lambda d=drawn: d("nuts")
        yield f"smc {covariance}", lambda d=drawn: d("smc")
        for name in ("waic", "loo"):
            yield f"{name} {covariance}", lambda d=drawn, n=name: getattr(bg, n)(d("nuts")).elpd_i
        for name in ("log_evidence", "smc_evidence"):
            yield (
                f"{name} {covariance}",
                lambda d=drawn, n=name: getattr(bg, n)(d("nuts"), seed=3).value,
            )
        yield f"extend {covariance}", lambda d=drawn: bg.extend(d("nuts"), 100, seed=4)
    half = bg.MixtureSpec(3, priors=bg.Priors(scale_family="halfnormal", scale=1.0))
    kept = {"tree": None}

    def three() -> Any:
        if kept["tree"] is None:
            kept["tree"] = bg.sample(few, half, draws=300, tune=200, seed=5)
        return kept["tree"]

    yield "nuts half-normal, three components", three
    for method in ("stephens", "ecr", "pivot"):
        yield f"relabel {method}", lambda m=method: bg.relabel(three(), m)
    yield "membership", lambda: bg.membership(three())
    yield "density", lambda: bg.density(three(), few[:7])
    yield "coclustering", lambda: bg.coclustering(three()).values
    yield "partition", lambda: np.asarray(bg.partition(three(), seed=1).labels)
    yield "overlap", lambda: bg.overlap(three())
    yield "posterior predictive", lambda: bg.posterior_predictive(three(), seed=1)
    yield "summarize", lambda: bg.summarize(three())
    yield "label_free", lambda: bg.label_free(three())
    yield "diagnose", lambda: bg.diagnose(three()).to_dict()["statistics"]
    yield "loo with refits", lambda: bg.loo_with_refits(three(), seed=1).elpd_i
    yield "bic grid", lambda: bg.bic_grid(few, [1, 2, 3], seed=1)["bic"]
    yield "bootstrap", lambda: bg.bootstrap_lrt(few, 1, n_bootstrap=9, seed=1).p_value
    yield "one feature", lambda: bg.sample(one, 3, draws=200, tune=200, seed=6)
    yield (
        "named clusters",
        lambda: bg.sample(
            one,
            bg.MixtureSpec(2, priors=bg.Priors(mean_location=((-1.0,), (1.0,)))),
            draws=200,
            tune=200,
            seed=7,
        ),
    )


def main(arguments: list[str]) -> int:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(prog="python -m tests.bits")
    parser.add_argument("--out", type=Path)
    out = parser.parse_args(arguments).out
    warnings.simplefilter("ignore")
    lines = []
    for name, compute in cases():
        try:
            lines.append(f"{name}: {digest(compute())}")
        except Exception as error:
            lines.append(f"{name}: {type(error).__name__}: {error}")
        print(lines[-1], flush=True)
    if out is not None:
        out.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
