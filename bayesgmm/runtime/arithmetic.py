"""Where double precision gives way: one error of ours for what NumPy and Python raise then."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from bayesgmm.errors import BayesGMMError

__all__ = ["sound_arithmetic"]


@contextmanager
def sound_arithmetic(error: type[BayesGMMError]) -> Iterator[None]:
    """Raise `error` in the place of what the arithmetic of the block raises.

    Examples
    --------
    >>> from bayesgmm.errors import SamplingError
    >>> try:
    ...     with sound_arithmetic(SamplingError):
    ...         1.0 / 0.0
    ... except SamplingError as error:
    ...     print(str(error)[:45])
    double precision does not suffice here (float
    """
    try:
        yield
    except (ArithmeticError, np.linalg.LinAlgError) as broken:
        raise error(
            f"double precision does not suffice here ({broken!s:.80}): look for priors far from "
            "the scale of the data, and for extreme rows."
        ) from broken
