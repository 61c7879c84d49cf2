"""The tests with the compiled code of other processors: `python -m tests.processors [NAME ...]`.

Sums of other processors differ in their last bits; no test and no figure may hang on these. Each
run compiles anew, into a folder of its own. What follows `--` is given to pytest.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.places import ROOT

PROCESSORS = {
    "haswell": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
    "x86-64-v2": {"NUMBA_CPU_NAME": "x86-64-v2", "NUMBA_CPU_FEATURES": ""},
    "skylake-avx512": {"NUMBA_CPU_NAME": "skylake-avx512", "NUMBA_CPU_FEATURES": ""},
    "blas-haswell": {"OPENBLAS_CORETYPE": "Haswell"},
}


def runs_here(name: str) -> bool:
    """Whether this machine has the instructions of a processor (Linux)."""
    return "avx512" not in name or "avx512f" in Path("/proc/cpuinfo").read_text()


def main(arguments: list[str]) -> int:
    """Run the tests for each processor named, or for all; return how many runs failed."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    names, options = arguments[:end], arguments[end + 1 :]
    failed = 0
    for name in names or PROCESSORS:
        if not runs_here(name):
            print(f"{name}: this machine has no such instructions", flush=True)
            continue
        with tempfile.TemporaryDirectory() as cache:
            environment = os.environ | PROCESSORS[name] | {"NUMBA_CACHE_DIR": cache}
            print(f"== {name}", flush=True)
            failed += bool(
                subprocess.run(
                    [sys.executable, "-m", "pytest", "-q", *options], cwd=ROOT, env=environment
                ).returncode
            )
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
