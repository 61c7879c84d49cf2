"""The first minutes on a machine: whole processes, beside one `import pymc` and plain PyMC's fit.

Compiled code of this package is kept in an empty folder; so is what PyTensor compiles for plain
PyMC. Every figure is that of a process of its own: seconds by the clock, the median of some.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.benchmarks.timing import seconds
from tests.support.places import MODELS

IMPORT = "import pymc"
PLAIN = """
from tests.benchmarks.sampling import run_plain, standardised
run_plain(standardised((272, 2, 2)), 2, 1)
"""
SAMPLE = """
import bayesgmm as bg
bg.sample(bg.Dataset.from_csv("{data}"), 2, seed=1)
"""


def of_process(code: str, folder: str | None = None) -> float:
    """Seconds of a Python process that executes some code; where it keeps what it compiles."""
    kept = (
        {}
        if folder is None
        else {
            "NUMBA_CACHE_DIR": folder,
            "PYTENSOR_FLAGS": f"base_compiledir={folder}",
        }
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    return seconds(lambda: subprocess.run(command, env=os.environ | kept, check=True))


def of_run(folder: str) -> float:
    """Seconds of the README's main job."""
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable,
            "-m",
            "bayesgmm",
            "run",
            str(MODELS / "faithful.toml"),
            "--out",
            out,
        ]
        kept = os.environ | {"NUMBA_CACHE_DIR": folder}
        return seconds(
            lambda: subprocess.run(command, env=kept, check=True, stdout=subprocess.DEVNULL)
        )


def lines(rounds: int = 3) -> Iterator[str]:
    data = MODELS / "data" / "faithful.csv"
    found: dict[str, list[float]] = {}
    of_process(IMPORT)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            found.setdefault("import pymc", []).append(of_process(IMPORT))
            plain = of_process(PLAIN, str(Path(folder, "plain")))
            found.setdefault("plain PyMC's first fit, K = 2", []).append(plain)
            sampled = of_process(SAMPLE.format(data=data), str(Path(folder, "sample")))
            found.setdefault("the first sample, K = 2", []).append(sampled)
            for name in ("the first run of faithful.toml", "the second"):
                found.setdefault(name, []).append(of_run(str(Path(folder, "run"))))
    once = median(found["import pymc"])
    for name, times in found.items():
        yield f"p. {name}: {median(times):.0f} s, {median(times) / once:.0f} times import pymc"
