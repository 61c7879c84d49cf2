"""``python -m tests.fuzzing csv|toml|results|calls [--seconds 600] [--seed 1] [--keep FOLDER]``."""

import argparse
import contextlib
import sys
import tempfile
import time
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

from tests.fuzzing.calling import fuzz_calls
from tests.fuzzing.running import fuzz
from tests.fuzzing.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("target", choices=[*TARGETS, "calls"])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, help="folder for the files that failed")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        deadline = time.monotonic() + given.seconds
        outcomes: Counter[str] = Counter()
        failures = 0
        calls = given.target == "calls"
        outcomes_of = fuzz_calls if calls else partial(fuzz, TARGETS[given.target])
        for outcome in outcomes_of(given.seed, Path(folder)):
            outcomes[outcome.name] += 1
            if outcome.fault:
                failures += 1
                print(f"seed {given.seed}, number {outcome.number}: {outcome.fault}")
                if given.keep:
                    given.keep.mkdir(parents=True, exist_ok=True)
                    name = f"{given.target}-{given.seed}-{outcome.number}"
                    (given.keep / name).write_bytes(outcome.content)
            if time.monotonic() > deadline or failures >= 20:
                break
    print(f"{given.target}, seed {given.seed}: {sum(outcomes.values())} of them: {dict(outcomes)}")
    return 1 if failures else 0


sys.exit(main())
