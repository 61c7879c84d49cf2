"""Several models side by side: what each is called, which are the same, what is keyed by them."""

import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesgmm.advice import shown
from bayesgmm.arguments import check_count, check_texts
from bayesgmm.errors import ConfigError
from bayesgmm.model.components import SAMPLED, WITH_FACTORS, distinct_structure
from bayesgmm.model.spec import MixtureSpec, kind_in_words, our_name

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EACH_ONCE",
    "ByModel",
    "as_models",
    "counts_in",
    "covariances_in",
    "facts_of_model",
    "families_in",
    "is_all",
    "kinds_in",
    "models_of",
    "number_of",
    "numbers_of",
    "once_each",
    "require_comparison",
    "same_models",
    "table_by_model",
]


EACH_ONCE = "must name at least one structure and none twice"


class ByModel[T](Mapping[MixtureSpec, T]):
    """What there is of several models, by MixtureSpec; by K too where one model has that K.

    Parameters
    ----------
    values : mapping of MixtureSpec to anything
    same : mapping of MixtureSpec to MixtureSpec, optional
        Other specs of models that are held once, and the spec that each is held under.

    Raises
    ------
    ConfigError
        When a K is asked for that no model has, or several, or a model that is not held.

    Examples
    --------
    >>> held = ByModel({MixtureSpec(1): "a", MixtureSpec(2): "b", MixtureSpec(2, "tied"): "c"})
    >>> held[1], held[MixtureSpec(2, "tied")], 3 in held
    ('a', 'c', False)
    >>> held[2]
    Traceback (most recent call last):
        ...
    bayesgmm.errors.ConfigError: several models have K = 2: MixtureSpec(2, 'full') and \
MixtureSpec(2, 'tied'); ask for one of them.
    """

    def __init__(
        self,
        values: Mapping[MixtureSpec, T],
        same: Mapping[MixtureSpec, MixtureSpec] | None = None,
    ) -> None:
        self._values = values
        self._same = same or {}

    def __getitem__(self, key: MixtureSpec | int) -> T:
        """Return what there is of a model, or of the only model with that K."""
        found = self._matching(key)
        if len(found) == 1:
            return self._values[found[0]]
        if not found and isinstance(key, MixtureSpec):
            held = " and ".join(shown(spec) for spec in list(self._values)[:3])
            raise ConfigError(
                f"there is no {shown(key)} here; there is {held or 'none'}.", value=key
            )
        if not found:
            counts = ", ".join(map(str, sorted({spec.n_components for spec in self._values})))
            raise ConfigError(
                f"there is no model with K = {shown(key, 40)} here; there is K = "
                f"{counts or 'none'}.",
                value=key,
            )
        named = " and ".join(f"MixtureSpec({s.n_components}, {s.covariance!r})" for s in found)
        raise ConfigError(
            f"several models have K = {key}: {named}; ask for one of them.", value=key
        )

    def __iter__(self) -> Iterator[MixtureSpec]:
        """Iterate over the models."""
        return iter(self._values)

    def __len__(self) -> int:
        """Return the number of models."""
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        """Whether there is such a model, or one with that K."""
        return bool(self._matching(key))

    def get(self, key: Any, default: Any = None) -> Any:
        """Return what there is of a model, or the default."""
        found = self._matching(key)
        return self[key] if found else default

    def __repr__(self) -> str:
        """Show the values by model."""
        return repr(dict(self._values))

    def _matching(self, key: object) -> list[MixtureSpec]:
        if isinstance(key, MixtureSpec):
            held = self._same.get(key, key)
            return [held] if held in self._values else []
        try:
            count = operator.index(key)  # type: ignore[arg-type]
        except TypeError:
            return []
        return [spec for spec in self._values if spec.n_components == count]


def as_models[T](values: Mapping[Any, T]) -> dict[MixtureSpec, T]:
    """Return a mapping keyed by MixtureSpec, in the order of K; an integer is the default spec."""
    keyed = {k if isinstance(k, MixtureSpec) else MixtureSpec(k): v for k, v in values.items()}
    return dict(sorted(keyed.items(), key=lambda item: item[0].n_components))


def same_models(
    specs: Iterable[MixtureSpec], n_features: int | None
) -> dict[MixtureSpec, MixtureSpec]:
    """Return the specs that are the same model as an earlier one, each with that one.

    With one component nothing differs by sharing; with one feature nothing by correlations or by
    one scale for all. None features stand for an unknown number of at least two.
    """
    first: dict[Any, MixtureSpec] = {}
    same: dict[MixtureSpec, MixtureSpec] = {}
    for spec in specs:
        name: Any = distinct_structure(spec.covariance, spec.n_components, n_features or 2)
        others = replace(spec, covariance=name)
        kept = first.setdefault(others, spec)
        if kept is not spec:
            same[spec] = kept
    return same


