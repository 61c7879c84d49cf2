"""One search for all numbers of components and structures, which share their work."""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bayesgmm.data import Dataset, check_components
from bayesgmm.errors import DegenerateFitError
from bayesgmm.fit.additions import added_component, tied_groups
from bayesgmm.fit.below import doubled
from bayesgmm.fit.conclusion import warn_of_max_iter
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.multistart import floor_of
from bayesgmm.fit.partitions import Sums, hierarchical_partitions, sums_of
from bayesgmm.fit.points import split
from bayesgmm.fit.quick_cells import Cell, Frame
from bayesgmm.fit.result import FitStatus
from bayesgmm.fit.saddles import GAIN
from bayesgmm.fit.starts import random_shares, swap_component
from bayesgmm.likelihood.rows import FEW_VALUES, Rows
from bayesgmm.limits import GRID_FEW, GRID_NEAR, GRID_STARTS, GRID_UNSEEN
from bayesgmm.model.components import distinct_structure
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.runtime.arithmetic import sound_arithmetic
from bayesgmm.runtime.parallel import Threads, one_blas_thread
from bayesgmm.typing import Array, IntArray

__all__ = ["Found", "is_quick", "quick_fits"]

_FOLLOWED = 2  # of the starts whose first steps promise most
_ON_TIES = 3
_WIDE = 0.1  # ridge under which components stay wide, as in the starts of `fit_em`
_ROUND = 6  # starts, a third of them rearranged


class Found(NamedTuple):
    """What a quick search found of one model.

    Parameters
    ----------
    log_likelihood : float, nats, data units
    flagged : bool
        Whether chance explains every solution.
    set_aside : float
        The highest log likelihood above the fit that is not believed, or NaN.
    n_starts, n_collapsed, n_by_chance : int
        Starts followed to their ends, and of these the ones that collapsed or ended in a solution
        that is not believed.
    unseen : float
        Estimated chance that one more start ends in a solution that none has reached.
    """

    log_likelihood: float
    flagged: bool
    set_aside: float
    n_starts: int
    n_collapsed: int
    n_by_chance: int
    unseen: float


def is_quick(data: Dataset, spec: MixtureSpec) -> bool:
    """Whether `quick_fits` knows the model: of Gaussians alone, on plain rows in memory."""
    plain = data.annotations is None and data.in_memory
    gaussian = spec.family == "normal" and spec.noise is None and not spec.structure.has_loadings
    return plain and gaussian and data.n_obs * spec.n_components * data.n_features <= FEW_VALUES


def quick_fits(
    data: Dataset, specs: Sequence[MixtureSpec], *, seed: int, tol: float, max_iter: int
) -> dict[MixtureSpec, Found]:
    """Fit Gaussian mixtures to plain rows that are held in memory.

    Every model starts from three hierarchical partitions, from the optimum with one component
    fewer with each component in halves, and from the optima of the other structures; it follows
    three of these to their ends, or all where the highest end is not believed. Models whose BIC is
    near the best are then started again from random and rearranged places until what is
    left to be found is little, 60 times at most.

    Parameters
    ----------
    data : Dataset
    specs : sequence of MixtureSpec
        Each with its own `distinct_structure`.
    seed, tol, max_iter
        As in `bayesgmm.fit.fit_em`.

    Raises
    ------
    DataError
        Where the rows do not carry a model.

    Warns
    -----
    ConvergenceWarning
        Where the best run of a model stopped at `max_iter`.
    """
    for spec in specs:
        correlated = spec.has_correlations
        check_components(data, spec.n_components, prior=False, correlated=correlated)
    with one_blas_thread(), sound_arithmetic(DegenerateFitError), Threads() as threads:
        search = _Search(data, specs, np.random.SeedSequence(seed), threads)
        for k in sorted({spec.n_components for spec in specs}):
            search.climb_all(k)
        search.go_on()
        return {spec: search.found(spec, tol, max_iter) for spec in specs}


