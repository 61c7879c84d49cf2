"""One view of a posterior's draws: what verbs read from the tree, each part built once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import xarray as xr
from numpy.typing import NDArray

from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.model.groups import LabelGroups
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.posterior.tree import (
    LABELS,
    attribute,
    clusters_of,
    obs_of,
    parameters_of,
    resolved_of,
    rows_of,
)
from bayesgmm.typing import Array

__all__ = ["Draws"]


@dataclass(frozen=True, eq=False)
class Draws:
    """The draws of a posterior, the rows and the model behind them; built when first asked for.

    Parameters
    ----------
    tree : xarray.DataTree
        As `bayesgmm.sample` returns it; it must not change while this view is in use.

    Examples
    --------
    >>> from bayesgmm import MixtureSpec, Priors, sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> spec = MixtureSpec(3, priors=Priors(concentration=(1.0, 2.0, 2.0)))
    >>> draws = Draws(sample(rows, spec, draws=20, tune=100, seed=1))
    >>> draws.groups.groups, draws.coordinates.shape
    (((0,), (1, 2)), (4, 20, 8))
    """

    tree: xr.DataTree

    @cached_property
    def parameters(self) -> Parameters:
        """The parameters, chains one after another: arrays of shape (sample, ...), data units."""
        return parameters_of(self.tree)

    @cached_property
    def resolved(self) -> ResolvedSpec | None:
        """The resolved spec; None for a user's own model."""
        return resolved_of(self.tree)

    @cached_property
    def rows(self) -> Array:
        """The observed rows (obs, feature), data units."""
        return rows_of(self.tree)

    @cached_property
    def obs(self) -> NDArray[Any]:
        """The names of the rows (obs,)."""
        return obs_of(self.tree)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(map(str, self._posterior["feature"].values))

    @property
    def clusters(self) -> NDArray[Any]:
        """The names of the clusters, or their numbers from 1."""
        return clusters_of(self.tree)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of chains and of draws in each."""
        sizes = self._posterior.sizes
        return sizes["chain"], sizes["draw"]

    @cached_property
    def frame(self) -> tuple[Array, Array]:
        """Centre and unit (feature,) of the arithmetic; of the rows where the model is a user's."""
        if self.resolved is not None:
            return self.resolved.centre, self.resolved.unit
        return self.rows.mean(axis=0), self.rows.std(axis=0, ddof=1)

    @cached_property
    def groups(self) -> LabelGroups:
        """The groups within which labels are exchangeable.

        Permutation, numbering, bridge, sequential Monte Carlo and verdict act within these. Of the
        built-in model they are the clusters with equal prior; of a user's own those shown by
        exchanging labels when it was sampled or adopted.
        """
        if self.resolved is not None:
            return self.resolved.groups
        shown = attribute(self.tree, LABELS)
        if shown is None:
            return LabelGroups.of_none(len(self.clusters))
        return LabelGroups(tuple(tuple(group) for group in shown["groups"]))

    @cached_property
    def target(self) -> LogPosterior:
        """The log posterior.

        Raises
        ------
        ConfigError
            For a user's own model.
        """
        if self.resolved is None:
            raise ConfigError(
                "this posterior is of a user's own model, whose normalised density is not known "
                "here; the evidence needs draws of the built-in model: sample(data, spec) without "
                "model=, or adopt(tree, data, spec).",
                group="posterior",
            )
        return LogPosterior(self.resolved, self.rows)

    @cached_property
    def coordinates(self) -> Array:
        """The unconstrained coordinates (chain, draw, dim), fitting units."""
        points = self.target.unconstrain(self.parameters)
        return points.reshape(*self.shape, self.target.dim)

    @cached_property
    def _posterior(self) -> xr.Dataset:
        return self.tree["posterior"].to_dataset()
