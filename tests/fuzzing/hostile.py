"""Hostile values, by the annotation of the parameter that they are given to."""

import os
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from inspect import Parameter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from matplotlib.figure import Figure

from bayesgmm import MixtureSpec, Priors
from bayesgmm.model.parameters import Parameters

__all__ = ["Hostile", "hostile_values"]


class Hostile(NamedTuple):
    """A value's name, and what makes it anew in a folder of its own."""

    name: str
    make: Callable[[Path], Any]


def nested(depth: int, innermost: Any = 0.0) -> Any:
    for _ in range(depth):
        innermost = [innermost]
    return innermost


def nested_mapping(depth: int) -> Any:
    inner: Any = {}
    for _ in range(depth):
        inner = {"x1": inner}
    return inner


def _plain(*values: Any) -> tuple[Hostile, ...]:
    return tuple(Hostile(_shown(value), lambda _, v=value: v) for value in values)


def _shown(value: Any) -> str:
    try:
        text = ascii(value)
    except (RecursionError, ValueError):
        text = "..."
    return f"{type(value).__name__} {text:.60}"


def _made(**makers: Callable[[], Any]) -> tuple[Hostile, ...]:
    return tuple(Hostile(name, lambda _, m=make: m()) for name, make in makers.items())


COMMON = _plain(None, (), {}, "", 3, float("nan"), np.array([2, 3]), object())

NUMBERS = _plain(
    True, 0, -1, 1, 2, 5, 2**31, 2**63, 10**30, 10**400, -(10**400), 10**5000,
    0.0, -0.0, 0.5, 1.0, 1.0 - 2**-53, 2.5, 5e-324, 1e-300, 1e308, float("inf"), -float("inf"),
    np.int64(2), np.int8(-1), np.uint64(2**64 - 1), np.float32(0.5), np.float16(0.5),
    np.bool_(True), np.array(2), np.array(0.5), np.array([2]), np.array([[0.5]]),
    np.ma.masked, Fraction(1, 2), Decimal("0.5"), Decimal("NaN"), 1 + 0j, "2", b"2", "auto",
    pd.NA, pd.NaT, np.datetime64("NaT", "s"), pd.Timestamp("2020-01-01"), (0.5, 0.5), [2, 2],
    (1.0, float("nan")), ((0.0, 1.0), (2.0, 3.0)), ((0.0,), (1.0, 2.0)),
    nested(100_000), (10**400, 1.0), range(0), range(1, 3), range(2, 10**9), iter([1]), {1, 2},
)  # fmt: skip

TEXTS = _plain(
    " ", "x", "x1", "x2", "x3", "all", "full", "stephens", "loo", "smc", "dynamic", "md", "mar",
    "a\0b", "a\nb", "\x1b[2J", "\ud800", "\u202e", "é" * 5000, "../..", "%s{0}{x}", "[", "\\",
    b"x1", np.str_("x1"), Path("x1"), ["x1"], ("x1", "x1"), np.array("x1"), ";", ",,", "٣",
)  # fmt: skip

SEQUENCES = _plain(
    ["x1"], ("x1", "x2"), ["x1", "x1"], ["x9"], ["x1", "x2", "x3"], [1], [-1], [10**30], [None],
    [["x1"]], [float("nan")], [np.array([1, 2])], "x1", {"x1"}, np.array(["x1", "x2"]),
    np.array([]), np.array(None), pd.Index(["x1", "x2"]), pd.Series([1, 2]), ["\ud800"],
    ["a\0b"], [b"x1"], range(10**12), nested(100_000), [(0.0, 1.0)], [(1.0, 0.0), (0.0, 1.0)],
    [(float("nan"), 1.0)] * 2, [(0.0, 0.0)] * 2, [(-1e308, 1e308)] * 2, [(1, 2, 3)] * 2,
    [("a", "b")] * 2, [True], [1.5], ["full", "tied"], ["XYZ"],
) + _made(generator=lambda: (name for name in ("x1", "x2")))  # fmt: skip

MAPPINGS = _plain(
    {"x1": "cm"}, {"x9": "cm"}, {1: 2}, {None: None}, {"x1": None}, {"x1": object()},
    {"x1": 1e308}, {"x1": -1.0}, {"x1": float("nan")}, {"x1": "x2"}, {"x1": "nowhere"},
    {"x1": [0.1] * 40}, {"x1": np.zeros((3, 3))}, {"\ud800": "\ud800"}, {"x1": "<b>&\0"},
    [("x1", "cm")], nested_mapping(100_000), {"n_components": 2}, {"n_components": nested(100_000)},
    {"n_components": 2, "nope": 1}, {"n_components": 2, "priors": {"eta": "x"}},
    {"eta": 1.0}, {"title": 3}, {"draws": -1}, pd.Series({"x1": "cm"}),
)  # fmt: skip


