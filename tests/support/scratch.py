"""Compiled code left to Python, with every array that nobody has filled holding one value.

Run with NUMBA_DISABLE_JIT=1 it prints, of two such values, what came out otherwise; and the arrays
of compiled code that were never made.
"""

import ast
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import bayesgmm
from bayesgmm.data import as_dataset
from bayesgmm.evidence.occupancy import block_sizes, occupied_probabilities
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.quick_search import quick_fits
from bayesgmm.labels.allocation import permuted_sum, projected
from bayesgmm.labels.quantities import row_sums
from bayesgmm.likelihood import rows as rows_module
from bayesgmm.likelihood.annotated_rows import AnnotatedRows
from bayesgmm.likelihood.batches import batched_log_likelihoods
from bayesgmm.likelihood.certain_rows import log_likelihoods_by_group, near_one_another
from bayesgmm.likelihood.chain_density import ChainDensity
from bayesgmm.likelihood.climbing import ascend_from, curvature
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.missing_information import curvature_in_passes
from bayesgmm.likelihood.responsibilities import responsibilities
from bayesgmm.likelihood.rows import Rows
from bayesgmm.likelihood.rowwise import pointwise_log_likelihood
from bayesgmm.likelihood.sweeps import FirstRows, sweep
from bayesgmm.model.components import SAMPLED, STRUCTURES, WITH_FACTORS
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from tests.support.annotated import some_rows

PACKAGE = Path(bayesgmm.__file__).parent
COMPILED = PACKAGE / "likelihood" / "compiled"
FAMILIES: dict[str, dict[str, Any]] = {
    "normal": {},
    "noise": {"noise": "uniform"},
    "t": {"family": "t"},
    "t, own nu": {"family": "t", "nu": "own"},
    "contaminated": {"family": "contaminated"},
    "t, nu = 5, noise": {"family": "t", "nu": 5.0, "noise": "uniform"},
}
N_ROWS, N_CLUSTERS = 10, 2
UNLIKE = ("full", "tied_spherical", "shared_correlations", "shared_scales")
EVERY = [name for name in STRUCTURES if name not in {*WITH_FACTORS} - {"factor", "CUC"}]
STEPPED = set(SAMPLED) - {"spherical", "tied_spherical"}  # whose features have errors of their own
_EMPTY = {"empty": np.empty, "empty_like": np.empty_like}


class Unfilled:
    """Arrays that nobody has filled, all with one value; and where they were made."""

    def __init__(self) -> None:
        self.value, self.made = 0.0, set[str]()

    def make(self, name: str) -> Callable[..., Any]:
        """Return what stands for numpy's function."""

        def made(*arguments: Any, **keywords: Any) -> Any:
            array, caller = _EMPTY[name](*arguments, **keywords), sys._getframe(1)
            path = Path(caller.f_code.co_filename)
            if path.is_relative_to(PACKAGE):
                self.made.add(f"{path.name}:{caller.f_lineno}")
                if array.dtype.kind == "f":
                    array.fill(self.value)
                elif array.dtype.kind in "iu":
                    array.fill(1 if np.isnan(self.value) else 0)
            return array

        return made


def cases() -> Iterator[tuple[str, LogPosterior]]:
    """Yield log posteriors of every family, structure and kind of rows."""
    warnings.simplefilter("ignore")
    for family, options in FAMILIES.items():
        for covariance in EVERY if family == "normal" else UNLIKE:
            for kind in ("plain", "annotated"):
                rng = np.random.default_rng(3)
                table = some_rows(2, N_CLUSTERS, rng)[:N_ROWS]
                filled = np.where(np.isnan(table.table), 100.0, table.table)
                filled += 1e-3 * rng.normal(size=filled.shape)
                rows = filled if kind == "plain" else table
                step = (60.0, 0.0) if kind == "annotated" and covariance in STEPPED else 0.0
                q = {"n_factors": 1} if covariance in WITH_FACTORS else {}
                spec = MixtureSpec(N_CLUSTERS, covariance, resolution=step, **options, **q)
                target = LogPosterior(resolve(spec, as_dataset(filled), sampled=False), rows)
                yield f"{family}, {covariance}, {kind}", target


