"""Results that are as they were written, and wrong: each is refused when it is loaded."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from bayesgmm.errors import ResultFileError
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior import load, save
from bayesgmm.posterior.tree import attribute
from bayesgmm.posterior.validity import fault_in
from bayesgmm.sampling import sample
from tests.support.places import CASES
from tests.support.small_tree import small_tree

Mutant = Callable[[xr.DataTree], xr.DataTree]
ROWS = np.random.default_rng(1).normal(size=(12, 2)).round(2)
STRUCTURES = ("full", "tied", "diag", "spherical", "shared_scales", "shared_correlations")


@pytest.fixture(scope="module")
def tree() -> xr.DataTree:
    return sample(ROWS, 2, draws=6, tune=50, chains=2, seed=1)


def with_group(tree: xr.DataTree, name: str, group: xr.Dataset) -> xr.DataTree:
    new = tree.copy()
    new[name] = xr.DataTree(group)
    return new


def spoilt(group: str, name: str, spoil: Callable[[xr.DataArray], Any]) -> Mutant:
    """Change one variable; the names along axes that it loses go with them."""

    def mutate(tree: xr.DataTree) -> xr.DataTree:
        data = tree[group].to_dataset()
        return with_group(tree, group, data.drop_vars(name).assign({name: spoil(data[name])}))

    return mutate


def put(value: float) -> Callable[[xr.DataArray], xr.DataArray]:
    """Put a number in the place of one, far from the first."""

    def spoil(variable: xr.DataArray) -> xr.DataArray:
        values = variable.values.astype(variable.dtype, copy=True)
        values.flat[-1] = value
        return variable.copy(data=values)

    return spoil


def plain(variable: xr.DataArray) -> tuple[Any, Any]:
    return variable.dims, variable.values


def shorter(variable: xr.DataArray) -> Any:
    """Cut the first axis of all; the names along it are left out too."""
    return variable.isel({variable.dims[0]: slice(1)}).drop_vars(list(variable.coords))


GENERAL: dict[str, Callable[[xr.DataArray], Any]] = {
    "text": lambda v: v.astype(str),
    "no axes": lambda v: v.dtype.type(0),
    "other axes": lambda v: ([f"other_{dim}" for dim in v.dims], v.values),
    "one axis more": lambda v: ((*v.dims, "more"), v.values[..., None]),
}
OF_FLOATS = {"nan": put(np.nan), "inf": put(np.inf), "whole numbers": lambda v: v.astype(int)}
OF_COUNTS = {"broken numbers": lambda v: v.astype(float) + 0.5}
BELOW: dict[str, list[float]] = {  # out of range, where that is not seen by the others
    "weights": [-0.1, 1.1],
    "scales": [0.0, -1.0],
    "scales_free": [0.0, -1.0],
    "covariances": [0.0, -1.0],
    "correlations": [1.5, -1.5],
    "partial_correlations_beta": [1.5],
    "permutation": [-1, 7],
    "step_size": [0.0, -1.0],
    "mean_tree_accept": [-0.1, 1.1],
    "spread": [0.0, -1.0],
    "resolution": [-1.0],
    "share": [-0.1, 1.1],
    "multiplicity": [0],
}


def mutants_of_arrays(tree: xr.DataTree) -> Iterator[tuple[str, Mutant]]:
    for group in tree.children:
        for name, variable in tree[group].to_dataset().data_vars.items():
            kind = variable.dtype.kind
            changes = GENERAL | (OF_FLOATS if kind == "f" else OF_COUNTS if kind in "iu" else {})
            below = [] if group == "log_prior" else BELOW.get(str(name), [])
            changes |= {f"{value}": put(value) for value in below}
            for change, spoil in changes.items():
                if (group, change) != ("observed_data", "nan"):  # a missing cell
                    yield f"{group}/{name}: {change}", spoilt(group, str(name), spoil)


def attributes(values: dict[str, Any]) -> Mutant:
    def mutate(tree: xr.DataTree) -> xr.DataTree:
        new = tree.copy()
        texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
        new.attrs = {**tree.attrs, **texts}
        return new

    return mutate


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


def mutants_of_attributes(tree: xr.DataTree) -> Iterator[tuple[str, Mutant]]:
    wrong: list[Any] = ["no JSON", "3.5", [1], {"a": None}, True, deep(40), deep(100_000)]
    for name in ("resolved", "data", "versions", "seed", "sampler", "status", "relabelling"):
        for value in wrong:
            if (name, value) != ("sampler", {"a": None}):  # an entry that is not ours
                yield f"{name}: {value!r:.20}", attributes({name: value})
    for name in ("identification", "order_feature", "verdict", "about", "labels", "components"):
        for value in wrong[:3]:
            yield f"{name}: {value!r:.20}", attributes({name: value})
    resolved = attribute(tree, "resolved")
    odd = ["x", [], [1.0, float("nan")], [1.0, float("inf")], [-1.0, -1.0], [1.0] * 3, {"a": 1}]
    for key in resolved:
        rest = {k: v for k, v in resolved.items() if k != key}
        yield f"resolved lacks {key}", attributes({"resolved": rest})
        for value in odd:
            negative = value == [-1.0, -1.0] and key in ("centre", "mean_location")
            if not negative:
                yield f"resolved.{key}: {value!r}", attributes({"resolved": {**rest, key: value}})
    data = attribute(tree, "data")
    for key, value in {"rows": 13, "columns": ["x1"], "hash": 3, "left_out": {"a": 1}}.items():
        yield f"data.{key}", attributes({"data": {**data, key: value}})
    for key, value in {"chains": "4", "draws": -1, "target_accept": 2.0, "method": None}.items():
        yield f"sampler.{key}", attributes({"sampler": {key: value}})
    for name, value in {
        "identification": [0.5],
        "relabelling": {"method": "magic"},
        "order_feature": '"x9"',
        "about": {"units": {"x1": 3}},
        "components": {"gaussian": "yes", "gap": None},
        "spec": {**attribute(tree, "spec"), "n_components": 3},
        "status": '"fine"',
        "seed": "-1",
    }.items():
        yield f"{name} of its own", attributes({name: value})
    for moves in (
        {"groups": [[0]], "axes": {}, "families": []},
        {"groups": [[0, 1]], "axes": {"means": "nowhere"}, "families": []},
        {"groups": [[0, 1]], "axes": {"nothing": "cluster"}, "families": []},
        {"groups": [[0, 1]], "axes": {}, "families": [["means"]]},
        {"groups": [[0, 1]], "axes": {}, "families": [["a", "b"]]},
    ):
        yield f"labels: {moves}", attributes({"labels": moves})


def renamed(group: str, **names: Any) -> Mutant:
    return lambda tree: with_group(tree, group, tree[group].to_dataset().assign_coords(**names))


def lacking(group: str, name: str) -> Mutant:
    return lambda tree: with_group(tree, group, tree[group].to_dataset().drop_vars(name))


def cut(group: str, axis: str) -> Mutant:
    return lambda tree: with_group(tree, group, tree[group].to_dataset().isel({axis: slice(0, -1)}))


def nested(tree: xr.DataTree) -> xr.DataTree:
    new = tree.copy()
    new["posterior/below/further"] = xr.DataTree()
    return new


MUTANTS_OF_GROUPS: dict[str, Mutant] = {
    "a feature twice": renamed("posterior", feature=["x1", "x1"], feature_bis=["x1", "x1"]),
    "another feature": renamed("posterior", feature=["x1", "z"], feature_bis=["x1", "z"]),
    "features in another order": renamed("observed_data", feature=["x2", "x1"]),
    "feature_bis is another": renamed("posterior", feature_bis=["x2", "x1"]),
    "a cluster twice": renamed("posterior", cluster=[1, 1]),
    "clusters of other names": renamed("posterior_modes", cluster=[3, 4]),
    "other pairs": renamed("posterior", pair=["a, b"]),
    "other rows": renamed("log_likelihood", obs=np.arange(8) + 1),
    "other draws": renamed("sample_stats", draw=np.arange(6) + 1),
    "rows cut": cut("log_likelihood", "obs"),
    "draws cut": cut("sample_stats", "draw"),
    "chains cut": cut("log_prior", "chain"),
    "features cut": cut("constant_data", "feature"),
    "clusters cut": cut("posterior_modes", "cluster"),
    "no draws": lambda tree: with_group(
        tree, "posterior", tree["posterior"].to_dataset().isel(draw=slice(0))
    ),
    "no weights": lacking("posterior", "weights"),
    "no means": lacking("posterior", "means"),
    "no covariances": lacking("posterior", "covariances"),
    "no rows": lacking("observed_data", "x"),
    "no mass": lacking("posterior_modes", "log_mass"),
    "nested groups": nested,
    "asymmetric": spoilt("posterior", "covariances", lambda v: v + [[0.0, 0.1], [0.0, 0.0]]),
    "indefinite": spoilt("posterior", "covariances", lambda v: v * [[1.0, 99.0], [99.0, 1.0]]),
    "other sums": spoilt("posterior", "weights", lambda v: 2.0 * v),
}


def mutants(tree: xr.DataTree) -> dict[str, Mutant]:
    everything = (*mutants_of_arrays(tree), *mutants_of_attributes(tree))
    return {**dict(everything), **MUTANTS_OF_GROUPS}


def refused(mutant: xr.DataTree, path: Path) -> None:
    with pytest.raises(ResultFileError, match="is as it was written, and no result|not a bayesgmm"):
        load(save(mutant, path, overwrite=True))


def test_no_mutant_is_a_result(tree: xr.DataTree) -> None:
    """A third of them here, and all of them, through files, on demand."""
    found = mutants(tree)
    assert len(found) >= 400 and fault_in(tree) is None
    some = list(found.items())[::3]
    assert [name for name, mutate in some if fault_in(mutate(tree)) is None] == []


@pytest.mark.parametrize("part", range(8))
def test_mutants_with_a_right_hash_are_refused(
    tree: xr.DataTree, part: int, tmp_path: Path
) -> None:
    each = list(mutants(tree).values())
    refused(each[part * len(each) // 8](tree), tmp_path / "mutant.nc")


@pytest.mark.slow
def test_all_mutants_with_a_right_hash_are_refused(tree: xr.DataTree, tmp_path: Path) -> None:
    for mutate in mutants(tree).values():
        refused(mutate(tree), tmp_path / "mutant.nc")


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_every_structure_is_a_result(covariance: Any) -> None:
    for rows, k in ((ROWS, 1), (ROWS, 2), (ROWS[:, :1], 2)):
        spec = MixtureSpec(k, covariance)
        assert fault_in(sample(rows, spec, draws=4, tune=30, chains=1, seed=1)) is None


def test_parts_of_results_are_results(tree: xr.DataTree) -> None:
    assert fault_in(small_tree()) is None
    for group in tree.children:
        rest = tree.copy()
        del rest[group]
        assert (fault_in(rest) is None) == (group != "posterior")
    assert fault_in(tree.isel(chain=[0], missing_dims="ignore")) is None
    for name in ("schema_1_full", "schema_1_diag", "schema_1_own_model"):
        assert fault_in(load(CASES / f"{name}.nc")) is None
