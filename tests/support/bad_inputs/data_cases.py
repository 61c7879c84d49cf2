"""Bad data, one case for each way in which a table can be unusable."""

import datetime
import decimal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse

from bayesgmm.data import Dataset, as_dataset, check_components
from bayesgmm.errors import ConfigError, DataError, DataWarning, ResourceError


class Case(NamedTuple):
    """A call that must raise: ``run`` gets an empty folder."""

    name: str
    run: Callable[[Path], Any]
    words: tuple[str, ...]
    error: type[Exception] = DataError


NAN, INF = float("nan"), float("inf")
GOOD = np.random.default_rng(3).normal(size=(20, 3)).round(3)


def changed(row: int, column: int, value: float) -> np.ndarray:
    array = GOOD.copy()
    array[row, column] = value
    return array


def array(name: str, data: Any, *words: str) -> Case:
    return Case(f"array: {name}", lambda _: as_dataset(data), words)


def frame(name: str, data: Any, *words: str, **options: Any) -> Case:
    return Case(f"frame: {name}", lambda _: Dataset.from_frame(data, **options), words)


def text(name: str, content: str | bytes, *words: str, **options: Any) -> Case:
    error = options.pop("error", DataError)

    def run(folder: Path) -> Dataset:
        path = folder / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Dataset.from_csv(path, **options)

    return Case(f"csv: {name}", run, words, error)


def parquet(name: str, cells: dict[str, Any], *words: str, **options: Any) -> list[Case]:
    def run(folder: Path, in_memory: bool) -> Dataset:
        pq.write_table(pa.table(cells), folder / "table.parquet", row_group_size=7)
        return Dataset.from_parquet(folder / "table.parquet", in_memory=in_memory, **options)

    return [
        Case(f"parquet: {name}, in_memory={m}", lambda folder, m=m: run(folder, m), words)
        for m in (True, False)
    ]


def rows(*lines: str, n: int = 12) -> str:
    """Return a CSV text with header a,b, n good rows, then the lines given."""
    good = [f"{i}.5,{(7 * i) % 11}" for i in range(n)]
    return "\n".join(["a,b", *good, *lines, ""])


OBS = pd.DataFrame(GOOD, columns=["a", "b", "c"])
STRINGS = [f"s{i}" for i in range(20)]
DATES = pd.date_range("2020-01-01", periods=20)