def numbers_of(specs: Iterable[MixtureSpec]) -> dict[MixtureSpec, str]:
    """Return what stands after "K = " for each model: K, and its kind where several are there.

    Examples
    --------
    >>> list(numbers_of([MixtureSpec(1), MixtureSpec(2)]).values())
    ['1', '2']
    >>> list(numbers_of([MixtureSpec(2), MixtureSpec(2, "tied")]).values())
    ['2 (full)', '2 (tied)']
    """
    models = list(specs)
    several = len({spec.kind for spec in models}) > 1
    return {spec: number_of(spec, several) for spec in models}


def number_of(spec: MixtureSpec, several: bool) -> str:
    """Return what stands after "K = " for a model; `several` says that kinds differ.

    Examples
    --------
    >>> number_of(MixtureSpec(2, "tied"), True), number_of(MixtureSpec(2), False)
    ('2 (tied)', '2')
    """
    return f"{spec.n_components} ({spec.kind})" if several else str(spec.n_components)


def once_each(same: Mapping[MixtureSpec, MixtureSpec]) -> list[str]:
    """Say which models are held under another name only, a sentence each."""
    sentences = []
    for kept in dict.fromkeys(same.values()):
        others = [str(spec.covariance) for spec, held in same.items() if held == kept]
        are = "is" if len(others) == 1 else "are"
        sentences.append(
            f"With K = {kept.n_components}, {' and '.join(others)} {are} the same model as "
            f"{kept.covariance}, which stands for {'both' if len(others) == 1 else 'all'}."
        )
    return sentences


def facts_of_model(spec: MixtureSpec) -> dict[str, Any]:
    """Return what tells a model from others with its K: the first columns of its row in a table.

    n_factors is None where a structure has none.
    """
    return {
        "covariance": str(spec.covariance),
        "family": spec.family_words,
        "noise": spec.noise,
        "n_factors": spec.n_factors,
    }


def table_by_model(rows: Mapping[MixtureSpec, Mapping[str, Any]]) -> "pd.DataFrame":
    """Return one row per model: index K, `facts_of_model`, then the columns of the rows."""
    import pandas as pd

    index = pd.Index([spec.n_components for spec in rows], name="K", dtype=int)
    lines = [{**facts_of_model(spec), **row} for spec, row in rows.items()]
    return pd.DataFrame(lines, index=index)


def models_of(table: "pd.DataFrame") -> list[MixtureSpec]:
    """Return the default specs that the rows of `table_by_model` stand for."""
    counts = map(int, table.index)
    if "covariance" not in table:
        return [MixtureSpec(k) for k in counts]
    return [replace(spec, n_components=k) for k, spec in zip(counts, _one_each(table), strict=True)]


def kinds_in(table: "pd.DataFrame") -> list[str]:
    """Return the kind of model in each row of `table_by_model`: see `MixtureSpec.kind`."""
    return [kind_in_words(*facts) for facts in _facts_in(table)]


def _one_each(table: "pd.DataFrame") -> list[MixtureSpec]:
    """Return the model of each row with one component in the place of K."""
    return [
        MixtureSpec(
            1,
            name,
            **_family_in(family),
            noise="uniform" if noise == "uniform" else None,
            n_factors=n_factors,
        )
        for name, family, noise, n_factors in _facts_in(table)
    ]


def _facts_in(table: "pd.DataFrame") -> Iterator[tuple[Any, Any, Any, int | None]]:
    """Yield structure, family, noise and number of factors of each row."""
    families = table["family"] if "family" in table else ["normal"] * len(table)
    noises = table["noise"] if "noise" in table else [None] * len(table)
    counts = table["n_factors"] if "n_factors" in table else [None] * len(table)
    factors = [int(q) if q is not None and q == q else None for q in counts]  # NaN for none
    return zip(table["covariance"], families, noises, factors, strict=True)


def _family_in(words: str) -> dict[str, Any]:
    """Return the family that `MixtureSpec.family_words` says."""
    family, _, nu = words.partition(", ")
    if not nu:
        return {"family": family}
    return {"family": family, "nu": "own" if nu == "own nu" else float(nu.partition("= ")[2])}


