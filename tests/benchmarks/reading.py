"""Reading a CSV file strictly, against pandas: time and peak memory, a process each, in turn."""

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SIZES = ((1_000_000, 2), (2_000, 200))


class Kind(NamedTuple):
    """How cells are written, what `Dataset.from_csv` is told, and what pandas is.

    ``bared`` are the calls by which pandas' text becomes a number, where its reader cannot do it.
    """

    cell: str
    ours: dict[str, Any]
    pandas: dict[str, Any]
    bared: str = ""


KINDS = {
    "plain": Kind("{!r}", {}, {}),
    "comments": Kind("{!r}", {"comment": "#"}, {"comment": "#"}),
    "percent": Kind("{:.6f}%", {"percent": True}, {"dtype": "str"}, ".str.rstrip('%')"),
    "currency": Kind("${:.2f}", {"currency": True}, {"dtype": "str"}, ".str.replace('$', '')"),
    "thousands": Kind('"{:,.2f}"', {"thousands": ","}, {"thousands": ","}),
    "all": Kind(
        '"${:,.2f}"',
        {"currency": True, "thousands": ",", "comment": "#", "na": "?", "missing": "drop"},
        {"dtype": "str", "comment": "#", "na_values": "?"},
        ".str.replace('$', '').str.replace(',', '')",
    ),
}
_CHILD = """
import ast, re, sys, time, warnings
warnings.simplefilter("ignore")
import pandas, pyarrow.csv
from bayesgmm import Dataset
which, ours, pandas_options, bared = sys.argv[1], *map(ast.literal_eval, sys.argv[4:6]), sys.argv[6]

def by_pandas(path):
    frame = pandas.read_csv(path, **pandas_options)
    for name in frame.columns if bared else ():
        frame[name] = eval("frame[name]" + bared).astype(float)
    return frame

def read(path):
    return by_pandas(path) if which == "pandas" else Dataset.from_csv(path, **ours)

read(sys.argv[2])  # loads what is loaded once

def kilobytes(name):
    with open("/proc/self/status") as status:
        return int(re.search(name + r":\\s+(\\d+)", status.read())[1])

with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
before, start = kilobytes("VmRSS"), time.process_time()
kept = read(sys.argv[3])
print(time.process_time() - start, (kilobytes("VmHWM") - before) / 1024)
"""


def write(path: Path, n_rows: int, n_columns: int, kind: str = "plain") -> Path:
    """Write random numbers; every hundredth line a comment or a missing cell, where these are."""
    rows = np.random.default_rng(1).normal(size=(n_rows, n_columns))
    rows = rows if kind in ("plain", "comments") else 5_000.0 * rows
    cell, ours, _, _ = KINDS[kind]
    with path.open("w") as file:
        file.write(",".join(f"c{j}" for j in range(n_columns)) + "\n")
        for i, row in enumerate(rows.tolist()):
            cells = [cell.format(value) for value in row]
            if "na" in ours and i % 100 == 7:
                cells[0] = ours["na"]
            file.write("# paused\n" * ("comment" in ours and i % 100 == 3) + ",".join(cells) + "\n")
    return path


def against_pandas(
    n_rows: int, n_columns: int, kind: str = "plain", rounds: int = 7
) -> tuple[np.ndarray, np.ndarray]:
    """Return (seconds of CPU, MiB) of pandas and of ours, the least of the rounds each.

    The least, and CPU time, because other work on the machine only ever adds; BLAS has one thread,
    since a second one that waits would be counted.
    """
    options = [*map(repr, KINDS[kind][1:3]), KINDS[kind].bared]
    found: dict[str, list[list[float]]] = {"pandas": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        small = write(Path(folder, "small.csv"), 5_000, 3, kind)
        path = write(Path(folder, "rows.csv"), n_rows, n_columns, kind)
        for _ in range(rounds):
            for which, figures in found.items():
                done = subprocess.run(
                    [sys.executable, "-c", _CHILD, which, str(small), str(path), *options],
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                    capture_output=True,
                    text=True,
                    check=True,
                )
                figures.append([float(text) for text in done.stdout.split()])
    return np.min(found["pandas"], axis=0), np.min(found["ours"], axis=0)


def lines() -> Iterator[str]:
    """Yield one line a size and kind of cells."""
    for (n_rows, n_columns), kind in itertools.product(SIZES, KINDS):
        theirs, ours = against_pandas(n_rows, n_columns, kind)
        time, memory = ours / theirs
        yield (
            f"g. from_csv, {kind}, ({n_rows}, {n_columns}): {time:.2f} times pandas' time "
            f"({ours[0]:.3f} s; {theirs[0]:.3f} s), {memory:.2f} times its memory "
            f"({ours[1]:.0f} MiB; {theirs[1]:.0f} MiB)"
        )