ARRAYS = [
    array("NaN", changed(4, 1, NAN), "1 missing value", "1 in column 'x2'", "row 5"),
    array("NaN everywhere", np.full((5, 2), NAN), "10 missing values", "5 in column 'x1'"),
    array("NaN in five columns", np.full((9, 5), NAN), "and 2 more columns"),
    array("None", [[1.0, 2.0], [None, 1.0], [3.0, 5.0]], "1 missing value", "row 2", "'x1'"),
    array("pd.NA", [[1.0], [pd.NA], [3.0]], "1 missing value", "row 2"),
    array("NaN in a list", [[1.0], [NAN], [3.0]], "1 missing value"),
    array("masked", np.ma.masked_equal(GOOD, GOOD[2, 0]), "missing value", "row 3", "'x1'"),
    array("masked integers", np.ma.masked_equal([[1], [2], [4]], 2), "1 missing value", "row 2"),
    array("inf", changed(0, 2, INF), "1 infinite value", "'x3'", "row 1"),
    array("-inf", changed(19, 0, -INF), "1 infinite value", "row 20"),
    array("float32 inf", changed(0, 2, INF).astype(np.float32), "1 infinite value"),
    array("huge", changed(2, 0, 2e150), "huge value", "above 1e+150", "'x1'", "row 3"),
    array("huge negative", changed(2, 0, -1e200), "huge value", "above 1e+150", "unit"),
    array("text", [["a", "b"], ["c", "d"]], "dtype <U1", "'a'"),
    array("numbers as text", [["1", "2"], ["3", "5"]], "dtype <U1", "'1'", "astype(float)"),
    array("numbers and text", [[1, "b"], [2, "d"]], "'b'"),
    array("long text is cut", [["z" * 500], ["y"]], "z...", "real numbers"),
    array("bytes", np.array([[b"a"], [b"b"]]), "dtype |S1"),
    array("bool", GOOD > 0, "dtype bool"),
    array("complex", GOOD + 1j, "dtype complex128"),
    array("datetime", np.array(DATES)[:, None], "dtype datetime64"),
    array("timedelta", np.array([[1], [2]], dtype="m8[s]"), "dtype timedelta64"),
    array("objects", np.array([[1, {}], [2, {}]], dtype=object), "dtype object", "{}"),
    array("object numbers", GOOD.astype(object), "dtype object", "astype(float)"),
    array("objects and None", np.array([[None, {}], [2, {}]], dtype=object), "dtype object"),
    array("structured", np.zeros((2, 2), dtype=[("a", float)]), "dtype [('a', '<f8')]"),
    array("sparse csr", scipy.sparse.csr_matrix(GOOD), "sparse", "toarray"),
    array("sparse coo", scipy.sparse.coo_array(GOOD), "sparse", "toarray"),
    array("0-D", 3.0, "two-dimensional", "float"),
    array("None itself", None, "two-dimensional", "NoneType"),
    array("1-D", GOOD[:, 0], "(20,)", "reshape(-1, 1)"),
    array("1-D list", [1.0, 2.0, 3.0], "(3,)", "reshape(-1, 1)"),
    array("3-D", np.zeros((2, 3, 4)), "(2, 3, 4)", "reshape(len(data), -1)"),
    array("4-D", np.zeros((1, 2, 3, 4)), "(1, 2, 3, 4)"),
    array("empty list", [], "two-dimensional"),
    array("ragged", [[1.0, 2.0], [3.0]], "ragged"),
    array("ragged with scalars", [[1.0, 2.0], 3.0], "ragged"),
    array("dict", {"a": [1, 2]}, "dict", "data frame"),
    array("set", {1, 2}, "set"),
    array("generator", (i for i in range(3)), "generator"),
    array("path", "models/data/faithful.csv", "Dataset.from_csv"),
    array("Path", Path("faithful.csv"), "Dataset.from_csv"),
    array("no columns", np.zeros((5, 0)), "no columns"),
    array("no rows", np.zeros((0, 3)), "at least 2 rows", "got 0"),
    array("one row", GOOD[:1], "at least 2 rows", "got 1"),
    array("int64 above 2**53", np.array([[1], [2**53 + 1], [3]]), "9007199254740993", "row 2"),
    array("uint64 above 2**53", np.array([[1], [2**64 - 1]], dtype=np.uint64), "above 2**53"),
    array("below -2**53", np.array([[1], [-(2**60)], [3]]), "above 2**53", "identifier"),
    array("mixed list above 2**53", [[0.5], [2**53 + 1]], "9007199254740993", "row 2"),
    array("beyond 64 bits", [[2**70], [1]], "dtype object", "1180591620717411303424"),
    array("constant", np.c_[GOOD, np.full(20, 0.1)], "constant", "'x4'", "all 0.1"),
    array("all constant", np.ones((9, 4)), "4 columns constant", "'x1'"),
    array("constant but for noise", np.c_[GOOD[:2, 0], [0.3, 0.1 + 0.2]], "constant", "'x2'"),
    array("equal columns", GOOD[:, [0, 1, 0]], "'x1', 'x3' are collinear", "condition number"),
    array("scaled column", np.c_[GOOD, 2.54 * GOOD[:, 1] + 7], "'x2', 'x4' are collinear"),
    array("sum of columns", np.c_[GOOD, GOOD.sum(1)], "'x1', 'x2', 'x3', 'x4' are collinear"),
    array("shares", GOOD**2 / (GOOD**2).sum(1, keepdims=True), "collinear"),
]

