"""A specification with every prior as a number in the units of the data."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from bayesgmm.model.components import Contamination, Noise, Structure, Tails
from bayesgmm.model.components.loadings import loading_names
from bayesgmm.model.correlation_prior import eta_of
from bayesgmm.model.groups import LabelGroups
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.scale_priors import ScalePrior, scale_prior
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.typing import Array, IntArray

__all__ = ["USUAL_NOISE", "ResolvedSpec"]

_OF_LAYERS = ("inflation", "good_share")
USUAL_NOISE = 0.05  # weight of the noise where a search starts


@dataclass(frozen=True)
class ResolvedSpec:
    """A mixture specification resolved on a data set, and the coordinates in which it is fitted.

    Computed once from the full data and held fixed for every K and every refit.

    Parameters
    ----------
    spec : MixtureSpec
    features : tuple of str
    centre, spread : arrays of shape (feature,), data units
        Mean and standard deviation (n - 1) of each feature.
    resolution : array of shape (feature,), data units
        Standard deviation h of the recording error, 0.4 recording steps; the largest for all
        features of the spherical structures, which are not spherical with unequal ones.
    concentration : array of shape (cluster,)
    mean_location, mean_scale : arrays of shape (feature,) or (cluster, feature), data units
    scale : array of shape (feature,) or (cluster, feature), data units
        Median (log-normal) or scale (half-normal) of the prior of the scales, or the unit of
        `InverseGamma`; one number in place of the features for the spherical structures.
    classes : tuple of str
        Classes that known labels name: those of the first components.
    class_groups : tuple of int
        A number for each class: equal ones where no label tells two apart, and -1 where none names
        it, as for components without a class.
    box : array of shape (2, feature), optional, data units
        Lowest and highest values of the noise's box, where there is noise.
    names : tuple of str
        What the user calls the clusters, in the order of their numbers; empty where they have none.
    pivots : tuple of int
        The features that come first in the order in which loadings are triangular; empty without
        factors.
    """

    spec: MixtureSpec
    features: tuple[str, ...]
    centre: Array
    spread: Array
    resolution: Array
    concentration: Array
    mean_location: Array
    mean_scale: Array
    scale: Array
    classes: tuple[str, ...] = ()
    class_groups: tuple[int, ...] = ()
    box: Array | None = None
    names: tuple[str, ...] = ()
    pivots: tuple[int, ...] = ()

    @cached_property
    def order(self) -> IntArray:
        """The features in the order in which loadings are triangular: (feature,), or none."""
        others = [d for d in range(self.n_features) if d not in self.pivots]
        return np.array([*self.pivots, *others] if self.pivots else [], dtype=np.int64)

    @property
    def has_correlation_matrices(self) -> bool:
        """Whether correlation matrices are parameters, with a prior of their own."""
        return self.structure.has_free_correlations and self.n_features > 1

    @property
    def factor_coords(self) -> dict[str, list[Any]]:
        """Names along factor, and along loading (those below the diagonal); none without them."""
        if not self.structure.has_loadings:
            return {}
        q = self.structure.n_factors
        names = loading_names(self.features, self.order, q)
        return {"factor": list(range(1, q + 1)), "loading": names}

    @property
    def structure(self) -> Structure:
        """The covariance structure."""
        return self.spec.structure

    @property
    def tails(self) -> Tails | None:
        """The degrees of freedom of the components; None where they are Gaussian."""
        spec = self.spec
        if spec.family != "t":
            return None
        return Tails(spec.nu, spec.priors.nu_shape, spec.priors.nu_rate)

    @property
    def contamination(self) -> Contamination | None:
        """The wider rows of each cluster; None where there are none."""
        return Contamination() if self.spec.family == "contaminated" else None

    @cached_property
    def noise(self) -> Noise | None:
        """The noise beside the clusters; None where there is none."""
        if self.box is None:
            return None
        return Noise(self.box[0], self.box[1], self.spec.noise_concentration)

    @property
    def gaussian(self) -> bool:
        """Whether the mixture is one of Gaussians and nothing else."""
        return self.spec.family == "normal" and self.noise is None

    @property
    def n_parts(self) -> int:
        """Number of clusters, and of the noise if there is one: of all weights."""
        return self.n_components + self.n_noises

    @property
    def n_noises(self) -> int:
        """Number of noises beside the clusters: 1 or 0."""
        return 0 if self.noise is None else 1

    @property
    def n_tails(self) -> int:
        """Number of degrees of freedom, known ones too: one for each cluster, or 0."""
        return 0 if self.tails is None else self.n_components

    @property
    def n_layers(self) -> int:
        """Number of Gaussians that a cluster is made of: 2 where it is contaminated."""
        return 1 if self.contamination is None else 2

    @property
    def n_in_tail(self) -> int:
        """Numbers at the end of a point of EM: of degrees of freedom, or of contamination."""
        return self.n_tails if self.contamination is None else 2

    def of_tail(self, tail: Array) -> dict[str, Array]:
        """Return the parameters that the end of a point of EM stands for."""
        if self.contamination is not None and tail.size:
            inflation, good_share = self.contamination.values(tail)
            return {"inflation": inflation, "good_share": good_share}
        return {"nu": np.exp(tail)} if tail.size else {}

    @property
    def usual_tail(self) -> Array:
        """The end of a point of EM where a search starts."""
        if self.contamination is not None:
            return self.contamination.free(*map(np.asarray, self.contamination.usual))
        return np.empty(0) if self.tails is None else np.log(self.tails.given(self.n_components))

    @property
    def n_free_nu(self) -> int:
        """Number of unknown degrees of freedom."""
        return 0 if self.tails is None else self.tails.n_free(self.n_components)

    @property
    def n_parameters(self) -> int:
        """Number of free parameters of the model."""
        return self.spec.n_parameters(self.n_features)

    @property
    def n_coordinates(self) -> int:
        """Number of unconstrained coordinates of the posterior."""
        return self.spec.n_coordinates(self.n_features)

    @property
    def own_blocks(self) -> tuple[str, ...]:
        """Blocks of coordinates that hold an entry for each cluster, weights aside."""
        own_nu = self.tails is not None and self.tails.own
        return (*self.structure.own_blocks, "nu") if own_nu else self.structure.own_blocks

    def completed(self, parameters: Parameters) -> Parameters:
        """Return parameters with usual values of what they say nothing of: noise, tails, layers."""
        if self.noise is not None and parameters.noise is None:
            weights = (1.0 - USUAL_NOISE) * parameters.weights
            noise = np.full(weights.shape[:-1], USUAL_NOISE)
            parameters = parameters._replace(weights=weights, noise=noise)
        if self.tails is not None and parameters.nu is None:
            nu = np.broadcast_to(self.tails.given(self.n_components), parameters.weights.shape)
            parameters = parameters._replace(nu=nu)
        if self.contamination is not None and parameters.inflation is None:
            lead = parameters.weights.shape[:-1]
            usual = (np.full(lead, value) for value in self.contamination.usual)
            parameters = parameters._replace(**dict(zip(_OF_LAYERS, usual, strict=True)))
        return parameters

    @property
    def concentrations(self) -> Array:
        """Dirichlet concentrations of the clusters' weights, then of the noise's: (part,)."""
        if self.noise is None:
            return self.concentration
        return np.append(self.concentration, self.noise.concentration)

    @cached_property
    def eta(self) -> float:
        """The shape of the LKJ prior of the correlations."""
        return eta_of(self.spec.priors, self.n_features)

    @property
    def scale_prior(self) -> ScalePrior:
        """The family of the prior of the scales, whose unit is `scale`."""
        return scale_prior(self.spec.priors)

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return self.spec.n_components

    @property
    def n_features(self) -> int:
        """Number of features D."""
        return len(self.features)

    @property
    def cluster_names(self) -> list[str] | None:
        """Names of the clusters, given or of classes, the others numbered after these; or None."""
        if self.names:
            return list(self.names)
        if not self.classes:
            return None
        return [*self.classes, *map(str, range(len(self.classes) + 1, self.n_components + 1))]

    @cached_property
    def groups(self) -> LabelGroups:
        """The groups of labels that the prior does not tell apart."""
        k = self.n_components
        rows = [
            np.array([*self.class_groups, *[-1] * (k - len(self.classes))])[:, None],
            self.concentration[:, None],
            *self.mean_rows,
            np.broadcast_to(self.scale, (k, self.scale.shape[-1])),
        ]
        return LabelGroups.of_rows(np.concatenate(rows, axis=1))

    @property
    def mean_rows(self) -> tuple[Array, Array]:
        """Location and scale of the prior of every mean (cluster, feature), data units."""
        shape = (self.n_components, self.n_features)
        return np.broadcast_to(self.mean_location, shape), np.broadcast_to(self.mean_scale, shape)

    @property
    def scale_rows(self) -> Array:
        """Median or scale of the prior of the scales (group, feature), data units.

        A group is a cluster, or all that share.
        """
        groups = self.structure.n_scale_sets(self.n_components)
        return np.broadcast_to(self.scale, (groups, self.n_features))

    @property
    def free_scale(self) -> Array:
        """The same for each free scale, in their own shape: shared or scalar axes absent."""
        rows = self.scale_rows[:, : self.structure.scale_width(self.n_features)]
        return rows.reshape(self.structure.scales_shape(self.n_components, self.n_features))

    @property
    def unit(self) -> Array:
        """Unit of the fitting coordinates (feature,): one for all features if spherical."""
        return self.structure.unit(self.spread)

    @property
    def log_unit(self) -> float:
        """Sum of log units: what the log density of a row loses on the way to data units."""
        return float(np.log(self.unit).sum())

    def with_fewer_components(self) -> "ResolvedSpec":
        """Return the same with the last component left out."""
        rows = {
            name: getattr(self, name)[:-1]
            for name in ("mean_location", "mean_scale", "scale")
            if getattr(self, name).ndim == 2
        }
        spec = replace(self.spec, n_components=self.n_components - 1)
        fewer = self.concentration[:-1]
        return replace(self, spec=spec, concentration=fewer, names=(), **rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; `from_dict` reads them."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        arrays = {name: value.tolist() for name, value in given.items() if hasattr(value, "tolist")}
        texts: dict[str, Any] = {"features": list(self.features)}
        if self.classes:
            texts["classes"] = list(self.classes)
            texts["class_groups"] = list(self.class_groups)
        if self.names:
            texts["names"] = list(self.names)
        if self.pivots:
            texts["pivots"] = list(self.pivots)
        return {"spec": self.spec.to_dict(), **texts, **arrays}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ResolvedSpec":
        """Rebuild what `to_dict` gave."""
        arrays = {
            name: np.asarray(value, dtype=float)
            for name, value in values.items()
            if name not in ("spec", "features", "classes", "class_groups", "names", "pivots")
        }
        return cls(
            spec=MixtureSpec.from_dict(values["spec"]),
            features=tuple(values["features"]),
            classes=tuple(values.get("classes", ())),
            class_groups=tuple(values.get("class_groups", ())),
            names=tuple(values.get("names", ())),
            pivots=tuple(values.get("pivots", ())),
            **arrays,
        )
