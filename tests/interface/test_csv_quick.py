"""The compiled reader of CSV files reads as the strict one does, or leaves the file to it."""

import gzip
import io
import itertools
import re
import warnings
from contextlib import suppress
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bayesgmm.data.arrow_csv
from bayesgmm.data import Dataset, arrow_csv, as_dataset, from_sources, reading
from bayesgmm.data.csv_blocks import Blocks, Unsure, within_quotes
from bayesgmm.data.dialect import Dialect, markers
from bayesgmm.data.grouped_digits import without_groupers
from bayesgmm.data.sources import Source
from bayesgmm.errors import DataError, DataWarning
from tests.support.bad_inputs.data_cases import TEXTS
from tests.support.csv_kinds import KINDS, followed

SIZES = (40, 2**20)  # bytes of a block


def both(path, columns, dialect):
    """Read a file either way; an error is None."""
    source = Source(str(path))
    try:
        strict = reading.read_strictly(source, columns, dialect)
    except DataError:
        strict = None
    return arrow_csv.read_quickly(source, columns, dialect), strict


def assert_alike(path, columns=None, dialect=None, *, may_leave=True):
    quick, strict = both(path, columns, dialect or Dialect())
    if quick is None:
        assert may_leave
        return
    assert strict is not None, "read what is refused cell by cell"
    np.testing.assert_array_equal(quick.values, strict.values)
    assert quick.features == strict.features and quick.row_labels == strict.row_labels
    assert quick.notes == strict.notes
    assert quick.ignored == strict.ignored


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_kinds_of_files_are_read_alike(kind, size, tmp_path, monkeypatch):
    monkeypatch.setattr(bayesgmm.data.arrow_csv, "BLOCK_BYTES", size)
    path = tmp_path / "table.csv"
    path.write_bytes(kind.content if isinstance(kind.content, bytes) else kind.content.encode())
    for end in followed(path):
        options = {k: v for k, v in end.options.items() if k not in ("columns", "missing")}
        dialect = Dialect(**options | {"na": markers(options.get("na"))})
        assert_alike(path, end.options.get("columns"), dialect)


@pytest.mark.parametrize("size", SIZES[:1])
@pytest.mark.parametrize("case", TEXTS, ids=lambda case: case.name)
def test_bad_files_are_left_to_the_strict_reader(case, size, tmp_path, monkeypatch):
    monkeypatch.setattr(bayesgmm.data.arrow_csv, "BLOCK_BYTES", size)
    with pytest.raises(case.error), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case.run(tmp_path)
    if (path := tmp_path / "table.csv").exists():
        assert_alike(path)


_NUMBERS = "1 -2.5 +3 4. .5 1e3 1E-2 inf -Infinity 1e400 0x1F 1_0 1e16 1d5 007 -0 1,5 '1' 2\u00a05"
_WHOLE = "9007199254740993 9007199254740992 -9007199254740995 \u0661"
_WORDS = "NA nan null -nan nan(1) x $5 5% true T 2020-01-01"
_PADDED = ["", " ", " 7", "8\t", "\t", '"6"', '"a b"', '"x""y"', '"a,b"', ' "3"', '4"']
CELLS = st.sampled_from([*f"{_NUMBERS} {_WHOLE} {_WORDS}".split(" "), *_PADDED])


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12), st.booleans())
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_cells_are_read_alike(tmp_path, rows, crlf):
    end = "\r\n" if crlf else "\n"
    path = tmp_path / "table.csv"
    body = [",".join(row) for row in (*[("1", "2", "s")] * 12, *rows)]
    path.write_bytes(end.join(["a,b,c", *body, ""]).encode())
    for columns in (None, ["b", "a"]):
        for na in ((), ("-999", "x")):
            assert_alike(path, columns, Dialect(na=na, header=True))


_ODD = ["", "NA", " null ", "?", "-9", "x", "5%", "5 %", "5%%", "%", "$5", "- $5", "$ 5", "$5$"]
_ODD += ["5 USD", "USD5", "USDA 5 USD", "EUR 5", "5\u00a0\u20ac", "\u20ac5", "1e3%", "nan%", "$inf"]
_ODD += [
    "$",
    "1,234",
    "12,34",
    "1,23,456",
    "$1,234.5",
    "1.234,5",
    "1 234",
    "+7",
    "+-7",
    "+$7",
    " 8",
]
_ODD += ["9007199254740993", "$9007199254740993", '"6"', "$1_0", "0x1F", "1e400", "# 5", "5 # 6"]
_COMMENTS = ["# note", ' \t# he said "so', "#", "#1;2;3", "%5;6;7", "", "# \u00e9;;;;"]
_STYLES = {
    "plain": "{:.3f}",
    "percent": "{:.2f}%",
    "percent, blank": "{:.2f} %",
    "dollars": "${:,.2f}",
    "euros": "{:.1f}\u00a0\u20ac",
    "codes": "USD {:.1f}",
    "thousands": "{:,.1f}",
}