FRAMES = [
    frame("NaN", pd.DataFrame(changed(4, 1, NAN), columns=list("abc")), "column 'b'", "row 5"),
    frame(
        "nullable NA", pd.DataFrame({"a": pd.array([1, None, 3], "Int64")}), "1 missing", "row 2"
    ),
    frame("polars null", pl.DataFrame({"a": [1.0, None, 2.0]}), "1 missing value", "row 2"),
    frame("polars NaN", pl.DataFrame({"a": [1.0, NAN, 2.0]}), "1 missing value"),
    frame("pyarrow null", pa.table({"a": [1, None, 2]}), "1 missing value", "row 2"),
    frame("all null", pl.DataFrame({"a": [None, None], "b": [1.0, 2.0]}), "'a'", "no values"),
    frame("inf", pl.DataFrame({"a": [1.0, INF, 2.0]}), "1 infinite value", "'a'"),
    frame(
        "text named", OBS.assign(t=STRINGS), "'t'", "20 cells", "'s0' (row 1)", columns=["a", "t"]
    ),
    frame("datetime named", OBS.assign(t=DATES), "'t'", "datetime64", "Timestamp", columns=["t"]),
    frame("date named", pl.DataFrame({"t": [datetime.date(2020, 1, 1)] * 3}), "no numeric column"),
    frame("complex named", OBS.assign(z=1j), "'z'", "complex128", columns=["z", "a"]),
    frame("bool named", OBS.assign(z=OBS.a > 0), "'z'", "bool", columns=["z", "a"]),
    frame("category", OBS.assign(z=pd.Categorical(STRINGS)), "category", columns=["z", "a"]),
    frame("pandas sparse", OBS.astype(pd.SparseDtype(float)), "Sparse", "not a plain numeric"),
    frame("object numbers", OBS.astype({"a": object}), "'a'", "object", "not a plain numeric"),
    frame(
        "numeric but for two cells",
        pd.DataFrame({"a": [1.0, "n.a.", 3.0, "?", 4.0], "b": [1, 2, 4, 8, 9]}),
        "'a'",
        "2 cells not a number",
        "'n.a.' (row 2)",
        "columns=['b']",
    ),
    frame("numbers as text", pl.DataFrame({"a": ["1", "2"], "b": [1, 2]}), "'a'", "String"),
    frame("decimal commas", pl.DataFrame({"a": ["1,5", "2,5"]}), "'a'", "'1,5' (row 1)"),
    frame("only text", pl.DataFrame({"a": ["x", "y"]}), "no numeric column", "'a'"),
    frame("no columns", pd.DataFrame(index=range(5)), "no columns"),
    frame("no rows", pd.DataFrame({"a": np.zeros(0)}), "no rows"),
    frame("one row", pl.DataFrame({"a": [1.0]}), "at least 2 rows"),
    frame("Int64 above 2**53", pl.DataFrame({"id": [1, 2**60]}), "'id'", "above 2**53", "row 2"),
    frame(
        "nullable above 2**53",
        pd.DataFrame({"id": pd.array([None, 2**60], "Int64")}),
        "above 2**53",
        "row 2",
    ),
    frame("duplicate names", pd.DataFrame(GOOD[:, :2], columns=["a", "a"]), "duplicate"),
    frame("duplicate pyarrow", pa.table([[1, 2], [1, 3]], names=["a", "a"]), "duplicate"),
    frame(
        "misspelt", OBS.rename(columns={"a": "width"}), "did you mean 'width'", columns=["widht"]
    ),
    frame("unknown", OBS, "no column 'zzz'", "['a', 'b', 'c']", columns=["zzz"]),
    frame("lazy", pl.LazyFrame({"a": [1.0, 2.0]}), "LazyFrame", "collect"),
    frame("series", pd.Series([1.0, 2.0]), "Series", "to_frame"),
    frame("an array", GOOD, "ndarray"),
    frame("constant", OBS.assign(d=4), "'d'", "constant"),
    frame("collinear", OBS.assign(d=-OBS.b), "'b', 'd' are collinear"),
    frame("all dropped", pl.DataFrame({"a": [1.0, None, None]}), "got 1", missing="drop"),
    Case("frame: text as data", lambda _: as_dataset(OBS.assign(t=STRINGS)), ("'t'", "columns=")),
    Case(
        "frame: polars lazy as data", lambda _: as_dataset(pl.LazyFrame({"a": [1]})), ("collect",)
    ),
    Case("frame: series as data", lambda _: as_dataset(pl.Series([1.0, 2.0])), ("to_frame",)),
    Case(
        "frame: columns as one string",
        lambda _: Dataset.from_frame(OBS, "a"),
        ("list of names", "'a'"),
        ConfigError,
    ),
    Case("frame: no column asked", lambda _: Dataset.from_frame(OBS, []), ("[]",), ConfigError),
    Case(
        "frame: a column twice",
        lambda _: Dataset.from_frame(OBS, ["a", "a"]),
        ("distinct",),
        ConfigError,
    ),
    Case(
        "frame: object decimals",
        lambda _: Dataset.from_frame(pd.DataFrame({"a": [decimal.Decimal(1), decimal.Decimal(2)]})),
        ("'a'", "object"),
    ),
]

