"""What a result must hold: names, axes, kinds, ranges and finite numbers of every array.

A hash shows that a file is as it was written, not that what was written is a result.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesgmm.advice import shown
from bayesgmm.limits import MAX_ABSOLUTE
from bayesgmm.model.parameters import pair_names
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.posterior.facts import Facts, facts_in
from bayesgmm.typing import Array

__all__ = ["fault_in"]

_SAMPLE = ("chain", "draw")
_CLOSE = 1e-6  # what single precision leaves of sums and symmetry
_BLOCK = 2**22  # numbers checked at a time
_DEEPEST = 2

Test = Callable[[Array], Any]


@dataclass(frozen=True)
class _Rule:
    """Axes of an array after those of draws, kinds of its numbers, and what they satisfy."""

    dims: tuple[str, ...]
    test: Test
    words: str
    kinds: str = "f"
    lead: tuple[str, ...] = _SAMPLE


def fault_in(tree: xr.DataTree) -> str | None:
    """Return what keeps a tree from being a result, as the end of a sentence; None where nothing.

    Parameters
    ----------
    tree : xarray.DataTree
        Of the present layout, in memory.
    """
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # infinite numbers are looked for
            _check_all(tree)
    except ValueError as fault:
        return str(fault)
    return None


def _check_all(tree: xr.DataTree) -> None:
    _require(tree.depth <= _DEEPEST, "its groups are nested")
    groups = {str(name): node.to_dataset(inherit=False) for name, node in tree.children.items()}
    _require("posterior" in groups, "it has no group posterior")
    facts, resolved = facts_in(tree)
    sizes = _sizes(groups["posterior"])
    ours = resolved is not None and (facts.get("sampler") or {}).get("method") != "adopted"
    for name in ("posterior", *sorted(_RULES.keys() & groups.keys() - {"posterior"})):
        _check_axes(name, groups[name], sizes)
        _check_variables(name, groups[name], _rules_of(name, groups[name], resolved), ours)
    _check_names(groups, sizes, resolved)
    _check_facts(facts, groups, sizes, resolved)


def _sizes(posterior: xr.Dataset) -> dict[str, int]:
    """Return the lengths that axes have in every group."""
    for name, dims in (("weights", ("cluster",)), ("means", ("cluster", "feature"))):
        _require(name in posterior, f"posterior/{name} is missing")
        right = posterior[name].dims == (*_SAMPLE, *dims)
        _require(right, f"posterior/{name} has the axes {posterior[name].dims}")
    sizes = {name: posterior.sizes[name] for name in (*_SAMPLE, "cluster", "feature")}
    _require(min(sizes.values()) > 0, f"it holds nothing: {sizes}")
    d = sizes["feature"]
    return {**sizes, "feature_bis": d, "pair": d * (d - 1) // 2}


def _check_axes(name: str, group: xr.Dataset, sizes: Mapping[str, int]) -> None:
    for dim, size in group.sizes.items():
        right = sizes.get(str(dim), size)
        _require(size == right, f"{name} has {size} along {dim} and not {right}")


def _rules_of(name: str, group: xr.Dataset, resolved: ResolvedSpec | None) -> dict[str, "_Rule"]:
    rules = _RULES[name] | (_own_rules(group, resolved) if name == "posterior" else {})
    if "weights" in rules and "noise_weight" in group:
        rules["weights"] = replace(rules["weights"], test=_below_one, words="at least 0, below 1")
    return rules


def _check_variables(
    name: str, group: xr.Dataset, rules: Mapping[str, "_Rule"], ours: bool
) -> None:
    """Check the variables of a group that have rules; `ours` if this package has made them.

    Other samplers say what they like of their draws.
    """
    missing = _NEEDED.get(name, set()) - set(map(str, group.data_vars))
    _require(not missing, f"{name}/{min(missing, default='')} is missing")
    for variable in rules.keys() & group.keys():
        if ours or name != "sample_stats" or variable in _ALWAYS:
            _check_variable(f"{name}/{variable}", group[variable], rules[variable], ours)


def _own_rules(posterior: xr.Dataset, resolved: ResolvedSpec | None) -> dict[str, _Rule]:
    """Return what holds of scales and correlations, which a user's own model may lay out anew."""
    if resolved is None:
        rules = {"scales": _SCALES, "correlations": _MATRICES}
        return {
            name: rule
            for name, rule in rules.items()
            if name in posterior and posterior[name].dims[2:] == rule.dims
        }
    structure = resolved.structure
    if structure.has_loadings:
        return {
            "scales": _SCALES,
            "correlations": _Rule(("cluster", "pair"), _within_one, "between -1 and 1"),
            "unique_scales": _Rule(_SCALES.dims, _positive, "above 0"),
            "unique_scales_free": _Rule(structure.scale_dims, _positive, "above 0"),
            "loadings": _Rule(("cluster", "feature", "factor"), np.isfinite, "finite"),
            "loadings_diagonal": _Rule(structure.loading_dims("factor"), _positive, "above 0"),
            "loadings_below": _Rule(structure.loading_dims("loading"), np.isfinite, "finite"),
        }
    return {
        "scales": _SCALES,
        "correlations": _Rule(("cluster", "pair"), _within_one, "between -1 and 1"),
        "scales_free": _Rule(structure.scale_dims, _positive, "above 0"),
        "partial_correlations_beta": _Rule(structure.pair_dims, _share, "between 0 and 1"),
    }


