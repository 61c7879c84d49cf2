"""One model of a grid, the optima found of it, and its climbs in compiled code."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from bayesgmm.fit.climbs import Run
from bayesgmm.fit.degeneracy import by_chance
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.information import bic
from bayesgmm.fit.partitions import Sums
from bayesgmm.fit.points import n_plain, point_of, split
from bayesgmm.fit.result import FitStatus
from bayesgmm.fit.stopping import unseen
from bayesgmm.likelihood.compiled.em_climb import COLLAPSED, search_plain
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array, IntArray

__all__ = ["Cell", "End", "Frame"]

_TOL, _ITER = 1e-6, 300  # of the climbs that are compared
_GLANCES, _WIDE_GLANCES = 2, 5  # EM steps after which starts are compared
_SAME = 1e-3  # nats, and 10 times what a climb is expected to gain when it ends


class End(NamedTuple):
    """An optimum: a point of EM, its log likelihood (fitting units), the starts that reached it."""

    point: Array
    value: float
    starts: int


class Frame(NamedTuple):
    """The rows in the coordinates that some structures are fitted in."""

    rows: Rows
    blocks: Array
    scale: Array  # of the coordinates divided by the spread of each feature
    total: Array


@dataclass
class Cell:
    """One model and what was found of it.

    Parameters
    ----------
    target : Likelihood
    frame : Frame
    floor : array of shape (feature,), fitting units
        As in `Likelihood.climb`.
    ends : list of End
        The highest first.
    n_collapsed : int
    chance : dict of float to bool
        Whether chance explains an end, by its value.
    """

    target: Likelihood
    frame: Frame
    floor: Array
    ends: list[End] = field(default_factory=list)
    n_collapsed: int = 0
    chance: dict[float, bool] = field(default_factory=dict)

    @property
    def resolved(self) -> ResolvedSpec:
        """The model."""
        return self.target.resolved

    @cached_property
    def rows(self) -> Rows:
        """The rows, for its number of components."""
        return self.frame.rows.with_components(self.resolved)

    @property
    def n_starts(self) -> int:
        """Number of starts that were followed to their ends."""
        return self.n_collapsed + sum(end.starts for end in self.ends)

    def add(self, point: Array, value: float) -> None:
        """Note where a climb ended; ends as high as one another are one."""
        self.__dict__.pop("believed", None)
        self.__dict__.pop("bic", None)
        for i, end in enumerate(self.ends):
            if abs(end.value - value) < _SAME + 10.0 * _TOL * self.rows.n_rows:
                best = end if end.value >= value else end._replace(point=point, value=value)
                self.ends[i] = best._replace(starts=end.starts + 1)
                break
        else:
            self.ends.append(End(point, value, 1))
        self.ends.sort(key=lambda end: -end.value)

    def by_chance(self, end: End) -> bool:
        """Whether chance explains an end."""
        if end.value not in self.chance:
            self.chance[end.value] = self._by_chance(end)
        return self.chance[end.value]

    def _by_chance(self, end: End) -> bool:
        resolved, structure = self.resolved, self.resolved.structure
        if structure.factors is not None and resolved.resolution.any():
            run = Run(end.point, [end.value], FitStatus.CONVERGED)
            return self.target.by_chance(self.rows, run)
        parts = split(end.point, resolved.n_components, resolved.n_features)
        covariances = parts[2]
        plain = Parameters(*parts[:2], *(covariances,) * 3)  # of which scales are not read
        return bool(by_chance(plain, structure, self.rows.n_counted).any())

    @cached_property
    def believed(self) -> End | None:
        """The highest end that chance does not explain."""
        return next((end for end in self.ends if not self.by_chance(end)), None)

    @property
    def is_doubtful(self) -> bool:
        """Whether the highest end is not believed, or there is none."""
        return not self.ends or self.believed is not self.ends[0]

    @property
    def leaders(self) -> list[End]:
        """The highest end, and the highest that is believed."""
        believed = self.believed
        top = self.ends[:1]
        return top if believed is None or believed is top[0] else [believed, *top]

    def sums(self, end: End) -> Sums:
        """Return the moments at an end, in coordinates divided by the spread of each feature."""
        moments = self.rows.moments(end.point)
        sums = Sums(*(values[None].copy() for values in moments[1:4]))
        return sums.stretched(1.0 / self.frame.scale)

    def point(self, end: End) -> Array:
        """Return the point of an end in coordinates divided by the spread of each feature."""
        scale = self.frame.scale
        size = self.resolved.n_components, self.resolved.n_features
        weights, means, covariances = split(end.point, *size)
        return point_of(weights, means / scale, covariances / np.outer(scale, scale))

    def climb(
        self, starts: Sums, n_always: int, n_best: int, wide: float = 0.0
    ) -> tuple[Array, Array, IntArray]:
        """Climb from the first of some starts and from the most promising of the others.

        Parameters
        ----------
        starts : Sums
        n_always, n_best : int
        wide : float
            The ridge of the first steps.

        Returns
        -------
        ends, values, status : arrays with an axis of starts
            As `search_plain` writes them.
        """
        model, frame = self.target.steps, self.frame
        given = Sums(*map(np.ascontiguousarray, starts.stretched(frame.scale)))
        n, dim = len(given.mass), n_plain(given.mass.shape[1], len(frame.scale))
        ends, values, status = np.empty((n, dim)), np.empty(n), np.empty(n, dtype=np.int64)
        search_plain(
            given.mass,
            given.centres,
            given.scatters,
            frame.total,
            *model.plain_model,
            frame.blocks,
            frame.rows.n_rows,
            self.floor,
            np.full(n, wide),
            n_always,
            n_best,
            _WIDE_GLANCES if wide else _GLANCES,
            _TOL * frame.rows.n_rows,
            _ITER,
            ends,
            values,
            status,
        )
        return ends, values, status

    def note(self, climbed: tuple[Array, Array, IntArray]) -> None:
        """Note where climbs ended."""
        for end, value, status in zip(*climbed, strict=True):
            if status == COLLAPSED:
                self.n_collapsed += 1
            elif status >= 0 and math.isfinite(value):
                self.add(end, float(value))

    @property
    def highest(self) -> float:
        """The log likelihood at the highest end, data units."""
        return self.ends[0].value + self.target.data_units(self.rows)

    @property
    def unseen(self) -> float:
        """Estimated chance that one more start ends where none did."""
        counts = [*(end.starts for end in self.ends), self.n_collapsed]
        return unseen(counts) if self.resolved.n_components > 1 else 0.0  # one optimum

    @cached_property
    def bic(self) -> float:
        """BIC at the highest end that is believed; infinite without one."""
        best = self.believed
        if best is None:
            return math.inf
        value = best.value + self.target.data_units(self.rows)
        return bic(value, self.resolved.n_parameters, self.rows.n_counted)