TEXTS = [
    text("empty cell", rows("3,", "4,1"), "1 missing value", "'b'", "line 14"),
    text("NA", rows("NA,4", "n/a,5", "nan,6"), "3 missing values", "line 14"),
    text("null", rows("1,null"), "1 missing value", "missing='drop'"),
    text("all missing", "a,b\n1,\n2,\n", "'b'", "no values"),
    text("inf", rows("inf,2"), "1 infinite value", "line 14"),
    text("overflow", rows("1e400,2"), "1 infinite value"),
    text("huge", rows("1e160,2"), "huge value", "above 1e+150"),
    text("few bad cells", rows("x,1", "3,12 kg"), "'a'", "1 cell not a number", "'x' (line 14)"),
    text("three of many", rows(*["?,1"] * 9), "9 cells", "(line 16)"),
    text("underscore", rows("1_000,1"), "'1_000' (line 14)"),
    text("other digits", rows("١٢,1"), "not a number", "line 14"),
    text("control sign", rows("1\x1c,1"), r"'1\x1c' (line 14)"),
    text("form feed", rows("\f1,1"), r"'\x0c1' (line 14)"),
    text("blank that is no space", rows("1\u00a0,1"), "not a number", "line 14"),
    text("hexadecimal", rows("0x1F,1"), "'0x1F'"),
    text("thousands", rows('"1,234,567",1'), "'1,234,567'"),
    text("text named", "a,s\n1,x\n2,y\n", "'s'", "2 cells", "'x' (line 2)", columns=["a", "s"]),
    text("only text", "s,t\nx,y\nz,w\n", "no numeric column", "['s', 't']"),
    text("integers above 2**53", rows("9007199254740993,1"), "9007199254740993", "line 14"),
    text("constant", "a,b\n1,2\n1,3\n1,5\n", "'a'", "constant", "all 1"),
    text("collinear", "a,b\n1,2\n2,4\n3,6\n9,18\n", "'a', 'b' are collinear"),
    text("unknown column", rows(), "no column 'weight'", "['a', 'b']", columns=["weight"]),
    text("one row", "a,b\n1,2\n", "at least 2 rows", "got 1"),
    text("header only", "a,b\n", "a header but no rows"),
    text("empty", "", "is empty"),
    text("blank lines only", "\n\n\n", "is empty"),
    text("no header", "1.5,2\n2.5,3\n3,4\n", "no header", "['1.5', '2']"),
    text("duplicate names", "a,b,a\n1,2,3\n4,5,7\n", "duplicate column names", "['a']"),
    text("blank name", "a,,c\n1,2,3\n4,5,7\n", "no name for column 2"),
    text("row names", ",a\n1,2\n2,3\n", "no name for column 1", "row names"),
    text("latin-1", "größe,b\n1,2\n2,4\n".encode("latin-1"), "offset 2", "line 1", "encoding="),
    text("latin-1 late", rows("ü,1").encode("latin-1"), "line 14", "b'\\xfc'"),
    text("after a mark", b"\xef\xbb\xbfa,b\n1,\xff\n", "byte offset 9", "line 2"),
    text("utf-16", "a,b\n1,2\n".encode("utf-16"), "encoding='utf-16'"),
    text("utf-16 without a mark", "a,b\n1,2\n", "not utf-16 text", "offset 0", encoding="utf-16"),
    text("utf-32 without a mark", "a,b\n1,2\n", "not utf-32 text", "offset 0", encoding="utf-32"),
    text("not an encoding", rows(), "unknown encoding", encoding="base64", error=ConfigError),
    text("mark, other encoding", b"\xef\xbb\xbfa\n1\n", "encoding='utf-8'", encoding="latin-1"),
    text(
        "unknown encoding", rows(), "unknown encoding 'utf-9'", encoding="utf-9", error=ConfigError
    ),
    text("semicolon", "a;b\n1;2\n2;4\n", "pass sep=';'."),
    text("semicolon, comma", "a;b\n1,5;2\n2,5;4\n", "sep=';' and decimal=','"),
    text("tab", "a\tb\n1\t2\n2\t4\n", "pass sep='\\t'."),
    text("tab, comma", "a\tb\n1,5\t2\n2,5\t4\n", "sep='\\t' and decimal=','"),
    text("bar", "a|b\n1|2\n2|4\n", "sep='|'"),
    text("blanks", "a b\n1 2\n2 4\n", "sep=' '"),
    text("comma, not semicolon", rows(), "sep=','", sep=";"),
    text("decimal comma", "a;b\n1,5;2\n2,5;4\n", "'a'", "'1,5' (line 2)", "decimal=','", sep=";"),
    text("decimal comma, one column", "a\n1,5\n2,5\n", "sep=';', decimal=','", "line 2 has 2"),
    text("decimal comma, two", "a,b\n1,5,2,5\n2,5,4,5\n", "sep=';', decimal=','"),
    text("decimal point", "a;b\n1.5;2\n2.5;4\n", "no column", sep=";", decimal=",", columns=["c"]),
    text("points under commas", "a\n1.5\n2.5\n", "'a'", sep=";", decimal=",", columns=["a"]),
    text("sep is decimal", rows(), "must differ", decimal=",", error=ConfigError),
    text("long sep", rows(), "one character", sep="::", error=ConfigError),
    text("longer", rows("1,2,3"), "header has 2 fields", "line 14 has 3"),
    text("shorter", rows("1", "2,3"), "1 line longer or shorter", "line 14 has 1"),
    text("many uneven", rows(*["1,2,3"] * 5), "5 lines", "line 16 has 3"),
    text("row names without a name", "a,b\nr1,1,2\nr2,2,3\n", "line 2 has 3"),
    text("trailing separators", "a,b\n1,2,\n3,5,\n", "line 2 has 3"),
    text("blank line within", "a,b\n1,2\n\n3,5\n", "line 3 has 0"),
    text("blank cell, one column", "a\n1\n\n3\n", "1 missing value", "line 3"),
    text("open quote", rows('"1,2', "3,4"), "unbalanced quote", "line 14"),
    text("text after a quote", rows('"1"5,2'), "unbalanced quote", "line 14"),
    text(
        "quotes far apart",
        'a,b,note\n1,2,"x\n2,4,y\n3,7,z\n4,1,x"\n5,5,y\n',
        "unbalanced quote",
        "line 2",
        "up to 5",
    ),
    text("zip", b"PK\x03\x04\x14\0\x06\0\xff", "zip archive or an Excel", "CSV"),
    text("gzip", b"\x1f\x8b\x08\0\0\0\0\0", "compressed by gzip", "gunzip"),
    text("bzip2", b"BZh91AY&SY\xff", "compressed by bzip2", "bunzip2"),
    text("xz", b"\xfd7zXZ\0\0\x04", "compressed by xz", "unxz"),
    text("parquet", b"PAR1\x15\x04\0\xff", "Parquet", "from_parquet"),
    text("random bytes", bytes(range(256)), "not a text file", "byte offset 0"),
    Case("csv: missing", lambda f: Dataset.from_csv(f / "no.csv"), ("no.csv", "No such file")),
    Case("csv: directory", lambda f: Dataset.from_csv(f), ("not a file",)),
    Case("csv: device", lambda _: Dataset.from_csv("/dev/null"), ("/dev/null", "not a file")),
    Case("csv: zero in the path", lambda _: Dataset.from_csv("a\0b"), ("cannot read", "null")),
    Case("csv: name too long", lambda f: Dataset.from_csv(f / ("a" * 300)), ("cannot read",)),
]

