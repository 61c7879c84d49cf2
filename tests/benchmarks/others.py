"""Samplers of other languages, where they are installed; where not, the line says so."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec


def lines() -> Iterator[str]:
    """Say which of them are here."""
    if find_spec("numpyro") is None:
        yield "b. NumPyro: not installed (pip install 'bayesgmm[benchmark]')"
    else:
        from tests.benchmarks.numpyro_model import lines as measured

        yield from measured()
    found = shutil.which("stanc")
    yield "b. cmdstan: not installed" if found is None else f"b. cmdstan: found at {found}"
