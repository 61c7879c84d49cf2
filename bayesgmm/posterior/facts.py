"""The attributes of a result as they must be: JSON of known types, read without surprises."""

import json
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import xarray as xr
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from bayesgmm.advice import shown
from bayesgmm.errors import ConfigError
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array

__all__ = ["Facts", "facts_in"]

_DEEPEST = 12
_STRICT = ConfigDict(strict=True, extra="allow")

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0, strict=False)]
Names = dict[str, str]


@with_config(_STRICT)
class _Missing(TypedDict, total=False):
    cells: dict[str, Count]
    complete: Count
    patterns: Count


@with_config(_STRICT)
class _Data(TypedDict):
    hash: str
    source: str
    rows: Count
    columns: list[str]
    dropped: NotRequired[Count]
    dropped_rows: NotRequired[list[int]]
    left_out: NotRequired[Names]
    missing: NotRequired[_Missing]
    row_labels: NotRequired[list[str] | None]
    reading: NotRequired[dict[str, Any]]
    units: NotRequired[Names]


@with_config(_STRICT)
class _Sampler(TypedDict, total=False):
    method: str
    chains: Count
    draws: Count
    tune: Count
    target_accept: Share
    cores: Count


@with_config(_STRICT)
class _Relabelling(TypedDict):
    method: Literal["stephens", "ecr", "pivot"] | None
    moved: NotRequired[Share]
    agreement: NotRequired[dict[str, Share]]
    reason: NotRequired[str]


@with_config(_STRICT)
class _About(TypedDict, total=False):
    title: str
    question: str
    source: str
    known: str
    author: str
    date: str
    aims: str
    why_bayesian: str
    design: str
    priors: str
    missing: str
    interpretation: str
    limitations: str
    availability: str
    command: str
    units: Names


@with_config(_STRICT)
class _Moves(TypedDict):
    groups: list[list[Count]]
    axes: Names
    families: list[list[str]]
    unclear: NotRequired[list[str]]


@with_config(_STRICT)
class _Components(TypedDict):
    gaussian: bool
    gap: Annotated[float, Field(ge=0.0, strict=False)] | None


@with_config(_STRICT)
class _Run(TypedDict):
    data: str
    configuration: str
    versions: Names
    seed: Count


@with_config(_STRICT)
class Facts(TypedDict, total=False):
    """What a result says of itself; None, as absent, is not known."""

    spec: dict[str, Any] | None
    resolved: dict[str, Any] | None
    data: _Data | None
    versions: Names | None
    seed: Count | None
    sampler: _Sampler | None
    status: Literal["complete", "interrupted"] | None
    relabelling: _Relabelling | None
    identification: list[Share] | None
    order_feature: str | None
    verdict: dict[str, Any] | None
    about: _About | None
    labels: _Moves | None
    components: _Components | None
    modes: dict[str, Any] | None
    run: _Run | None


@cache
def _adapter() -> TypeAdapter[Facts]:
    return TypeAdapter(Facts)


def facts_in(tree: xr.DataTree) -> tuple[Facts, ResolvedSpec | None]:
    """Return the attributes of a result, and the resolved spec of one of the built-in model.

    Raises
    ------
    ValueError
        With the first thing that is wrong, as the end of a sentence.
    """
    found = {name: _value(tree, name) for name in Facts.__annotations__ if name in tree.attrs}
    try:
        facts = _adapter().validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"its attribute {place} is {shown(first['input'], 60)}") from None
    given = facts.get("resolved")
    resolved = None if given is None else _resolved(given)
    if facts.get("spec") is not None and resolved is not None:
        _check(facts["spec"] == given["spec"], "its attributes spec and resolved disagree")  # type: ignore[index]
    return facts, resolved


def _value(tree: xr.DataTree, name: str) -> Any:
    text = tree.attrs[name]
    try:
        value = json.loads(text)
        deep = _depth(value) > _DEEPEST
    except (TypeError, ValueError, RecursionError):
        raise ValueError(f"its attribute {name} is no JSON text, got {shown(text, 60)}") from None
    _check(not deep, f"its attribute {name} is nested more than {_DEEPEST} deep")
    return value


def _depth(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, parts), default=0)


def _resolved(given: dict[str, Any]) -> ResolvedSpec:
    try:
        resolved = ResolvedSpec.from_dict(given)
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"its attribute resolved holds no model: {error!s:.80}") from None
    k, d = resolved.n_components, resolved.n_features
    names = (*resolved.features, *resolved.classes, *resolved.names)
    _check(all(isinstance(name, str) for name in names), "its attribute resolved names no features")
    width = resolved.structure.scale_width(d)
    for name, size, above in (
        ("centre", d, None),
        ("spread", d, 0.0),
        ("resolution", d, -0.0),
        ("concentration", k, 0.0),
        ("mean_location", d, None),
        ("mean_scale", d, 0.0),
        ("scale", width, 0.0),
    ):
        value: Array = getattr(resolved, name)
        shapes = ((size,), (k, size)) if name in ("mean_location", "mean_scale", "scale") else (
            (size,),
        )  # fmt: skip
        least = name == "resolution"
        low = above is None or bool((value >= 0.0).all() if least else (value > 0.0).all())
        right = value.shape in shapes and bool(abs(value).max() < float("inf")) and low
        _check(right, f"its attribute resolved has a wrong {name}")
    _check(len(resolved.names) in (0, k), "its attribute resolved has wrong names of clusters")
    with_pivots = resolved.structure.n_factors
    _check(
        len(set(resolved.pivots)) == len(resolved.pivots) == with_pivots
        and all(isinstance(d, int) and 0 <= d < resolved.n_features for d in resolved.pivots),
        "its attribute resolved has wrong pivots of factors",
    )
    groups = resolved.class_groups
    _check(
        len(groups) == len(resolved.classes) <= k and all(isinstance(g, int) for g in groups),
        "its attribute resolved has wrong classes",
    )
    return resolved


def _check(right: bool, what: str) -> None:
    if not right:
        raise ValueError(what)
