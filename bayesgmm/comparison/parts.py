"""What is finished of a comparison, model by model: what fails for one never takes others along."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable

import xarray as xr

from bayesgmm.criterion import BY_ELPD, Criterion
from bayesgmm.diagnosis import Diagnosis
from bayesgmm.errors import BayesGMMError, SamplingInterrupted
from bayesgmm.evidence import Evidences
from bayesgmm.fit import PointFit
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.prediction import DensityModes, MergedComponents

__all__ = ["KeptPosteriors", "Parts"]

logger = logging.getLogger(__name__)


@runtime_checkable
class KeptPosteriors(Protocol):
    """Where finished posteriors are kept while a comparison goes on."""

    def taken(self, model: MixtureSpec) -> xr.DataTree | None:
        """Return the posterior of a model that was finished before, or None."""

    def keep(self, model: MixtureSpec, posterior: xr.DataTree) -> xr.DataTree:
        """Keep a posterior that is finished, and return it as `taken` will."""


@dataclass
class Parts:
    """Fits, posteriors and what follows of the models that have them, filled one by one."""

    fits: dict[MixtureSpec, PointFit] = field(default_factory=dict)
    posteriors: dict[MixtureSpec, xr.DataTree] = field(default_factory=dict)
    verdicts: dict[MixtureSpec, Diagnosis] = field(default_factory=dict)
    modes: dict[MixtureSpec, DensityModes] = field(default_factory=dict)
    groups: dict[MixtureSpec, MergedComponents] = field(default_factory=dict)
    elpds: dict[Criterion, dict[MixtureSpec, Any]] = field(
        default_factory=lambda: {name: {} for name in BY_ELPD}
    )
    evidences: dict[MixtureSpec, Evidences] = field(default_factory=dict)
    seconds: dict[MixtureSpec, float] = field(default_factory=dict)
    failures: dict[MixtureSpec, str] = field(default_factory=dict)
    first_error: BayesGMMError | None = None

    @contextmanager
    def attempt(self, spec: MixtureSpec, what: str) -> Iterator[None]:
        """Note an error of the block for one model; Ctrl-C and faults of the program pass."""
        try:
            yield
        except SamplingInterrupted:
            raise
        except BayesGMMError as error:
            logger.info(
                "K = %d, %s: %s failed: %s", spec.n_components, spec.covariance, what, error
            )
            said = f"{what} failed: {error}"
            self.failures[spec] = f"{self.failures[spec]} {said}" if spec in self.failures else said
            self.first_error = self.first_error or error

    def take(self, other: Self) -> None:
        """Take in what there is of other models."""
        for name, mine in vars(self).items():
            theirs = getattr(other, name)
            if name == "elpds":
                for criterion, values in theirs.items():
                    mine[criterion].update(values)
            elif isinstance(mine, dict):
                mine.update(theirs)
        self.first_error = self.first_error or other.first_error

    def raise_unless_finished(self) -> None:
        """Raise the first error where no model has a posterior."""
        if not self.posteriors and self.first_error is not None:
            raise self.first_error