@st.composite
def odd_files(draw):
    """Return the lines of a file with three columns, some of its cells quoted, and its dialect."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    styles = draw(st.lists(st.sampled_from([*_STYLES]), min_size=3, max_size=3))
    decimal = draw(st.sampled_from("..,"))
    numbers = rng.normal(size=(draw(st.integers(1, 40)), 3)) * 10.0 ** rng.integers(0, 6, size=3)
    rate = draw(st.sampled_from([0.0, 0.0, 0.02, 0.2]))
    sep = draw(st.sampled_from(";;," if decimal == "." else ";"))
    quoted = draw(st.sampled_from([0.0, 0.0, 0.5, 1.0]))
    lines = [sep.join("abc")]
    for row in numbers:
        cells = [_STYLES[style].format(x) for style, x in zip(styles, row, strict=True)]
        if decimal == ",":
            cells = [cell.translate(str.maketrans(",.", ".,")) for cell in cells]
        cells = [rng.choice(_ODD) if rng.random() < rate else cell for cell in cells]
        quote = [sep in cell or rng.random() < quoted for cell in cells]
        cells = [f'"{c.strip('"')}"' if q else c for c, q in zip(cells, quote, strict=True)]
        lines.append(sep.join(cells))
    for _ in range(draw(st.sampled_from([0, 0, 1, 4]))):
        lines.insert(rng.integers(len(lines) + 1), rng.choice(_COMMENTS))
    return lines, Dialect(
        sep=sep,
        decimal=decimal,
        thousands=draw(st.sampled_from([None, "." if decimal == "," else ",", " "])),
        comment=draw(st.sampled_from([None, "#", "#", "# n"])),
        na=draw(st.sampled_from([(), ("?",), ("-9", "x")])),
        row_labels=draw(st.sampled_from([None, None, 1])),
        header=draw(st.sampled_from([None, True])),
        percent=any("percent" in style for style in styles) or draw(st.booleans()),
        currency=draw(st.sampled_from([True, True, False])),
    )


@given(odd_files(), st.booleans(), st.sampled_from([60, 300, 2**20]))
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_signs_and_comments_are_read_alike(tmp_path, file, crlf, size):
    lines, dialect = file
    path = tmp_path / "table.csv"
    path.write_bytes(("\r\n" if crlf else "\n").join([*lines, ""]).encode())
    with mock.patch.object(arrow_csv, "BLOCK_BYTES", size):
        for columns in (None, ["b"]):
            assert_alike(path, columns, dialect)


def regular_file(path, n_rows=3_000):
    """Write a file in which each column has a sign of its own, with comments; return its values."""
    rng = np.random.default_rng(7)
    values = np.round(rng.normal(size=(n_rows, len(_STYLES))) * 30_000.0, 1)
    lines = ["# logger 7", ";".join(f"c{j}" for j in range(len(_STYLES)))]
    for i, row in enumerate(values):
        lines += [f"  # pause {i}"] * (i % 50 == 3)
        lines.append(
            ";".join(style.format(x) for style, x in zip(_STYLES.values(), row, strict=True))
        )
    path.write_text("\n".join([*lines, "", "# end", ""]))
    return values


def test_regular_signs_and_comments_are_read_by_the_compiled_reader(tmp_path, monkeypatch):
    values = regular_file(path := tmp_path / "t.csv")
    text = path.read_text()
    dialect = Dialect(sep=";", thousands=",", comment="#", percent=True, currency=True)
    monkeypatch.setattr(arrow_csv, "BLOCK_BYTES", 2**14)
    assert_alike(path, None, dialect, may_leave=False)
    quick, _ = both(path, None, dialect)
    np.testing.assert_array_equal(quick.values, values)
    # a missing cell in each column, and cells that only the cell-by-cell way reads
    lines = text.splitlines()
    for j, cell in enumerate(["?", "", " NA", "- $7", "\u20ac5", "7 USD", "+1,234.5"]):
        cells = lines[2_000 + j].split(";")
        lines[2_000 + j] = ";".join([*cells[:j], cell, *cells[j + 1 :]])
    path.write_text("\n".join(lines))
    assert_alike(path, None, dialect.but(na=("?",)), may_leave=False)


@pytest.mark.parametrize("late", ["5%;1", "\u20ac5;1", "$5;x", "$5;1;2", "$5;9007199254740993"])
def test_what_is_refused_below_comments_is_refused_in_its_line(tmp_path, late):
    path = tmp_path / "t.csv"
    rows = [f"${i}.5;{i % 89}" + "\n# pause" * (i == 99) for i in range(20_000)]
    path.write_text("\n".join(["# logger", "a;b", *rows, late]))
    with pytest.raises(DataError, match="line 20004"):
        Dataset.from_csv(path, sep=";", comment="#", currency=True, percent=True)


def test_the_reason_for_leaving_a_column_out_names_its_line(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    rows = [f"{i}.25,n{i}" + "\n# pause" * (i % 5 == 4) for i in range(20_000)]
    path.write_text("\n".join(["# logger", "a,name", "# units", *rows, ""]))
    monkeypatch.setattr(from_sources, "read_strictly", None)  # not called
    data = Dataset.from_csv(path, comment="#")
    assert data.options["left_out"] == {"name": "holds no number: 'n0' in line 4"}


@pytest.mark.parametrize("n_columns", [1, 3])
@pytest.mark.parametrize("sign", [",", "'"])
def test_quoted_groups_of_digits_are_read_by_the_compiled_reader(tmp_path, sign, n_columns):
    scales = 10.0 ** np.arange(5, 5 + n_columns)
    values = np.random.default_rng(3).normal(size=(9_000, n_columns)) * scales
    values = np.round(values, 1)
    cells = [[f'"{x:,.1f}"'.replace(",", sign) for x in row] for row in values.tolist()]
    for i, cell in enumerate(['""', '"NA"', '" 1234"', '"1234 "', '"+7"', '".5"']):
        cells[4_000 + 7 * i][0] = cell
        values[4_000 + 7 * i, 0] = (np.nan, np.nan, 1234.0, 1234.0, 7.0, 0.5)[i]
    path = tmp_path / "t.csv"
    path.write_text("\r\n".join(map(",".join, ["abc"[:n_columns], *cells, ""])))
    dialect = Dialect(thousands=sign)
    assert_alike(path, None, dialect, may_leave=False)
    np.testing.assert_array_equal(both(path, None, dialect)[0].values, values)


@pytest.mark.parametrize(("alphabet", "most"), [("1,", 10), ("1,.-x", 5)])
def test_signs_between_groups_go_only_where_a_number_is_left(alphabet, most):
    dialect = Dialect(thousands=",")
    found = 0
    for length in range(1, most + 1):
        for cell in map("".join, itertools.product(alphabet, repeat=length)):
            bare = without_groupers(f'"{cell}"\n'.encode(), dialect)
            if bare is None:
                assert not re.fullmatch(r"-?1{1,3}(,111)+(\.1*)?", cell), cell
            elif "," in cell:
                with suppress(ValueError):  # Arrow refuses what is no number, too
                    number = float(bare)
                    assert number == getattr(dialect.read(cell), "value", None), cell
                    found += 1
    assert found


def test_a_quoted_separator_does_not_fill_a_short_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "a;b\n" + "".join(f'"{i},500";{i * i % 97}\n' for i in range(1, 999)) + '"1;2"\n'
    )
    quick, strict = both(path, None, Dialect(sep=";", thousands=","))
    assert quick is None and strict is None


@pytest.mark.parametrize("n", [1, 63, 64, 65, 1_000])
def test_open_quotes_are_found_across_words(n):
    quote = np.random.default_rng(n).random((20, n)) < 0.3
    for row in quote:
        text = np.where(row, ord('"'), ord("1")).astype(np.uint8)
        assert within_quotes(text).tolist() == (np.cumsum(row) % 2 == 1).tolist()


def test_a_code_of_a_currency_within_another_word():
    assert Dialect(currency=True).read("USDA 5 USD") is None


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_plain_files_are_read_by_the_compiled_reader(tmp_path, monkeypatch, encoding, decimal):
    monkeypatch.setattr(bayesgmm.data.arrow_csv, "BLOCK_BYTES", 2**14)
    rng = np.random.default_rng(5)
    values = rng.normal(size=(3_000, 3)) * 10.0 ** rng.integers(-3, 5, size=(1, 3))
    rows = [";".join(map(repr, row)).replace(".", decimal) for row in values.tolist()]
    text = "näme;a;b;c\n" + "".join(f'"r {i}";{row}\r\n' for i, row in enumerate(rows))
    (path := tmp_path / "t.csv").write_bytes(text.encode(encoding))
    dialect = Dialect(sep=";", decimal=decimal, encoding=encoding)
    for labels in (None, 1):
        assert_alike(path, None, dialect.but(row_labels=labels), may_leave=False)
    quick, _ = both(path, None, dialect)
    np.testing.assert_array_equal(quick.values, values)


@pytest.mark.parametrize("late", ["NA,1", "7,?", "x,y"])
def test_a_cell_far_down_is_found(tmp_path, late):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{i % 97}.5,{i % 89}\n" for i in range(20_000)) + late)
    with pytest.raises(DataError, match="line 20002"):
        Dataset.from_csv(path)


def test_large_files_take_the_compiled_way(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    rows = [f"{i % 997}.25,{i % 889},n{i}" for i in range(20_000)]
    path.write_text("\n".join(["a,b,name", *rows, ""]))
    expected = Dataset.from_csv(path)

    def refuse(*arguments):
        raise AssertionError("read cell by cell")

    monkeypatch.setattr(from_sources, "read_strictly", refuse)
    assert Dataset.from_csv(path) == expected
    assert expected.options["left_out"] == {"name": "holds no number: 'n0' in line 2"}
    assert Dataset.from_csv(path, row_labels="name").row_labels[19_999] == "n19999"


@pytest.mark.parametrize("pack", [gzip.compress, lambda raw: pyarrow.compress(raw, "zstd")])
@pytest.mark.parametrize("n", [30, 30_000])
def test_packed_files_are_read(tmp_path, pack, n):
    text = "a,b\n" + "".join(f"{(7 * i) % 997}.5,{(i * i) % 889}\n" for i in range(n))
    (tmp_path / "plain.csv").write_text(text)
    packed = pack(text.encode())
    packed = packed if isinstance(packed, bytes) else packed.to_pybytes()
    (tmp_path / "packed.csv.gz").write_bytes(packed)
    assert Dataset.from_csv(tmp_path / "packed.csv.gz") == Dataset.from_csv(tmp_path / "plain.csv")
    (tmp_path / "cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match="compressed by (gzip|zstd) and damaged"):
        Dataset.from_csv(tmp_path / "cut.csv.gz")


@given(
    st.lists(st.tuples(*[st.floats(-1e149, 1e149, allow_nan=False)] * 2), min_size=3, max_size=20)
)
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_numbers_come_back_from_text_as_they_are_taken_from_a_frame(tmp_path, cells):
    text = "a,b\n" + "\n".join(f"{x!r},{y!r}" for x, y in cells)
    path = tmp_path / "x.csv"
    path.write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            expected = as_dataset(pd.DataFrame(cells, columns=["a", "b"]))
        except DataError as error:
            with pytest.raises(DataError) as caught:
                Dataset.from_csv(path)
            assert str(caught.value) == str(error)
            return
        assert Dataset.from_csv(path) == expected


def test_a_quote_that_is_open_at_a_lines_end_is_left_to_the_strict_reader():
    """Rows of more than one line stand before, between and after quotes that do close."""
    for text in (b'a,b\n1,"2\n3",4\n', b'a,b\n"1",2\n3,"4\n', b'a,b\n1,2\n"3\n,4"\n5,6\n'):
        with pytest.raises(Unsure):
            list(Blocks(io.BytesIO(text), Dialect()))
    closed = b'a,b\n"1","2"\n3,"4"\n'
    assert list(Blocks(io.BytesIO(closed), Dialect())) == [closed]


def test_only_blanks_and_tabs_stand_before_a_comment():
    text = b"a,b\n \t# one\n1,2\n\x0b # two,\n\x0c\t# three,\n"
    kept = b"a,b\n1,2\n\x0b # two,\n\x0c\t# three,\n"
    assert list(Blocks(io.BytesIO(text), Dialect(comment="#"))) == [kept]