class _Search:
    """The cells of one grid and what they share."""

    def __init__(
        self,
        data: Dataset,
        specs: Sequence[MixtureSpec],
        seed: np.random.SeedSequence,
        threads: Threads,
    ) -> None:
        trees, rounds = seed.spawn(2)
        self._rng, self._threads = np.random.default_rng(rounds), threads
        values = np.concatenate([block for _, block in data.blocks()])
        self._scaled = (values - data.centre()) / data.spread()
        sizes = sorted({spec.n_components for spec in specs})
        self._trees = hierarchical_partitions(self._scaled, sizes, np.random.default_rng(trees))
        self._resolved: dict[str, ResolvedSpec] = {}
        self._frames: dict[bytes, Frame] = {}
        self._floors: dict[Hashable, Array] = {}
        self.cells = {spec: self._cell(spec, data) for spec in specs}
        self._named: dict[tuple[str, int], Cell] = {
            (spec.covariance, spec.n_components): c for spec, c in self.cells.items()
        }
        plain = MixtureSpec(1, resolution=specs[0].resolution)
        error = resolve(plain, data).resolution / data.spread()
        self._ties, self._error = tied_groups(self._scaled, error)[:_ON_TIES], error

    def _cell(self, spec: MixtureSpec, data: Dataset) -> Cell:
        known = self._resolved.get(spec.covariance)
        if known is None:
            known = self._resolved[spec.covariance] = resolve(spec, data, sampled=False)
        concentration = np.full(spec.n_components, known.concentration[0])
        resolved = replace(known, spec=spec, concentration=concentration)
        scale = data.spread() / resolved.unit
        frame, scaled = self._frames.get(scale.tobytes()), self._scaled * scale
        if frame is None:
            rows = Rows(resolved, data)
            total = np.cov(scaled, rowvar=False, bias=True).reshape(len(scale), len(scale))
            blocks = rows.plain_blocks
            assert blocks is not None  # is_quick
            frame = self._frames[scale.tobytes()] = Frame(rows, blocks, scale, total)
        bounded = resolved.structure.factors is None and resolved.resolution > 0.0
        key = scale.tobytes(), np.asarray(bounded).tobytes()
        if key not in self._floors:
            self._floors[key] = floor_of(scaled, resolved)
        return Cell(Likelihood(resolved), frame, self._floors[key])

    def climb_all(self, k: int) -> None:
        """Climb in all structures with k components, then from the optima of one another."""
        cells = [cell for spec, cell in self.cells.items() if spec.n_components == k]
        starts = [Sums.joined([self._trees[k], *self._from_below(cell)]) for cell in cells]
        if k == 1:
            starts = [Sums(*(values[:1] for values in self._trees[1]))] * len(cells)
        left = self._climb(cells, starts, 1, _FOLLOWED)
        if k == 1:
            return
        best = [[cell.sums(end) for end in cell.leaders] for cell in cells]
        if len(cells) > 1:
            others = [
                [sums for j, each in enumerate(best) if j != i for sums in each]
                for i in range(len(cells))
            ]
            self._climb(cells, [Sums.joined(each or [self._trees[k]]) for each in others], 0, 1)
        for cell, given in zip(cells, starts, strict=True):
            if cell.believed is None:
                cell.note(cell.climb(given, len(self._trees[k].mass), _FOLLOWED, _WIDE))
            self._not_below(cell)
        doubted = [(cell, rest) for cell, rest in zip(cells, left, strict=True) if cell.is_doubtful]
        if doubted:
            most = max(len(rest.mass) for _, rest in doubted)
            self._climb([cell for cell, _ in doubted], [rest for _, rest in doubted], most, 0)

    def _climb(
        self, cells: list[Cell], starts: list[Sums], n_always: int, n_best: int
    ) -> list[Sums]:
        """Climb in several cells at a time; return the starts that were not followed."""

        def climbed(cell: Cell, given: Sums) -> tuple[Array, Array, IntArray]:
            return cell.climb(given, n_always, n_best)

        left = []
        for cell, given, ended in zip(
            cells, starts, self._threads.map(climbed, cells, starts), strict=True
        ):
            cell.note(ended)
            left.append(Sums(*(values[ended[2] < 0] for values in given)))
        return left

    def _below(self, cell: Cell) -> Cell | None:
        k, d = cell.resolved.n_components - 1, cell.resolved.n_features
        if k == 0:
            return None
        return self._named.get((distinct_structure(cell.resolved.spec.covariance, k, d), k))

    def _from_below(self, cell: Cell) -> Iterable[Sums]:
        """Yield starts with a component added to the optima with one fewer."""
        below = self._below(cell)
        if below is None:
            return
        for end in below.leaders:
            yield below.sums(end).halved()
            for feature, members in self._ties:
                k, point = below.resolved.n_components, below.point(end)
                added = added_component(point, self._scaled, k, feature, members, self._error)
                yield self._sums([added], k + 1)

    def _sums(self, points: list[Array], k: int) -> Sums:
        n, d = self._scaled.shape
        parts = [split(point, k, d) for point in points]
        mass = n * np.array([weights for weights, _, _ in parts])
        centres = np.array([means for _, means, _ in parts])
        within = np.array([covariances for _, _, covariances in parts])
        return Sums(mass, centres, mass[:, :, None, None] * within)

    def _not_below(self, cell: Cell) -> None:
        """Climb from the best with one component fewer where no end is as high."""
        below = self._below(cell)
        if below is None or not below.ends:
            return
        if cell.ends and cell.highest >= below.highest - GAIN:
            return
        k, d = below.resolved.n_components, below.resolved.n_features
        twice = doubled(below.point(below.ends[0]), k, d)
        cell.note(cell.climb(self._sums([twice], k + 1), 1, 0))

    def go_on(self) -> None:
        """Start again, in rounds, where BIC is near the best and much may be unseen.

        In all models of a small grid.
        """
        near = GRID_NEAR if len(self.cells) > GRID_FEW else math.inf
        while True:
            best = min(cell.bic for cell in self.cells.values())
            cells = [
                cell
                for cell in self.cells.values()
                if cell.resolved.n_components > 1
                and (cell.bic <= best + near or cell.believed is None)
                and cell.n_starts < GRID_STARTS
                and cell.unseen > GRID_UNSEEN
            ]
            if not cells:
                return
            self._climb(cells, [self._drawn(cell) for cell in cells], _ROUND, 0)

    def _drawn(self, cell: Cell) -> Sums:
        """Return random starts and rearranged ones."""
        k, n_swaps = cell.resolved.n_components, _ROUND // 3 if cell.ends else 0
        n_drawn = _ROUND - n_swaps
        drawn = [
            sums_of(self._scaled, random_shares(cell.n_starts + i, self._scaled, k, self._rng))
            for i in range(n_drawn)
        ]
        leaders = [cell.point(end) for end in cell.leaders]
        swaps = [
            swap_component(leaders[i % len(leaders)], self._scaled, k, self._rng)
            for i in range(n_swaps)
        ]
        return Sums.joined([*drawn, self._sums(swaps, k)] if swaps else drawn)

    def found(self, spec: MixtureSpec, tol: float, max_iter: int) -> Found:
        """Follow the best end that is believed, or the best of all, to where it leads."""
        cell = self.cells[spec]
        best = cell.believed or (cell.ends[0] if cell.ends else None)
        if best is None:
            return Found(math.nan, True, math.nan, cell.n_starts, cell.n_collapsed, 0, cell.unseen)
        shift = cell.target.data_units(cell.rows)
        run = cell.target.climb(cell.rows, best.point, cell.floor, tol, max_iter)
        if run.status is FitStatus.MAX_ITER:
            warn_of_max_iter(spec.n_components, len(run.path))
        value = run.objective if run.status is not FitStatus.COLLAPSED else best.value
        above = [end for end in cell.ends if end.value > best.value]
        return Found(
            log_likelihood=value + shift,
            flagged=cell.believed is None,
            set_aside=above[0].value + shift if above else math.nan,
            n_starts=cell.n_starts,
            n_collapsed=cell.n_collapsed,
            n_by_chance=sum(end.starts for end in cell.ends if cell.by_chance(end)),
            unseen=cell.unseen,
        )