def passes(target: LogPosterior) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what compiled code does with a log posterior."""
    resolved, rows = target.resolved, target.rows
    sampled = resolved.spec.covariance in (*SAMPLED, *WITH_FACTORS)
    rng = np.random.default_rng(5)
    x = 0.3 * rng.normal(size=target.dim) if sampled else np.zeros(0)
    many = x + 0.1 * rng.normal(size=(2, len(x)))
    likelihood, table = Likelihood(resolved), Rows(resolved, rows)
    with patch.object(rows_module, "HELD_BYTES", 0):
        streamed = Rows(resolved, rows)
    normal = resolve(MixtureSpec(N_CLUSTERS), as_dataset(_plain(rows))) if not sampled else None
    if normal is not None:
        near = LogPosterior(normal, _plain(rows))
        point = near.em_point(0.3 * rng.normal(size=near.dim))
    else:
        point = target.em_point(x)
    moments, floor = table.moments(point), np.full(resolved.n_features, 1e-12)
    yield "moments", lambda: table.moments(point)
    yield "moments of a stream", lambda: streamed.moments(point)
    yield "start", lambda: likelihood.start(point)
    yield "M-step", lambda: likelihood.step(likelihood.start(point), moments, floor)
    yield "certainty", lambda: table.log_certainty(point)
    yield "climb of EM", lambda: likelihood.climb(table, point, floor, 1e-3, 3).x
    if not sampled:
        return
    frame, drawn = (resolved.centre, resolved.unit), target.constrain(many)
    states = np.empty((2, 3, target.dim))

    def sweeps() -> Any:
        states[:, 0] = many
        return sweep(target, states, 0.5, 3, 1), states.copy()

    yield "coordinates", lambda: [p for p in target.constrain(many) if p is not None]
    yield "point of EM", lambda: target.em_point(x)
    yield "density", lambda: (target.evaluate(x).value, target.evaluate(x).gradient)
    yield "densities", lambda: target.log_densities(many)
    yield "terms", lambda: list(target.terms(many, target.log_densities(many)).values())
    yield "expected", lambda: target.evaluate_expected(x, moments).gradient
    yield "rowwise", lambda: target.rowwise(many, rows)
    yield "pointwise", lambda: pointwise_log_likelihood(drawn, rows, *frame)
    yield "shares", lambda: responsibilities(drawn.at(0), rows, *frame)
    yield "empty", lambda: target.empty_probabilities(many)
    yield "sweeps", sweeps
    yield "framed", lambda: ChainDensity(target, x, np.eye(len(x))).value_and_gradient(x)
    yield "climb", lambda: ascend_from(target, x.copy(), 0.1 * np.eye(len(x)), 3)
    if resolved.spec.covariance == "tied_spherical":
        yield "curvature", lambda: curvature(target, x)
    if not isinstance(rows, AnnotatedRows) and resolved.tails is None and resolved.noise is None:
        size = resolved.n_layers * N_CLUSTERS, resolved.n_features
        yield "batch", lambda: batched_log_likelihoods(many, target.flat, len(rows), size, 1)
        if resolved.spec.covariance == "tied_spherical":
            points = x + 1e-3 * rng.normal(size=(40, len(x)))
            steps, groups = np.full(len(x), 1e-4), near_one_another(points, target)
            yield "curvature in passes", lambda: curvature_in_passes(target, x, steps)
            yield "certain rows", lambda: log_likelihoods_by_group(groups, target)
        yield "window", lambda: FirstRows(target, rows).log_likelihoods(many, 3, 9)


def _plain(rows: Any) -> Any:
    values = rows.table if isinstance(rows, AnnotatedRows) else rows
    return np.where(np.isnan(values), 99.0, values)


def without_a_posterior() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what compiled code does with draws alone."""
    rng = np.random.default_rng(6)
    shares = rng.dirichlet(np.ones(3), size=(4, 9)).transpose(0, 2, 1).copy()
    copies, orders = np.arange(9), np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0], [0, 2, 1]])
    yield "projected", lambda: projected(shares, shares[0])
    yield "permuted", lambda: permuted_sum(shares, orders)
    yield "sums", lambda: row_sums(shares)
    yield "occupied", lambda: occupied_probabilities(shares, np.arange(9.0))
    rows = np.concatenate([rng.normal(size=(6, 2)), rng.normal(5.0, 1.0, (6, 2))])
    specs = [MixtureSpec(2), MixtureSpec(2, "VEI")]
    plan: dict[str, Any] = {"seed": 1, "tol": 1e-3, "max_iter": 4}
    yield (
        "grid",
        lambda: [f.log_likelihood for f in quick_fits(as_dataset(rows), specs, **plan).values()],
    )
    yield "sizes", lambda: block_sizes(shares, copies, np.full((4, 9), 0.4))


def bits(result: Any) -> bytes:
    """Return what a result is made of."""
    if isinstance(result, list | tuple):
        return b"".join(bits(each) for each in result)
    return np.asarray(result, dtype=float).tobytes()


def places() -> set[str]:
    """Return where compiled code makes arrays that it does not fill."""
    found = set()
    for path in COMPILED.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in _EMPTY:
                found.add(f"{path.name}:{node.lineno}")
    return found


def main() -> None:
    """Print what depends on unfilled memory, and what was not reached."""
    unfilled = Unfilled()
    for name in _EMPTY:
        setattr(np, name, unfilled.make(name))
    different = []
    every = [(name, passes(target)) for name, target in cases()]
    for name, its_passes in [*every, ("draws", without_a_posterior())]:
        for what, call in its_passes:
            found = []
            for unfilled.value in (np.nan, 1.5):
                found.append(bits(call()))
            if found[0] != found[1]:
                different.append(f"{what}: {name}")
    missed = sorted(places() - unfilled.made)
    print(json.dumps({"different": different, "missed": missed}))


if __name__ == "__main__":
    main()
