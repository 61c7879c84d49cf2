"""Reading a CSV file strictly, against pandas: time and peak memory, a process each, in turn."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

SIZES = ((1_000_000, 2), (2_000, 200))
_CHILD = """
import re, sys, time, warnings
warnings.simplefilter("ignore")
import pandas, pyarrow.csv
from bayesgmm import Dataset
read = {"pandas": pandas.read_csv, "ours": Dataset.from_csv}[sys.argv[1]]
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


def write(path: Path, n_rows: int, n_columns: int) -> Path:
    """Write random numbers in full precision."""
    rows = np.random.default_rng(1).normal(size=(n_rows, n_columns))
    names = [f"c{j}" for j in range(n_columns)]
    pd.DataFrame(rows, columns=names).to_csv(path, index=False)
    return path


def against_pandas(n_rows: int, n_columns: int, rounds: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Return (seconds of CPU, MiB) of pandas and of ours, the least of the rounds each.

    The least, and CPU time, because other work on the machine only ever adds; BLAS has one thread,
    since a second one that waits would be counted.
    """
    found: dict[str, list[list[float]]] = {"pandas": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        small = write(Path(folder, "small.csv"), 5_000, 3)
        path = write(Path(folder, "rows.csv"), n_rows, n_columns)
        for _ in range(rounds):
            for which, figures in found.items():
                done = subprocess.run(
                    [sys.executable, "-c", _CHILD, which, str(small), str(path)],
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                    capture_output=True,
                    text=True,
                    check=True,
                )
                figures.append([float(text) for text in done.stdout.split()])
    return np.min(found["pandas"], axis=0), np.min(found["ours"], axis=0)


def lines() -> Iterator[str]:
    """Yield one line a size."""
    for n_rows, n_columns in SIZES:
        theirs, ours = against_pandas(n_rows, n_columns)
        time, memory = ours / theirs
        yield (
            f"g. from_csv, ({n_rows}, {n_columns}): {time:.2f} times pandas' time "
            f"({ours[0]:.3f} s; {theirs[0]:.3f} s), {memory:.2f} times its memory "
            f"({ours[1]:.0f} MiB; {theirs[1]:.0f} MiB)"
        )
