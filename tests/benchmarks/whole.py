"""A whole comparison from the shell, and what starting costs."""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bayesgmm.data import Dataset
from bayesgmm.sampling import sample
from tests.benchmarks.timing import seconds
from tests.support.places import DATA

FAITHFUL = DATA / "faithful.csv"


def compare_seconds(*options):
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "bayesgmm", "compare", str(FAITHFUL), "-k", "1-6", "--seed", "1",
            "--out", f"{folder}/out", *options,
        ]  # fmt: skip
        elapsed = seconds(lambda: subprocess.run(command, check=False, capture_output=True))
        assert Path(folder, "out/report.html").is_file()
    return elapsed


def sample_seconds():
    """`sample` on faithful, K = 2, 4 x (1000 + 1000), the calls after the first in a process."""
    data = Dataset.from_csv(FAITHFUL)
    sample(data, 2, seed=0)
    return median(seconds(lambda: sample(data, 2, seed=1)) for _ in range(5))


def lines(rounds=3):
    yield f"f. sample, faithful, K = 2, 4 x (1000 + 1000), second call: {sample_seconds():.2f} s"
    compare_seconds()
    for what, options in (
        ("by EM, NUTS, WAIC and LOO", ("--evidence", "none")),
        ("with evidence by both routes", ()),
    ):
        times = [compare_seconds(*options) for _ in range(rounds)]
        yield (
            f"f. compare K = 1..6 on faithful from the shell, report included, {what}: "
            f"{median(times):.1f} s"
        )
    start = [sys.executable, "-m", "bayesgmm", "--help"]
    helps = [
        seconds(lambda: subprocess.run(start, check=True, capture_output=True)) for _ in range(5)
    ]
    yield f"f. bayesgmm --help: {median(helps):.2f} s"
