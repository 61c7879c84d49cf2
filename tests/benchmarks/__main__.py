"""Print the table of ratios: `python -m tests.benchmarks [a] [c] [d] [e] [f]`."""

import os
import sys
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version

PACKAGES = ("bayesgmm", "numpy", "numba", "nutpie", "pymc", "scikit-learn")


def lines_of(part: str) -> Iterator[str]:
    """Import a part only when it is asked for: each loads other packages."""
    if part == "a":
        from tests.benchmarks.sampling import lines
    elif part == "c":
        from tests.benchmarks.em import lines
    elif part == "d":
        from tests.benchmarks.kernel import floor_lines as lines
    elif part == "e":
        from tests.benchmarks.kernel import growth_lines as lines
    else:
        from tests.benchmarks.whole import lines
    return lines()


versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
print(f"{date.today()}, {os.cpu_count()} cores; {versions}", flush=True)
for part in sys.argv[1:] or "acdef":
    for line in lines_of(part):
        print(line, flush=True)