def _rows(n: int = 40, d: int = 2) -> np.ndarray:
    rng = np.random.default_rng(5)
    return np.round(rng.normal(size=(n, d)) + 6.0 * (np.arange(n) % 2)[:, None], 3)


def _spotted(value: float) -> np.ndarray:
    rows = _rows()
    rows[3, 1] = value
    return rows


ROWS = _made(
    good=_rows,
    one_row=lambda: _rows(1),
    two_rows=lambda: _rows(2),
    no_rows=lambda: np.empty((0, 2)),
    no_columns=lambda: np.empty((5, 0)),
    empty=lambda: np.array([]),
    one_column=lambda: _rows(40, 1),
    three_columns=lambda: _rows(40, 3),
    flat=lambda: _rows()[:, 0],
    cube=lambda: np.zeros((3, 3, 3)),
    scalar=lambda: np.array(3.0),
    many_axes=lambda: np.zeros((1,) * 40),
    text=lambda: _rows().astype(str),
    complexes=lambda: _rows().astype(complex),
    booleans=lambda: _rows() > 0,
    half=lambda: _rows().astype(np.float16),
    long_double=lambda: _rows().astype(np.longdouble),
    big_endian=lambda: _rows().astype(">f8"),
    fortran=lambda: np.asfortranarray(_rows()),
    strided=lambda: _rows(80, 4)[::-2, ::2],
    read_only=lambda: np.broadcast_to(_rows(1), (40, 2)),
    dates=lambda: np.full((40, 2), np.datetime64("2020-01-01")),
    masked=lambda: np.ma.masked_greater(_rows(), 6.0),
    objects=lambda: _rows().astype(object),
    mixed=lambda: np.array([[1.0, "a"], [None, object()]], dtype=object),
    records=lambda: np.zeros(5, dtype=[("x1", float), ("x2", float)]),
    void=lambda: np.zeros((5, 2), dtype="V8"),
    nan=lambda: _spotted(np.nan),
    infinite=lambda: _spotted(np.inf),
    huge=lambda: _spotted(1e200),
    tiny=lambda: _rows() * 1e-200,
    far=lambda: _rows() + 1e15,
    equal=lambda: np.ones((40, 2)),
    collinear=lambda: np.repeat(_rows()[:, :1], 2, axis=1),
    integers=lambda: _rows().astype(int),
    large_integers=lambda: np.full((4, 2), 2**63 - 1),
    large_objects=lambda: [[10**400, 1.0], [2.0, 3.0]],
    unsigned=lambda: np.full((4, 2), 2**64 - 1, dtype=np.uint64),
    ragged=lambda: [[1.0], [1.0, 2.0]],
    listed=lambda: _rows().tolist(),
    sets=lambda: [{1.0}, {2.0}],
    bytes=lambda: b"1,2\n3,4\n",
    generator=lambda: (row for row in _rows()),
    memory=lambda: memoryview(_rows()),
    series=lambda: pd.Series(_rows()[:, 0]),
    frame=lambda: pd.DataFrame(_rows(), columns=["x1", "x2"]),
    empty_frame=lambda: pd.DataFrame(),
    frame_of_no_rows=lambda: pd.DataFrame({"x1": [], "x2": []}),
    frame_of_one_row=lambda: pd.DataFrame(_rows(1), columns=["x1", "x2"]),
    doubled_names=lambda: pd.DataFrame(_rows(), columns=["x1", "x1"]),
    numbers_for_names=lambda: pd.DataFrame(_rows(), columns=[0, None]),
    odd_names=lambda: pd.DataFrame(_rows(), columns=pd.Index(["\ud800", "a\0b"], dtype=object)),
    levels=lambda: pd.DataFrame(_rows(), columns=pd.MultiIndex.from_tuples([(1, 2), (3, 4)])),
    nullable=lambda: pd.DataFrame(_rows(), columns=["x1", "x2"]).convert_dtypes(),
    categories=lambda: pd.DataFrame(_rows(), columns=["x1", "x2"]).astype("category"),
    arrow=lambda: pd.DataFrame(_rows(), columns=["x1", "x2"]).astype("double[pyarrow]"),
    array_of_xarray=lambda: xr.DataArray(_rows(), dims=("obs", "feature")),
    dataset_of_xarray=lambda: xr.Dataset({"x1": ("obs", _rows()[:, 0])}),
    deep=lambda: nested(100_000),
)  # fmt: skip