PARQUETS = [
    *parquet("null", {"a": [1.0, 2.0] * 4 + [None, 5.0]}, "1 missing value", "row 9", "'a'"),
    *parquet("inf", {"a": [1.0] * 8 + [INF]}, "1 infinite value", "row 9"),
    *parquet("2**53", {"a": [1] * 8 + [2**60]}, "above 2**53", "row 9"),
    *parquet("text", {"a": ["x", "y"]}, "no numeric column"),
    *parquet("text named", {"a": [1, 2], "b": ["x", "y"]}, "'b'", "'x' (row 1)", columns=["b"]),
    *parquet("no rows", {"a": pa.array([], pa.float64())}, "no rows"),
    *parquet("constant", {"a": [3.0] * 20}, "constant"),
    *parquet("unknown", {"a": [3.0, 4.0]}, "no column 'b'", columns=["b"]),
    Case("parquet: missing", lambda f: Dataset.from_parquet(f / "no.pq"), ("No such file",)),
    Case("parquet: directory", lambda f: Dataset.from_parquet(f), ("not a file",)),
    Case(
        "parquet: a CSV file",
        lambda _: Dataset.from_parquet(__file__),
        ("not a Parquet file", "data_cases"),
    ),
]


def left_in_file(folder: Path) -> Any:
    OBS.to_parquet(folder / "table.parquet")
    return Dataset.from_parquet(folder / "table.parquet", in_memory=False).values


def check(data: Any, n_components: int) -> Callable[[Path], None]:
    return lambda _: check_components(as_dataset(data), n_components)


TWO_VALUES = [[0.0], [1.0], [0.0], [1.0], [1.0]]
THREE_VALUES = [[0.0], [1.0], [4.0]] * 2
COUNTS = [
    Case("values left in a file", left_in_file, ("GB", "blocks()", "in_memory"), ResourceError),
    Case("K = n", check(GOOD, 20), ("more than 20 rows", "got 20")),
    Case("K > distinct", check(THREE_VALUES, 4), ("4 components", "got 3 among 6", "at most 3")),
    Case("K > n", check(GOOD, 30), ("30 components", "got 20")),
    Case("few rows", check(GOOD, 6), ("24", "20 rows", "prior dominates", "'tied'"), DataWarning),
    Case("few rows, one feature", check(GOOD[:, :1], 11), ("'tied'.",), DataWarning),
    Case("duplicates", lambda _: as_dataset(TWO_VALUES), ("3 of 5 rows", "duplicate"), DataWarning),
]

CASES = [*ARRAYS, *FRAMES, *TEXTS, *PARQUETS, *COUNTS]
