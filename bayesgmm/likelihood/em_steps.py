"""The points of EM in a model, and its M-steps."""

import math
from functools import cached_property, partial

import numpy as np

from bayesgmm.likelihood.compiled.em_climb import CLIMB_ROOM, climb_plain
from bayesgmm.likelihood.compiled.factored import Codes, codes_of, maximise_factored, move_into
from bayesgmm.likelihood.compiled.layers import LARGEST_COORDINATE
from bayesgmm.likelihood.compiled.loadings_m_step import maximise_loadings, rebuild
from bayesgmm.likelihood.compiled.m_step import bound_point, maximise
from bayesgmm.likelihood.compiled.points import constrained_point
from bayesgmm.likelihood.compiled.tails import LARGEST_NU, SMALLEST_NU
from bayesgmm.likelihood.moments import Moments
from bayesgmm.model.parameters import log_of_weights
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.typing import Array

__all__ = ["EMSteps"]


class EMSteps:
    """What EM takes of a log posterior: its model, laid out for compiled code, and no rows."""

    resolved: ResolvedSpec

    @property
    def flat(self) -> Array:
        """The model, laid out for compiled code."""
        raise NotImplementedError

    def em_point(self, x: Array) -> Array:
        """Return the point of EM (`bayesgmm.fit.points`) at x (dim,)."""
        point = np.empty(self._n_before_tails + self.resolved.n_in_tail)
        constrained_point(x, self.flat, point)
        return point

    def m_step(
        self, point: Array, moments: Moments, floor: Array, ridge: float = 0.0
    ) -> tuple[Array, int]:
        """Return the next point of EM by maximum likelihood; the priors play no part.

        Parameters
        ----------
        point : array
            The present point, at which the moments were taken.
        moments : Moments
        floor : array of shape (feature,), fitting units
            Smallest variance allowed of each feature given those before it.
        ridge : float, fitting units
            Added to every variance of the rows.

        Returns
        -------
        point : array
        collapsed : int
            The component that has collapsed, or -1.
        """
        out, structure = np.empty_like(point), self.resolved.structure
        factors, q = structure.factors, structure.n_factors
        if structure.has_loadings:
            collapsed = maximise_loadings(point, self.flat, q, *moments[1:6], floor, ridge, out)
        elif factors is None:
            model = self.flat, self.climbed
            collapsed = maximise(point, *model, *moments[1:6], floor, ridge, out)
        else:
            sums = moments[1:4]
            collapsed = maximise_factored(point, *codes_of(*factors), *sums, floor, ridge, out)
        if moments.shares.size:
            self._set_weights(out, moments.shares / moments.shares.sum())
        return out, collapsed

    def climb_plain(
        self,
        point: Array,
        blocks: Array,
        n_rows: int,
        floor: Array,
        ridge: float,
        enough: float,
        max_iter: int,
    ) -> tuple[Array, list[float], int, int]:
        """Climb on plain rows in one call; `bayesgmm.likelihood.compiled.em_climb.climb_plain`.

        Returns
        -------
        point : array
            Where the climb ended.
        path : list of float
        status, component : int
        """
        x, path = point.copy(), np.empty(max_iter + CLIMB_ROOM)
        model, rows = self.plain_model, (blocks, n_rows, floor)
        climb = partial(climb_plain, x, self.resolved.n_components, *model)
        n, status, component = climb(*rows, ridge, enough, max_iter, path)
        return x, path[:n].tolist(), status, component

    @cached_property
    def plain_model(self) -> tuple[Array, Array | None, Codes | None, bool]:
        """What compiled climbs take for a model without loadings: flat, climbed, codes, left.

        Structures by volumes, shapes and axes have codes, and are not read from the flat model.
        """
        factors = self.resolved.structure.factors
        if factors is not None:
            return np.empty(0), None, codes_of(*factors), False
        return self.flat, self.climbed, None, self._may_be_left

    @property
    def climbed(self) -> Array | None:
        """The flat model where covariances have no closed form in the M-step, else None."""
        open_form = self.resolved.structure.partly_shared or self.resolved.n_layers > 1
        return self.flat if open_form else None

    @property
    def _may_be_left(self) -> bool:
        """Whether a leap may leave the structure or fall below the recording error."""
        return bool(self.resolved.resolution.any()) or self.resolved.structure.partly_shared

    def _set_weights(self, point: Array, parts: Array) -> None:
        """Write the weights of clusters and noise into a point of EM."""
        k, d = self.resolved.n_components, self.resolved.n_features
        log_weights, after = log_of_weights(parts), k * (1 + d + d * d)
        point[:k], point[after : after + len(parts) - k] = log_weights[:k], log_weights[k:]

    def bounded(self, point: Array) -> Array:
        """Return a point of EM with covariances of the structure, above the recording error.

        Structures by volumes, shapes and axes do not keep to that error.
        """
        resolved, factors = self.resolved, self.resolved.structure.factors
        out, k = point.copy(), resolved.n_components
        if resolved.structure.has_loadings:
            sizes = k, resolved.n_features, resolved.structure.n_factors
            rebuild(out, *sizes, resolved.resolution / resolved.unit)
        elif factors is not None:
            move_into(out, k, *codes_of(*factors))
        elif self._may_be_left:
            bound_point(out, self.flat, self.climbed)
        start = self._n_before_tails
        tails, tail = resolved.tails, out[start : start + resolved.n_in_tail]
        if self.resolved.n_layers > 1:
            np.clip(tail, -LARGEST_COORDINATE, LARGEST_COORDINATE, out=tail)
        if tails is not None and tail.size:
            np.clip(tail, math.log(SMALLEST_NU), math.log(LARGEST_NU), out=tail)
            if tails.known:
                tail[:] = np.log(tails.given(len(tail)))
        return out

    @property
    def _n_before_tails(self) -> int:
        """Number of entries of a point of EM before its degrees of freedom."""
        k, d = self.resolved.n_components, self.resolved.n_features
        return k * (d + d * d) + self.resolved.n_parts