def families_in(family: Any, noise: Any, nu: Any) -> list[dict[str, Any]]:
    """Return the families asked for, each one or several, with noise and without, as of a spec.

    Raises
    ------
    ConfigError
        When none is named, or one twice.

    Examples
    --------
    >>> families_in(["normal", "t"], None, "own")
    [{'family': 'normal', 'noise': None}, {'family': 't', 'noise': None, 'nu': 'own'}]
    """
    asked = []
    for name, value in (("family", family), ("noise", noise)):
        several = isinstance(value, list | tuple)
        given = tuple(value) if several else (value,)
        if not given or len(set(map(str, given))) < len(given):
            raise ConfigError(
                f"{name} must name at least one kind and none twice, got {shown(value)}.",
                key=name,
                value=value,
            )
        asked.append(given)
    if nu != "shared" and "t" not in asked[0]:
        raise ConfigError(
            f"nu has an effect with family 't' only, got {shown(nu)}.", key="nu", value=nu
        )
    return [
        {"family": f, "noise": n} | ({"nu": nu} if f == "t" else {})
        for f in asked[0]
        for n in asked[1]
    ]


def require_comparison(verb: str, value: Any) -> None:
    """Refuse what is no comparison, for a verb that lies below the one that makes them."""
    if not all(hasattr(value, name) for name in ("models", "posteriors")):
        raise ConfigError(f"{verb} takes a Comparison, got {type(value).__name__}.", value=value)


def counts_in(n_components: Any, most: int) -> list[int]:
    """Return the numbers of components asked for, one or several, to the first above `most`.

    Raises
    ------
    ConfigError
        For what is no integer of at least 1.

    Examples
    --------
    >>> counts_in([1, 3], 8), counts_in(2, 8), counts_in(range(7, 10**9), 8)
    ([1, 3], [2], [7, 8, 9])
    """
    numbers: list[int] = []
    for given in _each(n_components):
        numbers.append(check_count("n_components", given))
        if numbers[-1] > most or len(numbers) > 2 * most:
            break
    return numbers


def _each(value: Any) -> Iterable[Any]:
    """Return several values as they are, and one as the only one of several."""
    one = isinstance(value, str) or not isinstance(value, Iterable)
    return [value] if one or (isinstance(value, np.ndarray) and value.ndim == 0) else value


def structures_in(covariance: Any, n_factors: Any = None) -> list[dict[str, Any]]:
    """Return the structures asked for, each with every number of factors where it has any.

    Raises
    ------
    ConfigError
        Where factors are of no structure, or one of these has no number of them.

    Examples
    --------
    >>> structures_in(["full", "factor"], [1, 2])[1:]
    [{'covariance': 'factor', 'n_factors': 1}, {'covariance': 'factor', 'n_factors': 2}]
    """
    names = covariances_in(covariance)
    with_factors = [name for name in names if name in WITH_FACTORS]
    if n_factors is None:
        return [{"covariance": name} for name in names]
    counts = [check_count("n_factors", q) for q in _each(n_factors)]
    if not with_factors or not counts or len(set(counts)) < len(counts):
        raise ConfigError(
            "n_factors must be one number or several, each once, and covariance one that has "
            f"factors, such as 'factor'; got {shown(n_factors)} and {shown(covariance)}.",
            key="n_factors",
            value=n_factors,
        )
    return [
        {"covariance": name} | ({} if q is None else {"n_factors": q})
        for name in names
        for q in (counts if name in WITH_FACTORS else [None])
    ]


def is_all(covariance: Any) -> bool:
    """Whether all structures are asked for, and perhaps some with factors beside them.

    Examples
    --------
    >>> is_all("all"), is_all(["all", "factor"]), is_all("full")
    (True, True, False)
    """
    return any(isinstance(name, str) and name == "all" for name in _each(covariance))


def covariances_in(value: Any) -> tuple[Any, ...]:
    """Return the covariance structures asked for, by our names: one or several.

    "all" stands for all that have a posterior and no factors, by itself or among other names.

    Raises
    ------
    ConfigError
        When none is named, or one twice.

    Examples
    --------
    >>> covariances_in("tied"), covariances_in(["VVV", "tied"])
    (('tied',), ('full', 'tied'))
    >>> covariances_in(["all", "factor"]) == (*SAMPLED, "factor")
    True
    """
    several = isinstance(value, Iterable) and not isinstance(value, str)
    given = check_texts("covariance", value) if several else [value]
    names = tuple(
        name for each in given for name in (SAMPLED if is_all(each) else [our_name(each)])
    )
    if not names or len(set(map(str, names))) < len(names):
        raise ConfigError(
            f"covariance {EACH_ONCE}, got {shown(value)}.",
            key="covariance",
            value=value,
        )
    return names