COLUMNS = _made(
    ones=lambda: np.ones(40),
    zeros=lambda: np.zeros(40),
    counts=lambda: np.arange(40),
    negative=lambda: -np.ones(40),
    nans=lambda: np.full(40, np.nan),
    large=lambda: np.full(40, 1e308),
    smallest=lambda: np.full(40, 5e-324),
    short=lambda: np.ones(3),
    square=lambda: np.ones((40, 40)),
    names=lambda: np.array(["a", "b"] * 20),
    several=lambda: ["a|b"] * 20 + [None] * 20,
    bars=lambda: ["|"] * 40,
    mixed=lambda: [1, "a", None, 2.5] * 10,
    surrogates=lambda: ["\ud800"] * 40,
    all_different=lambda: [f"c{i}" for i in range(40)],
    objects=lambda: [object()] * 40,
    lists=lambda: [[1]] * 40,
    complexes=lambda: np.ones(40) * 1j,
)


def _folder(place: Path) -> Path:
    (place / "folder").mkdir(exist_ok=True)
    return place / "folder"


def _file(name: str, content: bytes) -> Hostile:
    def write(place: Path) -> Path:
        (place / name).write_bytes(content)
        return place / name

    return Hostile(f"file {name}", write)


def _pipe(place: Path) -> Path:
    if not (place / "pipe").exists():
        os.mkfifo(place / "pipe")
    return place / "pipe"


def _loop(place: Path) -> Path:
    if not (place / "loop").is_symlink():
        (place / "loop").symlink_to(place / "loop")
    return place / "loop"


PATHS = (
    Hostile("folder", _folder),
    Hostile("folder as text", lambda place: f"{_folder(place)}/"),
    Hostile("pipe", _pipe) if hasattr(os, "mkfifo") else _plain("\0")[0],
    Hostile("loop of links", _loop),
    Hostile("missing", lambda place: place / "missing" / "file.csv"),
    Hostile("below a file", lambda place: _file("f.csv", b"x").make(place) / "g.csv"),
    Hostile("long name", lambda place: place / ("n" * 300)),
    Hostile("long path", lambda place: str(place) + "/n" * 5000),
    Hostile("zero", lambda place: f"{place}/a\0b.png"),
    Hostile("surrogate", lambda place: f"{place}/\ud800.png"),
    Hostile("control", lambda place: f"{place}/\x1b[2J\n.html"),
    Hostile("bytes", lambda place: os.fsencode(place / "b.csv")),
    Hostile("text", lambda place: str(place / "new.nc")),
    Hostile("picture", lambda place: str(place / "new.png")),
    Hostile("odd ending", lambda place: place / "new.exe"),
    _file("empty.csv", b""),
    _file("noise.csv", bytes(range(256))),
    _file("deep.toml", b"x = " + b"[" * 3000 + b"]" * 3000),
    _file("noise.toml", b"\xff\xfe[["),
    _file("a.parquet", b"PAR1" + b"\0" * 40 + b"PAR1"),
    _file("b.nc", b"\x89HDF\r\n\x1a\n" + b"\0" * 200),
    *_plain("\0", "\ud800", ".", "..", "/dev/null", "/dev/full", "~", "http://a.invalid/d", 0),
)  # fmt: skip


def _parameters(shift: float = 0.0, k: int = 2, d: int = 2, weight: float | None = None) -> Any:
    eye = np.tile(np.eye(d), (k, 1, 1))
    weights = np.full(k, 1.0 / k if weight is None else weight)
    return Parameters(weights, np.zeros((k, d)) + shift, np.ones((k, d)), eye, eye)


STARTS = _made(
    coincide=lambda: [_parameters()],
    none_is_given=lambda: [],
    nan=lambda: [_parameters(np.nan)],
    far=lambda: [_parameters(1e300)],
    three_clusters=lambda: [_parameters(k=3)],
    three_features=lambda: [_parameters(d=3)],
    negative_weights=lambda: [_parameters(weight=-1.0)],
    large_weights=lambda: [_parameters(weight=1e308)],
    not_in_a_list=_parameters,
    arrays=lambda: [np.zeros((2, 2))],
    nothing=lambda: [None],
    none_inside=lambda: [Parameters(*[None] * 5)],
    singular=lambda: [_parameters()._replace(covariances=np.zeros((2, 2, 2)))],
    not_definite=lambda: [_parameters()._replace(covariances=-np.tile(np.eye(2), (2, 1, 1)))],
    text=lambda: [_parameters()._replace(means="x")],
)

