"""One climb from a start, what is climbed, and the distinct optima that climbs reached."""

from collections.abc import Hashable
from typing import NamedTuple, Protocol

import numpy as np

from bayesgmm.fit.result import FitStatus
from bayesgmm.likelihood.rows import Rows
from bayesgmm.limits import SAME_MEANS, SAME_WEIGHTS
from bayesgmm.model.numbering import matched_to_prior, number_clusters
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array

__all__ = ["Candidate", "Run", "Target", "distinct", "flagged"]

_SAME_OBJECTIVE, _TO_GAIN = 1e-3, 100.0


class Run(NamedTuple):
    """One climb: where it ended, the objective on the way (nats, fitting units), and how."""

    x: Array
    path: list[float]
    status: FitStatus
    component: int = -1  # the one that collapsed

    @property
    def objective(self) -> float:
        """The objective where the climb ended."""
        return self.path[-1]


class Target(Protocol):
    """What is maximised, on coordinates x of its own."""

    @property
    def resolved(self) -> ResolvedSpec:
        """The model."""

    @property
    def key(self) -> Hashable:
        """What tells the target from others on the same data."""

    @property
    def behind(self) -> float:
        """Nats below the best from which on a regular optimum need not be followed to its end."""

    def fewer(self) -> "Target | None":
        """Return the same with one component less, whose optima are good starts; else None."""

    def start(self, point: Array) -> Array:
        """Return x of a point of EM."""

    def point(self, x: Array) -> Array:
        """Return the point of EM at x."""

    def parameters(self, x: Array) -> Parameters:
        """Return the parameters at x, data units."""

    def by_chance(self, rows: Rows, run: "Run") -> bool:
        """Whether an optimum is of the kind that chance makes, and not believed."""

    def widened(self, rows: Rows, x: Array, floor: Array) -> Array:
        """Return x after a few steps on which no component can become narrow."""

    def climb(self, rows: Rows, x: Array, floor: Array, tol: float, max_iter: int) -> Run:
        """Climb from x until a step gains less than `tol` nats per row."""

    def data_units(self, rows: Rows) -> float:
        """Return the objective in data units less that in fitting units."""

    def log_posterior(self, objective: float) -> float | None:
        """Return the objective where it is a log posterior."""


class Candidate(NamedTuple):
    """An optimum, clusters numbered, and the starts that reached it, the highest first."""

    run: Run
    parameters: Parameters
    feature: int  # whose means number the clusters
    starts: tuple[int, ...]


def distinct(
    target: Target, runs: list[tuple[Run, tuple[int, ...]]], n_rows: int, tol: float = 1e-10
) -> list[Candidate]:
    """Merge runs (each with its starts) that reached the same optimum; the highest first.

    A run may still have some hundred times the tolerance to gain, and so stops that far from it.
    """
    near = _SAME_OBJECTIVE + _TO_GAIN * tol * n_rows
    kept: list[Candidate] = []
    for run, starts in sorted(runs, key=lambda pair: -pair[0].objective):
        parameters = target.parameters(run.x)
        parameters, feature = _numbered(target, parameters)
        new = Candidate(run, parameters, feature, starts)
        for i, old in enumerate(kept):
            if old.run.objective - run.objective < near and _same(old, new, target.resolved.spread):
                kept[i] = old._replace(starts=old.starts + starts)
                break
        else:
            kept.append(new)
    return kept


def _numbered(target: Target, parameters: Parameters) -> tuple[Parameters, int]:
    """Give clusters their numbers, within the groups of the prior; return by which feature too.

    A likelihood has no priors of its own: its clusters are first matched to those of the spec.
    """
    resolved = target.resolved
    told_apart = len(resolved.groups.groups) > 1 and not resolved.classes
    if told_apart and target.log_posterior(0.0) is None:
        parameters = parameters.permuted(matched_to_prior(parameters, resolved))
    order, feature = number_clusters(parameters.means, resolved.spread, groups=resolved.groups)
    return parameters.permuted(order), feature


def _same(one: Candidate, other: Candidate, spread: Array) -> bool:
    means = np.abs(one.parameters.means - other.parameters.means) / spread
    weights = np.abs(one.parameters.weights - other.parameters.weights)
    collapsed = FitStatus.COLLAPSED in (one.run.status, other.run.status)
    return bool(means.max() < SAME_MEANS and weights.max() < SAME_WEIGHTS and not collapsed)


def flagged(target: Target, rows: Rows, run: Run) -> bool:
    """Whether a run is not believed: it collapsed, or chance explains where it ended."""
    return run.status is FitStatus.COLLAPSED or target.by_chance(rows, run)