def _check_variable(place: str, variable: xr.DataArray, rule: _Rule, ours: bool) -> None:
    dims = (*rule.lead, *rule.dims)
    _require(variable.dims == dims, f"{place} has the axes {variable.dims} and not {dims}")
    kinds = rule.kinds if ours else rule.kinds.replace("f", "fiu")
    kind = variable.dtype.kind
    _require(kind in kinds, f"{place} is of type {variable.dtype}")
    for block in _blocks(variable.values):
        _require(bool(np.all(rule.test(block))), f"{place} is not everywhere {rule.words}")


def _blocks(values: Array) -> Iterator[Array]:
    step = max(1, _BLOCK * len(values) // max(values.size, 1)) if values.ndim else 1
    for start in range(0, len(values) if values.ndim else 1, step):
        yield values[start : start + step] if values.ndim else values


_NAMED = ("feature", "cluster", "obs", "mode", "class", "pair", "factor", "loading")


def _check_names(
    groups: Mapping[str, xr.Dataset], sizes: Mapping[str, int], resolved: ResolvedSpec | None
) -> None:
    """Check that axes carry the same names in all groups, none of them twice."""
    names: dict[str, NDArray[Any]] = {}
    known = [groups[name] for name in _RULES if name in groups]
    for group in known:
        for dim in (*_NAMED, *_SAMPLE):
            if dim in group.coords:
                coordinate = group[dim].values
                right = group[dim].dims == (dim,) and coordinate.dtype.kind in "iuUOMmb"
                _require(right, f"the names along {dim} are of type {coordinate.dtype}")
                same = np.array_equal(names.setdefault(dim, coordinate), coordinate)
                _require(same, f"the names along {dim} differ between groups")
        if "feature_bis" in group.coords and "feature" in group.coords:
            same = np.array_equal(group["feature_bis"].values, group["feature"].values)
            _require(same, "the names along feature_bis are not those along feature")
    for dim in names.keys() - {"obs"}:
        distinct = len(set(names[dim].tolist())) == len(names[dim])
        _require(distinct, f"a name along {dim} stands twice")
    if resolved is not None:
        features = list(resolved.features)
        there = names.get("feature", np.array([])).tolist()
        _require(there == features, "its features are not those of its model")
        _require(resolved.n_components == sizes["cluster"], "its clusters are not its model's")
        if "pair" in names:
            _require(names["pair"].tolist() == pair_names(features), "its pairs are wrong")
        for dim, expected in resolved.factor_coords.items():
            _require(names[dim].tolist() == expected, f"its names along {dim} are wrong")


def _check_facts(
    facts: Facts,
    groups: Mapping[str, xr.Dataset],
    sizes: Mapping[str, int],
    resolved: ResolvedSpec | None,
) -> None:
    """Check that the attributes speak of the arrays beside them."""
    k = sizes["cluster"]
    scores = facts.get("identification")
    _require(scores is None or len(scores) == k, "its identification is of other clusters")
    moves, posterior = facts.get("labels"), groups["posterior"]
    if moves is not None:
        clusters = sorted(cluster for group in moves["groups"] for cluster in group)
        _require(clusters == list(range(k)), "its groups of labels are no groups of its clusters")
        axes = all(n in posterior and a in posterior[n].dims for n, a in moves["axes"].items())
        _require(axes, "its labels name axes that it does not have")
        families = all(len(f) == k and all(n in posterior for n in f) for f in moves["families"])
        _require(families, "its labels name variables that it does not have")
    order = facts.get("order_feature")
    known = order is None or order in posterior["means"]["feature"].values.tolist()
    _require(known, f"its clusters are ordered by {shown(order, 40)}, which is no feature")
    data, observed = facts.get("data"), groups.get("observed_data")
    some = groups.get("observed_sample")
    if some is not None and data is not None:
        rows, columns = some["x"].shape
        agree = data["rows"] >= rows and len(data["columns"]) == columns
        _require(agree, "its rows are not those that its attributes speak of")
    if observed is not None and "x" in observed:
        rows, columns = observed["x"].shape
        if data is not None:
            agree = data["rows"] == rows and len(data["columns"]) == columns
            _require(agree, "its rows are not those that its attributes speak of")
        likelihood = groups.get("log_likelihood")
        if likelihood is not None:
            _require(likelihood.sizes.get("obs") == rows, "its log likelihood is of other rows")
        if "weights" in observed:
            kind = observed["weights"].attrs.get("kind")
            known = kind in ("frequency", "sampling")
            _require(known, f"its weights are of the kind {shown(kind, 40)}")
        if "possible" in observed:
            _require("class" in observed.coords, "its classes have no names")


def _require(right: bool, what: str) -> None:
    if not right:
        raise ValueError(what)


def _simplex(values: Array) -> Any:
    return (values >= 0.0).all(axis=-1) & (abs(values.sum(axis=-1) - 1.0) < _CLOSE)


def _positive(values: Array) -> Any:
    return (values > 0.0) & np.isfinite(values)


def _not_negative(values: Array) -> Any:
    return (values >= 0.0) & np.isfinite(values)


def _within_one(values: Array) -> Any:
    return abs(values) <= 1.0 + _CLOSE


def _share(values: Array) -> Any:
    return (values >= 0.0) & (values <= 1.0)


def _correlations(values: Array) -> bool:
    """Whether matrices are symmetric, 1 on the diagonal, and not clearly indefinite."""
    even = abs(values - np.swapaxes(values, -1, -2)).max() <= _CLOSE
    diagonal = np.einsum("...dd->...d", values)
    if not (even and (abs(diagonal - 1.0) <= _CLOSE).all() and _within_one(values).all()):
        return False  # NaN fails each of these
    try:
        np.linalg.cholesky(values.astype(float) + _CLOSE * np.eye(values.shape[-1]))
    except np.linalg.LinAlgError:
        return False
    return True


def _covariances(values: Array) -> bool:
    variances = np.einsum("...dd->...d", values)
    if not _positive(variances).all():
        return False
    deviations = np.sqrt(variances)
    return _correlations(values / deviations[..., :, None] / deviations[..., None, :])


def _log_density(values: Array) -> Any:
    return values < np.inf  # NaN is not either


def _degrees(values: Array) -> Any:
    return (values >= 1.0) & np.isfinite(values)


def _below_one(values: Array) -> Any:
    return (values >= 0.0).all(axis=-1) & (values.sum(axis=-1) <= 1.0 + _CLOSE)


def _permutations(values: Array) -> bool:
    return bool((np.sort(values, axis=-1) == np.arange(values.shape[-1])).all())


def _cells(values: Array) -> Any:
    return np.isnan(values) | (abs(values) <= MAX_ABSOLUTE)


_SCALES = _Rule(("cluster", "feature"), _positive, "above 0")
_MATRICES = _Rule(("cluster", "feature", "feature_bis"), _correlations, "correlation matrices")
_FINITE = _Rule((), np.isfinite, "finite")
_OF_DRAWS = _Rule((), _log_density, "a log density")
_COUNT = _Rule((), lambda values: values >= 0, "at least 0", "iu")


def _rule(dims: tuple[str, ...], test: Test, words: str, kinds: str = "f") -> _Rule:
    return _Rule(dims, test, words, kinds, lead=())


_RULES: dict[str, dict[str, _Rule]] = {
    "posterior": {
        "weights": _Rule(("cluster",), _simplex, "at least 0 with sum 1"),
        "weights_of_parts": _Rule(("part",), _simplex, "at least 0 with sum 1"),
        "noise_weight": _Rule((), _share, "between 0 and 1"),
        "nu": _Rule(("cluster",), _degrees, "at least 1"),
        "inflation": _Rule((), _degrees, "at least 1"),
        "good_share": _Rule((), _share, "between 0 and 1"),
        "means": _Rule(("cluster", "feature"), np.isfinite, "finite"),
        "covariances": _Rule(_MATRICES.dims, _covariances, "positive definite"),
    },
    "log_prior": {
        name: _OF_DRAWS
        for name in (
            "weights",
            "weights_of_parts",
            "means",
            "scales_free",
            "partial_correlations_beta",
            "unique_scales_free",
            "loadings",
            "nu_free",
            "contamination",
        )
    },
    "sample_stats": {
        "diverging": _Rule((), np.isfinite, "true or false", "b"),
        "maxdepth_reached": _Rule((), np.isfinite, "true or false", "b"),
        "depth": _COUNT,
        "n_steps": _COUNT,
        "step_size": _Rule((), _positive, "above 0"),
        "mean_tree_accept": _Rule((), _share, "between 0 and 1"),
        "energy": _FINITE,
        "lp": _OF_DRAWS,
        "log_likelihood": _OF_DRAWS,
        "permutation": _Rule(("cluster",), _permutations, "a permutation", "iu"),
    },
    "log_likelihood": {"x": _Rule(("obs",), _log_density, "a log density")},
    "observed_data": {
        "x": _rule(("obs", "feature"), _cells, f"a number up to {MAX_ABSOLUTE:g}, or missing"),
        "weights": _rule(("obs",), _not_negative, "at least 0"),
        "possible": _rule(("obs", "class"), lambda v: (v == 0) | (v == 1), "0 or 1", "biu"),
        "errors": _rule(("obs", "feature"), _not_negative, "at least 0"),
    },
    "constant_data": {
        "centre": _rule(("feature",), np.isfinite, "finite"),
        "spread": _rule(("feature",), _positive, "above 0"),
        "resolution": _rule(("feature",), _not_negative, "at least 0"),
        "nu": _rule(("cluster",), _degrees, "at least 1"),
    },
    "posterior_modes": {
        "weights": _rule(("mode", "cluster"), _simplex, "at least 0 with sum 1"),
        "means": _rule(("mode", "cluster", "feature"), np.isfinite, "finite"),
        "scales": _rule(("mode", "cluster", "feature"), _positive, "above 0"),
        "correlations": _rule(("mode", *_MATRICES.dims), _correlations, _MATRICES.words),
        "loadings": _rule(("mode", "cluster", "feature", "factor"), np.isfinite, "finite"),
        "unique_scales": _rule(("mode", "cluster", "feature"), _positive, "above 0"),
        "log_posterior": _rule(("mode",), np.isfinite, "finite"),
        "log_mass": _rule(("mode",), np.isfinite, "finite"),
        "share": _rule(("mode",), _share, "between 0 and 1"),
        "multiplicity": _rule(("mode",), lambda v: v >= 1, "at least 1", "iu"),
    },
}
_RULES["observed_sample"] = _RULES["observed_data"]
_ALWAYS = ("log_likelihood", "permutation")  # statistics that this package computes
_NEEDED = {
    "posterior": {"weights", "means", "covariances"},
    "log_likelihood": {"x"},
    "observed_data": {"x"},
    "observed_sample": {"x"},
    "posterior_modes": _RULES["posterior_modes"].keys() - {"loadings", "unique_scales"},
}
