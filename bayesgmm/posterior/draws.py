"""The one view of a mixture's draws: what verbs read of a posterior, each part built once."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.annotated_rows import RowTable, plain_rows, with_features, with_noise
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.responsibilities import over_draws
from bayesgmm.likelihood.rowwise import pointwise_log_likelihood
from bayesgmm.model.components import Noise
from bayesgmm.model.groups import LabelGroups
from bayesgmm.model.numbering import cluster_names
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.posterior.blocks import over_row_blocks, sample_blocks
from bayesgmm.posterior.observed import SOME_ROWS
from bayesgmm.posterior.tree import (
    COMPONENTS,
    LABELS,
    attribute,
    check_posterior,
    clusters_of,
    obs_of,
    parameters_of,
    require_likelihood,
    resolved_of,
    rows_of,
)
from bayesgmm.typing import Array, IntArray

__all__ = ["Draws", "Posterior", "view_of"]


@dataclass(frozen=True, eq=False)
class Draws:
    """The draws of a posterior, the rows and the model behind them; built when first asked for.

    `Draws.of` makes the same view of arrays at hand: of a point fit, which is one draw, of some of
    the draws or of some features. Users have trees and point fits; a verb takes a view in the place
    of a tree, so that one view serves several verbs.

    Parameters
    ----------
    source : xarray.DataTree or None
        As `bayesgmm.sample` returns it; it must not change while this view is in use. None where
        `Draws.of` made it.

    Examples
    --------
    >>> from bayesgmm import MixtureSpec, Priors, sample
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> spec = MixtureSpec(3, priors=Priors(concentration=(1.0, 2.0, 2.0)))
    >>> draws = Draws(sample(rows, spec, draws=20, tune=100, seed=1))
    >>> draws.groups.groups, draws.coordinates.shape
    (((0,), (1, 2)), (4, 20, 8))
    >>> draws.thinned(10).responsibilities(draws.rows).shape
    (10, 3, 8)
    """

    source: xr.DataTree | None

    def __post_init__(self) -> None:
        """Refuse what is no posterior."""
        check_posterior(self.source)

    @classmethod
    def of(
        cls,
        parameters: Parameters,
        features: tuple[str, ...],
        *,
        rows: RowTable | None = None,
        obs: NDArray[Any] | None = None,
        clusters: Any = None,
        frame: tuple[Array, Array] | None = None,
        groups: LabelGroups | None = None,
        components: dict[str, Any] | None = None,
        noise: Noise | None = None,
    ) -> "Draws":
        """Return the view of draws that are at hand as arrays; without a model behind them.

        Parameters
        ----------
        parameters : Parameters
            Arrays of shape (sample, ...), data units.
        features : tuple of str
        rows : array of shape (obs, feature), data units, optional
            Those that they were fitted to, where these are kept.
        obs, clusters : arrays of shape (obs,) and (cluster,), optional
            Names; numbers from 0 and from 1 by default.
        frame : two arrays of shape (feature,), data units, optional
            Centre and unit of the arithmetic; those of the draws by default.
        groups : LabelGroups, optional
            None are exchangeable by default.
        components : dict, optional
            As `Draws.components`.
        noise : Noise, optional
            Where the mixture has one.
        """
        n_samples, n_components = parameters.weights.shape
        draws = cls.__new__(cls)
        vars(draws).update(
            source=None,
            parameters=parameters,
            features=features,
            observed=rows,
            obs=np.arange(0 if rows is None else len(rows)) if obs is None else obs,
            clusters=cluster_names(n_components, clusters),
            groups=LabelGroups.of_none(n_components) if groups is None else groups,
            components=components,
            noise=noise,
            resolved=None,
            shape=(1, n_samples),
            **({} if frame is None else {"frame": frame}),
        )
        return draws

    @property
    def tree(self) -> xr.DataTree:
        """The posterior.

        Raises
        ------
        ConfigError
            Where the draws came as arrays.
        """
        if self.source is None:
            raise ConfigError("a posterior (the DataTree that sample returns) is needed.")
        return self.source

    @cached_property
    def parameters(self) -> Parameters:
        """The parameters, chains one after another: arrays of shape (sample, ...), data units."""
        return parameters_of(self.tree)

    @property
    def n_samples(self) -> int:
        """Number of draws."""
        return self.parameters.weights.shape[0]

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return self.parameters.weights.shape[1]

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Numbers of chains and of draws in each."""
        sizes = self.tree["posterior"].sizes
        return sizes["chain"], sizes["draw"]

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(map(str, self.tree["posterior"].to_dataset()["feature"].values))

    @cached_property
    def clusters(self) -> NDArray[Any]:
        """The names of the clusters, or their numbers from 1."""
        return clusters_of(self.tree)

    @cached_property
    def observed(self) -> RowTable | None:
        """The observed rows, data units, as `table`; None where they are not all kept."""
        return None if SOME_ROWS in self.tree else rows_of(self.tree)

    @property
    def table(self) -> RowTable:
        """The observed rows (obs, feature), data units, with what is known of them.

        Raises
        ------
        ConfigError
            Where they are not all kept, as with a point fit or many rows of a file.
        """
        if self.observed is not None:
            return self.observed
        if self.source is not None:
            return rows_of(self.source)  # says why not
        raise ConfigError("a point fit does not keep the data it was fitted to; pass them as rows.")

    @property
    def rows(self) -> Array:
        """The same for a caller that takes no annotated rows: a DataError where they are."""
        return plain_rows(self.table)

    @cached_property
    def obs(self) -> NDArray[Any]:
        """The names of the observed rows (obs,)."""
        return obs_of(self.tree)

    @cached_property
    def resolved(self) -> ResolvedSpec | None:
        """The resolved spec; None for a user's own model."""
        return resolved_of(self.tree)

    @cached_property
    def noise(self) -> Noise | None:
        """The noise beside the clusters; None where there is none."""
        return None if self.resolved is None else self.resolved.noise

    @cached_property
    def components(self) -> dict[str, Any] | None:
        """How a user's own model compares with Gaussian components: gaussian, and gap in nats."""
        return attribute(self.tree, COMPONENTS)

    @property
    def gaussian(self) -> bool:
        """Whether their density is that of Gaussians with these parameters."""
        return self.components is None or bool(self.components["gaussian"])

    def require_gaussian(self) -> None:
        """Raise ConfigError where a user's own model is no mixture of Gaussians."""
        if self.components is None or self.gaussian:
            return
        gap = self.components["gap"]
        by = "" if gap is None else f" (by up to {gap:.3g} nats per row)"
        raise ConfigError(
            "this needs the density of Gaussian components, and the log likelihood of this model "
            f"is not that of Gaussians with its weights, means and covariances{by}: compute it "
            "from the PyMC model; summarize, diagnose, loo, waic, label_free and write_report do "
            "work.",
            group="log_likelihood",
            gap=gap,
        )

    @cached_property
    def frame(self) -> tuple[Array, Array]:
        """Centre and unit (feature,) of the arithmetic, data units.

        Those of the built-in model; of the rows where the model is a user's; of the draws where
        there are no rows, or these do not vary.
        """
        if self.resolved is not None:
            return self.resolved.centre, self.resolved.unit
        rows = self.observed
        if isinstance(rows, np.ndarray) and np.ptp(rows, axis=0).all():
            return rows.mean(axis=0), rows.std(axis=0, ddof=1)
        variances = np.einsum("skdd->skd", self.parameters.covariances)
        return self.parameters.means.mean(axis=(0, 1)), np.sqrt(variances.mean(axis=(0, 1)))

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
        DataError
            For rows with the weights of a survey, whose draws are not of this density.
        """
        require_likelihood(self.tree, "the evidence, longer runs and masses of modes")
        if self.resolved is None:
            raise ConfigError(
                "this posterior is of a user's own model, whose normalised density is not known "
                "here; the evidence needs draws of the built-in model: sample(data, spec) without "
                "model=, or adopt(tree, data, spec).",
                group="posterior",
            )
        return LogPosterior(self.resolved, rows_of(self.tree))

    @cached_property
    def coordinates(self) -> Array:
        """The unconstrained coordinates (chain, draw, dim), fitting units."""
        points = self.target.unconstrain(self.parameters)
        return points.reshape(*self.shape, self.target.dim)

    def taken(self, samples: IntArray) -> "Draws":
        """Return some of the draws, in this order."""
        chosen = self.parameters.at(samples)
        return self._like_these(chosen, self.features, self.observed, self.frame, self.noise)

    def thinned(self, most: int) -> "Draws":
        """Return at most so many draws, evenly spaced."""
        if self.n_samples <= most:
            return self
        return self.taken(np.linspace(0, self.n_samples - 1, most).round().astype(np.int64))

    def marginal(self, index: list[int]) -> "Draws":
        """Return the draws of the exact marginal mixture of some features, in that order."""
        rows = None if self.observed is None else with_features(self.observed, index)
        features = tuple(self.features[i] for i in index)
        centre, unit = self.frame
        frame, noise = (centre[index], unit[index]), self.noise
        noise = None if noise is None else noise.margin(index)
        return self._like_these(self.parameters.margin(index), features, rows, frame, noise)

    def _like_these(
        self,
        parameters: Parameters,
        features: tuple[str, ...],
        rows: RowTable | None,
        frame: tuple[Array, Array],
        noise: Noise | None,
    ) -> "Draws":
        return Draws.of(
            parameters,
            features,
            rows=rows,
            obs=self.obs,
            clusters=self.clusters,
            frame=frame,
            groups=self.groups,
            components=self.components,
            noise=noise,
        )

    def reduced[Result](
        self,
        reduce: Callable[[Array, slice], Result],
        rows: RowTable | None = None,
        *,
        cores: int | None = None,
    ) -> Iterator[Result]:
        """Reduce responsibilities block of draws by block, as `over_draws` does.

        Parameters
        ----------
        reduce : callable of (block, part)
            ``block`` is an array of shape (draw, cluster, row), ``part`` the slice of its draws.
        rows : AnnotatedRows or array of shape (row, feature), data units, optional
            The observed ones by default.
        cores : int, optional
            Threads; all that there are by default.
        """
        table = self._table_of(self.table if rows is None else rows)
        return over_draws(reduce, self.parameters, table, *self.frame, cores=cores)

    def responsibilities(self, rows: RowTable, samples: slice = slice(None)) -> Array:
        """Return P(cluster | row, draw), array of shape (sample, cluster, row)."""
        part = self.parameters.at(samples)
        out = np.empty((*part.weights.shape, len(rows)))

        def keep(block: Array, done: slice) -> None:
            out[done] = block

        deque(over_draws(keep, part, self._table_of(rows), *self.frame), maxlen=0)
        return out

    def responsibilities_by_row(self, rows: RowTable) -> Array:
        """Return P(cluster | row, draw), array of shape (row, cluster, sample), on one core."""
        out = np.empty((len(rows), self.n_components, self.n_samples))

        def keep(block: Array, done: slice) -> None:
            out[..., done] = block.transpose(2, 1, 0)

        deque(self.reduced(keep, rows, cores=1), maxlen=0)
        return out

    def log_densities(self, rows: RowTable) -> Array:
        """Return log p(row | draw), array of shape (sample, row), nats, data units."""
        picked = self.resolved is not None and not self.resolved.spec.labels_inform_weights
        table = self._table_of(rows)
        return pointwise_log_likelihood(self.parameters, table, *self.frame, picked=picked)

    def _table_of(self, rows: RowTable) -> RowTable:
        """Return rows that know of the noise where there is one."""
        table: Any = with_noise(rows, self.noise)
        return table

    def over_row_blocks(self, n_rows: int, task: Callable[[slice], None]) -> None:
        """Run a task for each block of rows, for which K values a draw and row fill 64 MiB."""
        over_row_blocks(n_rows, self.n_samples * self.n_components, task)

    def sample_blocks(self, n_rows: int) -> Iterator[slice]:
        """Yield blocks of draws for which K values a draw and row fill at most 64 MiB."""
        return sample_blocks(self.n_samples, self.n_components * n_rows)


Posterior = xr.DataTree | Draws  # users have the first


def view_of(posterior: Posterior) -> Draws:
    """Return the view of a posterior; a view at hand as it is."""
    return posterior if isinstance(posterior, Draws) else Draws(posterior)
