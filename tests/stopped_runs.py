"""Runs stopped by SIGTERM at random times: nothing finished is lost, and --resume is bit-equal.

``python -m tests.stopped_runs [--times 50] [--seed 1]`` from the top of the repository. Each run is
a fork of one process in which everything is loaded, so that times fall into the work. Half of them
are those of ``run``, half of ``compare``.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayesgmm
import bayesgmm.analysis.kept
import bayesgmm.analysis.outputs
from bayesgmm.cli.application import main as command
from bayesgmm.posterior import load
from bayesgmm.posterior.files import write_text

__all__: list[str] = []

LOADED = [getattr(bayesgmm, name) for name in bayesgmm.__all__]

TERMINATED = 128 + signal.SIGTERM
FINISHED = "*.finished.nc"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stopped_runs", description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    warnings.simplefilter("ignore", DeprecationWarning)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = written(folder)
        whole = {verb: unbroken(folder / f"whole-{verb}", commands[verb]) for verb in commands}
        faults, codes, kept = [], Counter(), Counter()
        for number in range(given.times):
            verb = list(commands)[number % len(commands)]
            seconds, contents = whole[verb]
            code, files, fault = stopped(
                folder / str(number), commands[verb], float(rng.uniform(0.0, seconds)), contents
            )
            codes[code] += 1
            kept[files] += 1
            if fault:
                faults.append(fault)
                print(f"{verb}, number {number}: {fault}", flush=True)
    print(f"codes {dict(codes)}; models finished when stopped {dict(kept)}; {len(faults)} faults")
    return 1 if faults else 0


def written(folder: Path) -> dict[str, list[str]]:
    """Write rows and a model file; return the commands without their folder."""
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.normal(0, 1, (60, 2)), rng.normal(9, 2, (60, 2))]).round(3)
    pd.DataFrame(rows, columns=["x", "y"]).to_csv(folder / "rows.csv", index=False)
    (folder / "rows.toml").write_text(
        "data.file = 'rows.csv'\nmodel.n_components = [1, 2, 3]\n[sampler]\ndraws = 100\n"
        "tune = 100\nseed = 3\nmax_draws = 0\nevidence = 'bridge'\n"
    )
    options = ["-k", "1-3", "--draws", "100", "--tune", "100", "--seed", "3"]
    return {
        "run": ["run", str(folder / "rows.toml")],
        "compare": ["compare", str(folder / "rows.csv"), *options, "--evidence", "bridge"],
    }


def forked(work: Callable[..., int], *arguments: Any, after: float | None = None) -> int:
    """Do work in a fork, send it SIGTERM after some seconds, and return its code.

    All work is done so: threads that files and compiled code bring would not survive a fork. Of a
    report there is its file only.
    """
    child = os.fork()
    if not child:
        warnings.simplefilter("ignore")
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        bayesgmm.analysis.outputs.write_report = lambda _, path, **__: write_text(path, "a report")
        os._exit(work(*arguments))
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def unbroken(folder: Path, arguments: list[str]) -> tuple[float, dict[str, object]]:
    """Return the seconds that a run takes once everything is loaded, and what it gives."""
    for _ in range(2):
        start = time.monotonic()
        code = forked(command, [*arguments, "--out", str(folder), "--overwrite"])
        seconds = time.monotonic() - start
        assert code in (0, 3), f"the unbroken run ended with the code {code}"
    return seconds, contents_of(folder)


def contents_of(folder: Path) -> dict[str, object]:
    """Return digests of what a folder of results holds but for times: draws, table, choice."""
    beside = folder.with_suffix(".json")
    assert forked(_write_contents, folder, beside) == 0, f"{folder} holds no result"
    contents: dict[str, object] = json.loads(beside.read_text())
    return contents


def _write_contents(folder: Path, beside: Path) -> int:
    (file,) = (path for path in folder.glob("posterior_k*.nc") if path.suffixes == [".nc"])
    tree = load(file)
    table = pd.read_csv(folder / "comparison.csv").drop(columns="seconds")
    record = json.loads((folder / "verdict.json").read_text())
    groups = {name: group.to_dataset() for name, group in tree.children.items()}
    draws = {
        f"{group}/{name}": sha256(variable.values.tobytes()).hexdigest()
        for group, dataset in groups.items()
        for name, variable in dataset.variables.items()
        if variable.dtype.kind in "biuf"
    }
    kept = {name: record[name] for name in record if name in ("chosen", "verdict", "seed")}
    contents = {"file": file.name, "table": table.to_csv(), **draws, **kept}
    beside.write_text(json.dumps(contents))
    return 0


def _read(paths: list[Path]) -> int:
    for path in paths:
        load(path)
    return 0


def stopped(
    folder: Path, arguments: list[str], after: float, contents: dict[str, object]
) -> tuple[int, int, str]:
    """Return the code of a run that is stopped, how many models it had finished, and any fault."""
    arguments = [*arguments, "--out", str(folder)]
    code = forked(command, arguments, after=after)
    finished = list(folder.glob(FINISHED))
    complete = (folder / "verdict.json").exists()
    if code not in (TERMINATED, -signal.SIGTERM, 0, 3):
        return code, len(finished), f"stopped after {after:.3f} s it ended with the code {code}"
    if not complete and code in (0, 3):
        return code, len(finished), "it said that it was done, and there is no verdict.json"
    if forked(_read, finished):
        return code, len(finished), "a finished posterior cannot be read"
    again = forked(command, [*arguments, "--resume", "--overwrite"])
    if again not in (0, 3):
        return code, len(finished), f"--resume ended with the code {again}"
    found = contents_of(folder)
    differing = [name for name in {**contents, **found} if contents.get(name) != found.get(name)]
    return code, len(finished), f"--resume differs in {differing}" if differing else ""


if __name__ == "__main__":
    sys.exit(main())
