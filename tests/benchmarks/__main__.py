"""Print the table of ratios: `python -m tests.benchmarks [PART ...]`, all by default."""

import os
import sys
from collections.abc import Iterator
from datetime import date
from importlib import import_module
from importlib.metadata import version

PACKAGES = ("bayesgmm", "numpy", "numba", "nutpie", "pymc", "scikit-learn")
PARTS = {
    "a": ("sampling", "lines"),
    "b": ("peers", "lines"),
    "c": ("em", "lines"),
    "d": ("kernel", "floor_lines"),
    "e": ("kernel", "growth_lines"),
    "f": ("whole", "lines"),
    "g": ("reading", "lines"),
    "h": ("annotated", "lines"),
    "i": ("importance", "lines"),
    "j": ("many_rows", "out_of_core_lines"),
    "k": ("many_rows", "dask_lines"),
    "l": ("features", "lines"),
    "m": ("grid", "lines"),
    "n": ("families", "lines"),
    "o": ("importance", "largest_lines"),
    "p": ("first_minutes", "lines"),
}


def lines_of(part: str) -> Iterator[str]:
    """Yield the lines of a part, imported only when it is asked for; its failure is a line too."""
    module, name = PARTS[part]
    try:
        yield from getattr(import_module(f"tests.benchmarks.{module}"), name)()
    except Exception as error:
        yield f"{part}. FAILED: {type(error).__name__}: {error}"


def main(parts: list[str]) -> int:
    """Print every part's lines; 1 where one failed, 2 for an unknown part."""
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        print(f"unknown part {unknown[0]!r}; the parts are {' '.join(PARTS)}", file=sys.stderr)
        return 2
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    print(f"{date.today()}, {os.cpu_count()} cores; {versions}", flush=True)
    failed = False
    for part in parts or PARTS:
        for line in lines_of(part):
            failed |= "FAILED" in line
            print(line, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
