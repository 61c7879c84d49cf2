"""The result of a point fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesgmm.cards import card
from bayesgmm.data.columns import plural
from bayesgmm.errors import ConfigError
from bayesgmm.fit.degeneracy import slimmest
from bayesgmm.fit.information import aic, bic, icl
from bayesgmm.likelihood.compiled.tails import LARGEST_NU
from bayesgmm.model.numbering import cluster_names
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.typing import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Climb", "FitStatus", "Optimum", "PointFit"]

_AT_BOUND = 0.999


class FitStatus(Enum):
    """How a fit ended; the value is the message.

    Examples
    --------
    >>> FitStatus.MAX_ITER.value, FitStatus.MAX_ITER.converged
    ('stopped at max_iter before it converged', False)
    """

    CONVERGED = "converged"
    SET_ASIDE = "converged; a higher solution that chance explains was set aside"
    NO_GAIN = "converged; fewer components fit as well"
    MAX_ITER = "stopped at max_iter before it converged"
    COLLAPSED = "a component collapsed onto a few rows"

    @property
    def converged(self) -> bool:
        """Whether the climb ended at an optimum."""
        return self in (FitStatus.CONVERGED, FitStatus.SET_ASIDE, FitStatus.NO_GAIN)


@dataclass(frozen=True)
class Optimum:
    """One distinct local optimum found by the starts.

    Parameters
    ----------
    objective : float
        Log likelihood or log posterior, nats, data units.
    count : int
        Number of starts that reached it.
    flagged : bool
        It is not believed: chance explains a narrow component (`fit_em`).
    parameters : Parameters
        Data units, clusters numbered as in the fit.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> fit = fit_em(rows, 2, seed=1)
    >>> best = max(fit.optima, key=lambda optimum: optimum.objective)
    >>> best.flagged, best.objective == fit.log_likelihood
    (False, True)
    """

    objective: float
    count: int
    flagged: bool
    parameters: Parameters


@dataclass(frozen=True, eq=False)
class Climb:
    """The path of one start.

    Parameters
    ----------
    path : array of shape (n_iter,)
        The objective at each iteration, nats, data units; after the wide steps where EM took some.
    n_obs : int
        Rows on which it climbed: all, or the sample on which starts of large data are compared.
    optimum : int or None
        Which of the fit's ``optima`` it reached; None where it collapsed, or was left behind on
        the sample.
    collapsed : bool
        It ended at no optimum.
    """

    path: Array
    n_obs: int
    optimum: int | None
    collapsed: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class PointFit:
    """A mixture fitted by maximum likelihood (EM) or at its posterior mode (MAP).

    Clusters are numbered by increasing mean of `order_feature`: the first feature, or the
    one that separates best where two means of the first differ by less than 0.05 of its standard
    deviation.

    Parameters
    ----------
    resolved : ResolvedSpec
        The model with its priors, recording error and coordinates as numbers.
    parameters : Parameters
        Weights, means, scales, correlations and covariances, data units.
    log_likelihood : float
        Nats, data units.
    log_posterior : float or None
        Log density in (weights, means, scales, partial correlations), nats, data units; None for
        maximum likelihood.
    log_certainty : float
        sum_i log max_k r_ik, from which ICL follows.
    path : array of shape (n_iter,)
        The objective at each iteration of the winning run, nats, data units.
    status : FitStatus
    flagged : bool
        Whether this fit itself is not believed: True, with a DegeneracyWarning, only where no other
        optimum was found.
    optima : tuple of Optimum
        Every distinct optimum found, the highest first, flagged ones included.
    n_collapsed : int
        Starts that ended at no optimum: a component climbed into a pole of a likelihood without
        recording error, or lost its rows.
    climbs : tuple of Climb
        The path of every start, in their order.
    order_feature : str
        The feature whose means number the clusters.
    n_obs : float
        Number of rows, counted by their frequency weights.
    data_hash : str
    seed : int
    units : mapping of str to str
        The unit of each feature where the data state it.

    Examples
    --------
    >>> from bayesgmm import fit_em
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> fit = fit_em(rows, 2, seed=1)
    >>> fit.weights.round(3).tolist(), fit.n_parameters, fit.status.value
    ([0.5, 0.5], 5, 'converged')
    """

    resolved: ResolvedSpec
    parameters: Parameters
    log_likelihood: float
    log_posterior: float | None
    log_certainty: float
    path: Array
    status: FitStatus
    flagged: bool
    optima: tuple[Optimum, ...]
    n_collapsed: int
    climbs: tuple[Climb, ...]
    order_feature: str
    n_obs: float
    data_hash: str
    seed: int
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def spec(self) -> MixtureSpec:
        """The specification."""
        return self.resolved.spec

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        return self.resolved.features

    @property
    def weights(self) -> Array:
        """Weights (cluster,)."""
        return self.parameters.weights

    @property
    def means(self) -> Array:
        """Means (cluster, feature), data units."""
        return self.parameters.means

    @property
    def scales(self) -> Array:
        """Standard deviations (cluster, feature), data units, without the recording error."""
        return self.parameters.scales

    @property
    def correlations(self) -> Array:
        """Correlations (cluster, feature, feature)."""
        return self.parameters.correlations

    @property
    def covariances(self) -> Array:
        """Covariances (cluster, feature, feature), data units, with the recording error."""
        return self.parameters.covariances

    @property
    def set_aside(self) -> tuple[Optimum, ...]:
        """The optima above this fit that are not believed, the highest first."""
        objective = self.path[-1]
        return tuple(o for o in self.optima if o.flagged and o.objective > objective)

    @property
    def n_iter(self) -> int:
        """Number of iterations of the winning run."""
        return len(self.path)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return self.resolved.n_parameters

    @property
    def aic(self) -> float:
        """Akaike's criterion, smaller is better; of a maximum likelihood fit only."""
        self._refuse_posterior_mode("AIC")
        return aic(self.log_likelihood, self.n_parameters)

    @property
    def bic(self) -> float:
        """Schwarz's criterion, smaller is better; of a maximum likelihood fit only."""
        self._refuse_posterior_mode("BIC")
        return bic(self.log_likelihood, self.n_parameters, self.n_obs)

    @property
    def icl(self) -> float:
        """Integrated completed likelihood, smaller is better; of a maximum likelihood fit only."""
        self._refuse_posterior_mode("ICL")
        return icl(self.log_likelihood, self.n_parameters, self.n_obs, self.log_certainty)

    def _refuse_posterior_mode(self, criterion: str) -> None:
        if self.log_posterior is not None:
            raise ConfigError(
                f"{criterion} is defined at the maximum of the likelihood, and this is a MAP fit; "
                "take it from fit_em.",
                criterion=criterion,
            )

    def to_dataframe(self) -> "pd.DataFrame":
        """Return one row per cluster, the features by name.

        Returns
        -------
        pandas.DataFrame
            Index cluster; columns weight, ``mean_<feature>``, ``scale_<feature>`` (without the
            recording error) and, where the model has correlations,
            ``correlation_<feature>_<feature>``; data units. Of t components these are of the scale
            matrix, and nu are the degrees of freedom.

        Examples
        --------
        >>> from bayesgmm import fit_em
        >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
        >>> fit_em(rows, 2, seed=1).to_dataframe()["mean_x1"].round(2).to_dict()
        {1: 0.25, 2: 5.18}
        """
        import pandas as pd

        names = self.features
        columns = {"weight": self.weights}
        columns |= {f"mean_{name}": self.means[:, d] for d, name in enumerate(names)}
        columns |= {f"scale_{name}": self.scales[:, d] for d, name in enumerate(names)}
        if self.resolved.structure.has_correlations(len(names)):
            columns |= {
                f"correlation_{first}_{second}": self.correlations[:, i, j]
                for (i, first), (j, second) in combinations(enumerate(names), 2)
            }
        if self.parameters.nu is not None:
            columns["nu"] = self.parameters.nu
        for name in ("good_share", "inflation"):
            value = getattr(self.parameters, name)
            columns |= {} if value is None else {name: np.full(len(self.weights), float(value))}
        return pd.DataFrame(columns, index=pd.Index(self.clusters, name="cluster"))

    def _head(self, longest: int) -> list[str]:
        """Return the heads of the table of clusters: names cut to a length, with their units."""
        width = "scale" if self.parameters.tailed else "sd"
        units = {name: f", {unit}" for name, unit in self.units.items() if unit}
        named = (f"{name:.{longest}}{units.get(name, '')} ({width})" for name in self.features)
        return ["cluster", "weight", *named]

    @property
    def clusters(self) -> list[Any]:
        """The names of the clusters, or their numbers from 1."""
        return cluster_names(len(self.weights), self.resolved.cluster_names).tolist()

    def _repr_html_(self) -> str:
        kind = "maximum likelihood" if self.log_posterior is None else "posterior mode (MAP)"
        good = self.status.converged and not self.flagged
        return card(
            f"{self.spec.n_components} clusters, {self.resolved.structure.label}, by {kind}",
            badge=(self.status.value, good),
            columns=self._head(longest=40),
            rows=self._cells(),
            sentences=[*self._headline()[1:]],
        )

    def __repr__(self) -> str:
        """Show the model, the criteria, how the fit was found, and each cluster."""
        return "\n".join([*self._headline(), "", *self._table()])

    def _headline(self) -> list[str]:
        resolved, own = self.resolved, self.optima
        kind = "maximum likelihood" if self.log_posterior is None else "posterior mode (MAP)"
        regular = [optimum for optimum in own if not optimum.flagged]
        starts = sum(optimum.count for optimum in own) + self.n_collapsed
        found = f"reached by {regular[0].count} of {starts} starts" if regular else "no regular fit"
        if self.log_posterior is None:
            figures = (
                f"log likelihood {self.log_likelihood:.3f}, {self.n_parameters} parameters, "
                f"AIC {self.aic:.3f}, BIC {self.bic:.3f}, ICL {self.icl:.3f}"
            )
        else:
            figures = (
                f"log posterior {self.log_posterior:.3f}, log likelihood "
                f"{self.log_likelihood:.3f}, {self.n_parameters} parameters"
            )
        collapsed = "1 start" if self.n_collapsed == 1 else f"{self.n_collapsed} starts"
        return [
            f"PointFit: {kind}, K = {resolved.n_components}, {resolved.structure.label}, "
            f"{self.n_obs} rows, {plural(resolved.n_features, 'feature')}",
            figures,
            *self._beside(),
            f"{self.status.value}, in {self.n_iter} iterations; {found}; {len(own)} distinct "
            f"{'optimum' if len(own) == 1 else 'optima'}, {len(own) - len(regular)} of them by "
            f"chance; {collapsed} collapsed",
            *self._higher(),
        ]

    def _beside(self) -> list[str]:
        """Say what tails, contamination and noise came out as."""
        nu, noise, said = self.parameters.nu, self.parameters.noise, []
        if self.parameters.inflation is not None and self.parameters.good_share is not None:
            good, times = float(self.parameters.good_share), float(self.parameters.inflation)
            said.append(
                f"contaminated components: share of good rows {good:.3f}, covariance of the others "
                f"{times:.4g} times as large"
            )
        if nu is not None:
            alike = bool((nu == nu[0]).all())
            listed = ", ".join(f"{value:.4g}" for value in (nu[:1] if alike else nu))
            largest = " (the largest allowed)" if nu.max() > _AT_BOUND * LARGEST_NU else ""
            said.append(f"t components, degrees of freedom {listed}{largest}")
        if noise is not None:
            said.append(f"noise: weight {float(noise):.3f}, in no cluster")
        return ["; ".join(said)] if said else []

    def _higher(self) -> list[str]:
        """Say which higher optimum is set aside, and why."""
        above, resolved = self.set_aside, self.resolved
        if not above:
            return []
        best, objective = above[0].parameters, above[0].objective
        k = slimmest(best, resolved.structure, self.n_obs)
        kind = "log likelihood" if self.log_posterior is None else "log posterior"
        optima = "1 higher solution" if len(above) == 1 else f"{len(above)} higher solutions"
        return [
            f"set aside: {optima}, the best at {kind} {objective:.3f}; its component of "
            f"{best.weights[k] * self.n_obs:.1f} rows is as narrow as chance makes some"
        ]

    def _table(self) -> list[str]:
        header = self._head(longest=20)
        rows = self._cells()
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        return [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in (header, *rows)
        ]

    def _cells(self) -> list[list[str]]:
        """Return what is shown of each cluster: its name, its weight, mean and sd a feature."""
        deviations = np.sqrt(np.einsum("kdd->kd", self.covariances))
        return [
            [
                str(name),
                f"{weight:.3f}",
                *(f"{m:.5g} ({s:.3g})" for m, s in zip(mean, deviation, strict=True)),
            ]
            for name, weight, mean, deviation in zip(
                self.clusters, self.weights, self.means, deviations, strict=True
            )
        ]