SPECS = _made(
    one=lambda: MixtureSpec(1),
    as_many_as_rows=lambda: MixtureSpec(40),
    more_than_rows=lambda: MixtureSpec(41),
    very_many=lambda: MixtureSpec(10**9),
    two_by_cluster=lambda: MixtureSpec(2, priors=Priors(concentration=(1.0, 2.0))),
    three_features=lambda: MixtureSpec(2, priors=Priors(mean_location=(0.0, 1.0, 2.0))),
    wrong_rows=lambda: MixtureSpec(3, priors=Priors(mean_location=((0.0, 1.0), (2.0, 3.0)))),
    three_steps=lambda: MixtureSpec(2, resolution=(0.1, 0.1, 0.1)),
    tied=lambda: MixtureSpec(2, "tied_spherical"),
    sharp=lambda: MixtureSpec(2, priors=Priors(concentration=1e-3, eta=1e6)),
    halfnormal=lambda: MixtureSpec(2, priors=Priors(scale_family="halfnormal", units="data")),
    class_itself=lambda: MixtureSpec,
    the_class=lambda: int,
    labels=lambda: MixtureSpec(2, labels_inform_weights=False),
)


def _without(**variables: Any) -> pm.Model:
    with pm.Model() as model:
        for name, distribution in variables.items():
            distribution(name)
    return model


MODELS = _made(
    empty=pm.Model,
    other=lambda: _without(mu=pm.Normal),
    named=lambda: _without(weights=pm.Normal, means=pm.Normal, covariances=pm.HalfNormal),
)


def _closed_axes() -> Any:
    axes = Figure().subplots()
    axes.remove()
    return axes


AXES = _made(
    plain=lambda: Figure().subplots(),
    removed=_closed_axes,
    many=lambda: Figure().subplots(2),
    polar=lambda: Figure().subplots(subplot_kw={"projection": "polar"}),
    figure=Figure,
)

OBJECTS = _made(
    empty_tree=xr.DataTree,
    tree_of_text=lambda: xr.DataTree.from_dict({"posterior": xr.Dataset({"weights": "a"})}),
    no_features=lambda: xr.DataTree.from_dict(
        {"posterior": xr.Dataset({"weights": (("chain", "draw", "cluster"), np.ones((1, 0, 2)))})}
    ),
    empty_dataset=xr.Dataset,
    empty_array=xr.DataArray,
    odd_array=lambda: xr.DataArray(np.full((2, 3), np.nan), dims=("a", "b")),
    mapping=lambda: {"posterior": 1},
    empty_table=pd.DataFrame,
    table=lambda: pd.DataFrame({"x": [np.nan, "a"]}),
    exception=lambda: ValueError("x"),
    the_class=lambda: xr.DataTree,
    square=lambda: np.full((40, 40), 0.5),
    negative_square=lambda: np.full((40, 40), -1.0),
    generator=lambda: np.random.default_rng(1),
)

POOLS = {
    ("int", "float", "bool", "None"): NUMBERS,
    ("str", "Literal", "PathLike"): TEXTS,
    ("PathLike",): PATHS,
    ("Sequence", "Iterable", "tuple"): SEQUENCES,
    ("Mapping", "dict"): MAPPINGS,
    ("NDArray",): ROWS + COLUMNS,
    ("Parameters",): STARTS,
    ("MixtureSpec",): SPECS,
    ("Axes",): AXES,
    ("DataTree", "PointFit", "DataFrame", "Dataset", "DataArray", "Finding"): OBJECTS,
}
EVERYTHING = (
    *NUMBERS, *TEXTS, *SEQUENCES, *MAPPINGS, *ROWS, *COLUMNS, *SPECS, *MODELS, *OBJECTS,
)  # fmt: skip


def hostile_values(parameter: Parameter) -> tuple[Hostile, ...]:
    """Return what a parameter is given: by its annotation, and some of what is never right."""
    text = str(parameter.annotation)
    if "Any" in text.replace("NDArray[typing.Any]", "") and "Mapping" not in text:
        return COMMON + EVERYTHING
    chosen = [pool for words, pool in POOLS.items() if any(word in text for word in words)]
    return COMMON + tuple(value for pool in chosen for value in pool)
