"""What is finished of a comparison, K by K: what fails for one K never takes the others along."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from bayesgmm.diagnosis import Diagnosis
from bayesgmm.errors import BayesGMMError, SamplingInterrupted
from bayesgmm.evidence import Evidences
from bayesgmm.fit import PointFit

__all__ = ["Parts"]

logger = logging.getLogger(__name__)


@dataclass
class Parts:
    """Fits, posteriors and what follows of the K for which they could be had, filled one by one."""

    fits: dict[int, PointFit] = field(default_factory=dict)
    posteriors: dict[int, xr.DataTree] = field(default_factory=dict)
    verdicts: dict[int, Diagnosis] = field(default_factory=dict)
    elpds: dict[str, dict[int, Any]] = field(default_factory=lambda: {"waic": {}, "loo": {}})
    evidences: dict[int, Evidences] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    first_error: BayesGMMError | None = None

    @contextmanager
    def attempt(self, k: int, what: str) -> Iterator[None]:
        """Note an error of the block for one K; Ctrl-C and faults of the program pass."""
        try:
            yield
        except SamplingInterrupted:
            raise
        except BayesGMMError as error:
            logger.info("K = %d: %s failed: %s", k, what, error)
            said = f"{what} failed: {error}"
            self.failures[k] = f"{self.failures[k]} {said}" if k in self.failures else said
            self.first_error = self.first_error or error

    def raise_unless_finished(self) -> None:
        """Raise the first error where no K has a posterior."""
        if not self.posteriors and self.first_error is not None:
            raise self.first_error
