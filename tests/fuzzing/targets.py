"""What is fuzzed: valid files, their reader, and what an accepted file must hold."""

import csv
import io
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bayesgmm.analysis.schema import AnalysisSpec, read_model_file
from bayesgmm.data import Dataset
from bayesgmm.posterior import load, save
from tests.support.places import ROOT
from tests.support.small_tree import small_tree

__all__ = ["TARGETS", "Target"]


class Target(NamedTuple):
    """A reader under test.

    ``read`` takes a path; ``check`` takes what it returned, the bytes it read and those it was
    made from, and raises AssertionError when the reader made something else of them.
    """

    suffix: str
    files: Callable[[Path], list[bytes]]
    fragments: tuple[bytes, ...]
    read: Callable[[Path], Any]
    check: Callable[[Any, bytes, bytes], None]


def _csv_files(folder: Path) -> list[bytes]:
    data = ROOT / "models/data"
    short = [b"\n".join(path.read_bytes().splitlines()[:40]) for path in data.glob("*.csv")]
    quoted = b'"a, b","c ""d""",note\r\n' + b"".join(
        b'%d.5,"%d","n, %d"\r\n' % (i, (7 * i) % 11, i) for i in range(15)
    )
    return [
        *short,
        quoted,
        "größe,b\n".encode() + b"".join(b"%d,%d\n" % (i, i * i) for i in range(9)),
    ]


def _same_cells(data: Dataset, content: bytes, before: bytes) -> None:
    """Read the same bytes plainly, cell by cell, with the csv module and float()."""
    text = content.decode("utf-8-sig")
    header, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    names = [name.strip(" \t") for name in header]
    places = [names.index(name) for name in data.features]
    plain = np.array([[float(row[place]) for place in places] for row in rows])
    assert np.array_equal(plain, data.values), "other numbers than the file holds"
    assert np.isfinite(data.values).all() and len({len(row) for row in rows} | {len(header)}) == 1


def _toml_files(folder: Path) -> list[bytes]:
    own = (
        b"[about]\ntitle = 'T'\n[data]\nfile = 'd.csv'\ncolumns = ['a', 'b']\nsep = ','\n"
        b"missing = 'drop'\nweights = 'b'\nweights_kind = 'frequency'\nerrors = {a = 0.5}\n"
        b"[data.units]\na = 'cm'\n[model]\nn_components = '1-3'\n"
        b"covariance = 'tied'\nresolution = [0.1, 0]\n[model.priors]\neta = 1.5\n"
        b"concentration = 1\nmean_scale = [1.0, 2.0]\n[sampler]\ndraws = 100\nseed = 7\n"
        b"max_draws = 400\n[report]\ncriterion = 'bic'\n[expect]\nbest_bic = 2\n"
        b"[expect.elpd_loo]\n2 = [-10.5, 1e3]\n"
    )
    return [*(path.read_bytes() for path in (ROOT / "models").glob("*.toml")), own]


def _same_values(spec: AnalysisSpec, content: bytes, before: bytes) -> None:
    """Every value of the file is in the spec as it stands there."""
    values = tomllib.loads(content.decode("utf-8-sig"))
    for name, section in values.items():
        _compare(section, getattr(spec, name), name)
    assert spec.sampler.draws >= 1 and spec.model.n_components[0] >= 1


def _compare(given: Any, held: Any, place: str) -> None:
    if isinstance(given, dict) and not isinstance(held, dict):
        for key, value in given.items():
            if (place, key) not in _TRANSLATED:
                _compare(value, getattr(held, key), key)
    elif isinstance(given, dict):
        assert given.keys() == held.keys(), place
        for key, value in given.items():
            _compare(value, held[key], key)
    elif isinstance(given, list):
        assert len(given) == len(held), place
        for one, other in zip(given, held, strict=True):
            _compare(one, other, place)
    else:
        same_kind = isinstance(given, str | bool) == isinstance(held, str | bool)
        wanted = float(given) if isinstance(held, float) else given
        assert same_kind and wanted == held, f"{place}: {given!r} became {held!r}"
        assert not isinstance(held, float) or math.isfinite(held), place


_TRANSLATED = {
    ("model", "n_components"), ("model", "covariance"), ("expect", "chosen"), ("data", "file"),
}  # fmt: skip


def _result_files(folder: Path) -> list[bytes]:
    trees = [small_tree(), small_tree(200), small_tree(30, ("x", "y" * 300))]
    return [
        save(tree, folder / f"good{i}.nc", overwrite=True).read_bytes()
        for i, tree in enumerate(trees)
    ]


def _unchanged(tree: Any, content: bytes, before: bytes) -> None:
    assert content == before, "a changed file was accepted"


TARGETS = {
    "csv": Target(
        ".csv",
        _csv_files,
        (b",", b";", b'"', b'""', b"NA", b"nan", b"inf", b"1e400", b"1e-400", b"-", b"1_0", b"0x1",
         "٣".encode(), b"\xff", b"9007199254740993", b"1,5", b"\n\n", b'"\n', b"\xc2\x85",
         b"\xe2\x80\xa8", b"\x0c", b"\x1c", b"+", b"1d5", b"TRUE"),
        Dataset.from_csv,
        _same_cells,
    ),
    "toml": Target(
        ".toml",
        _toml_files,
        (b"=", b"[", b"]", b"[[", b"]]", b"{", b"}", b"'", b'"', b'"""', b"true", b"nan", b"inf",
         b"-1", b"1e999", b"0x10", b"1979-05-27", b"07:32:00", b"1_000", b".", b"#", b"[model]\n",
         b"[data.units]\n", b"priors = 3\n", b"\\u0000", b"\xff", b"99999999999999999999999"),
        read_model_file,
        _same_values,
    ),
    "results": Target(
        ".nc",
        _result_files,
        (b"\x89HDF\r\n\x1a\n", b"\nbayesgmm sha256 ", b"TREE", b"HEAP", b"OHDR", b"SNOD", b"FRHP"),
        load,
        _unchanged,
    ),
}  # fmt: skip
