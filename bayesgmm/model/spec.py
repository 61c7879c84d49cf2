"""What is to be fitted: the mixture's specification and its priors."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
)
from pydantic.dataclasses import dataclass

from bayesgmm.advice import Advice, Option
from bayesgmm.arguments import check_count
from bayesgmm.errors import ConfigError
from bayesgmm.model.checked import Checked, raises_config_error
from bayesgmm.model.components.structure import Structure
from bayesgmm.model.components.structures import (
    SAMPLED,
    STRUCTURES,
    WITH_FACTORS,
    Covariance,
    structure_of,
)
from bayesgmm.model.numeric_types import (
    Count,
    Degrees,
    Finite,
    FiniteRows,
    NonNegative,
    Positive,
    PositiveRows,
    Real,
)

__all__ = [
    "COVARIANCES",
    "FITTED_COVARIANCES",
    "MCLUST_NAMES",
    "Covariance",
    "MixtureSpec",
    "NamedCovariance",
    "Priors",
    "as_spec",
    "is_by_cluster",
    "kind_in_words",
    "our_name",
]

ScaleFamily = Literal["lognormal", "halfnormal", "inverse_gamma"]
Family = Literal["normal", "t", "contaminated"]
Units = Literal["relative", "data"]
_OF_INVERSE_GAMMA = ("scale_shape", "scale_rate", "hyper_shape", "hyper_rate")


_CONFIG: Any = {"extra": "forbid"}

COVARIANCES: tuple[str, ...] = SAMPLED
FITTED_COVARIANCES: tuple[str, ...] = tuple(s for s in STRUCTURES if s not in WITH_FACTORS)
MCLUST_NAMES = {STRUCTURES[name].mclust: name for name in SAMPLED if STRUCTURES[name].mclust}


def our_name(covariance: Any) -> Any:
    """Return our name of a covariance structure that mclust names; any other value as it is.

    Examples
    --------
    >>> our_name("VVI"), our_name("tied")
    ('diag', 'tied')
    """
    names = {**MCLUST_NAMES, "UUU": "factor"}
    return names.get(covariance, covariance) if isinstance(covariance, str) else covariance


NamedCovariance = Annotated[Covariance, BeforeValidator(our_name)]


def is_by_cluster(value: Any) -> bool:
    """Whether a prior's numbers are rows, one per cluster."""
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], tuple)


@raises_config_error
@dataclass(frozen=True, repr=False, config=_CONFIG)
class Priors(Checked):
    """Priors of a Gaussian mixture.

    A tuple of numbers is one per feature, a tuple of tuples one row per cluster. Clusters with
    equal rows and concentrations are exchangeable; the others are told apart by the prior, and keep
    their places.

    Parameters
    ----------
    concentration : float or tuple of float
        Dirichlet concentration of the weights; one number, or one per cluster.
    mean_location : float, tuple of float, tuple of tuple of float or None
        Centre of the Normal prior of the means. ``units="relative"``: an offset from the feature's
        mean in its standard deviations; ``units="data"``: a value. None is the feature's mean.
    mean_scale : float, tuple of float or tuple of tuple of float
        Standard deviation of the Normal prior of the means.
    scale_family : {"lognormal", "halfnormal", "inverse_gamma"}
        Family of the prior of the scales (standard deviations) of a component. With
        "inverse_gamma", for one feature, a component's variance is inverse gamma: its precision
        1 / s^2 ~ Gamma(`scale_shape`, rate beta).
    scale : float, tuple of float or tuple of tuple of float
        The log-normal's median or the half-normal's scale. Rows (of one number for the spherical
        structures) only where clusters have scales of their own.
    scale_sigma : float
        Standard deviation of the logarithm of a scale (log-normal family only).
    scale_shape : float
        Shape of the Gamma prior of the precisions (inverse gamma only, as all that follow).
    scale_rate : float or None
        Its rate beta, a variance. None: beta is unknown, one number for all components, and has
        the prior Gamma(`hyper_shape`, rate `hyper_rate`), over which the model's density is
        integrated (Richardson and Green 1997).
    hyper_shape, hyper_rate : float
        Shape and rate of the prior of beta; the rate is one over a variance. The default is that
        of Richardson and Green, 10 / R^2, where the range R of the data is 5 standard deviations.
    eta : float
        Shape of the LKJ prior of the correlation matrices (Lewandowski, Kurowicka and Joe 2009).
        The more features, the less one correlation may be: eta = 2 holds each within 0.81 of 0 with
        95 % where there are two, and within 0.40 where there are 20.
    eta_interval : float or None
        In the place of `eta`: how far from 0 each correlation may be with 95 %.
    nu_shape, nu_rate : float
        Of the prior of unknown degrees of freedom of t components, Gamma(`nu_shape`, rate
        `nu_rate`) cut to values above 1 (Juarez and Steel 2010).
    units : {"relative", "data"}
        Whether mean_scale and scale are multiples of a feature's standard deviation or values, and
        scale_rate and hyper_rate of its variance and of one over it.

    Raises
    ------
    ConfigError
        For a value out of range, or one that the family of the scales does not have.

    References
    ----------
    Richardson and Green (1997), JRSS B 59:731 (the rate's own prior). Juarez and Steel (2010),
    Journal of Business and Economic Statistics 28:52 (degrees of freedom).

    Examples
    --------
    >>> Priors(eta=1.0).to_dict()["scale_family"]
    'lognormal'
    >>> Priors(mean_location=((9.0,), (0.0,)), units="data").mean_location  # two clusters
    ((9.0,), (0.0,))
    >>> Priors(scale_family="inverse_gamma", scale_shape=3.0, scale_rate=20.0, units="data")
    Priors(scale_family='inverse_gamma', scale_shape=3.0, scale_rate=20.0, units='data')
    """

    concentration: Positive | tuple[Positive, ...] = 1.0
    mean_location: Finite | tuple[Finite, ...] | FiniteRows | None = None
    mean_scale: Positive | tuple[Positive, ...] | PositiveRows = 2.0
    scale_family: ScaleFamily = "lognormal"
    scale: Positive | tuple[Positive, ...] | PositiveRows = 0.5
    scale_sigma: Positive = 0.8
    scale_shape: Positive = 2.0
    scale_rate: Positive | None = None
    hyper_shape: Positive = 0.2
    hyper_rate: Positive = 0.4
    eta: Positive = 2.0
    eta_interval: Annotated[float, Real, Field(gt=0, lt=1)] | None = None
    nu_shape: Positive = 2.0
    nu_rate: Positive = 0.1
    units: Units = "relative"

    @field_validator("scale", "scale_sigma", *_OF_INVERSE_GAMMA)
    @classmethod
    def _has_an_effect(cls, value: Any, given: ValidationInfo) -> Any:
        """Refuse a number of another family of scales, or of a rate that is known."""
        name, family = str(given.field_name), given.data.get("scale_family")
        usual = {each.name: each.default for each in fields(cls)}
        if family is None or value == usual[name]:
            return value
        if (family == "inverse_gamma") != (name in _OF_INVERSE_GAMMA):
            raise ValueError(f"has no effect on {family} scales; leave it out")
        if name.startswith("hyper") and given.data.get("scale_rate") is not None:
            raise ValueError("has no effect where scale_rate is given; leave it out")
        return value

    @field_validator("eta_interval")
    @classmethod
    def _in_place_of_eta(cls, value: Any, given: ValidationInfo) -> Any:
        """Refuse an interval beside a shape."""
        usual = {each.name: each.default for each in fields(cls)}
        if value is not None and given.data.get("eta", usual["eta"]) != usual["eta"]:
            raise ValueError("and eta set the same prior; give one of them")
        return value

    def _has(self, name: str) -> bool:
        if name == "eta" and self.eta_interval is not None:
            return False
        inverse_gamma = self.scale_family == "inverse_gamma"
        others = ("scale", "scale_sigma") if inverse_gamma else _OF_INVERSE_GAMMA
        if name in others or (name.startswith("hyper") and self.scale_rate is not None):
            return False
        return super()._has(name) and (name != "scale_sigma" or self.scale_family == "lognormal")

    @property
    def by_cluster(self) -> tuple[str, ...]:
        """Names of the priors that are given cluster by cluster."""
        rows = ("mean_location", "mean_scale", "scale")
        given = tuple(name for name in rows if is_by_cluster(getattr(self, name)))
        return (*(("concentration",) if isinstance(self.concentration, tuple) else ()), *given)


@raises_config_error
@dataclass(frozen=True, repr=False, config=_CONFIG)
class MixtureSpec(Checked):
    """A Gaussian mixture model: how many components, which covariance structure, which priors.

    Parameters
    ----------
    n_components : int
        Number of components K, at least 1.
    covariance : {"full", "tied", "diag", "spherical", "tied_diag", "tied_spherical", \
            "shared_correlations", "shared_scales"}
        Which of scales and correlations exist, and which are shared by all clusters. mclust's
        names, VVV, EEE, VVI, VII, EEI and EII, are taken too, and become ours. Its other eight
        (VEI, EVI, VEE, EVE, VVE, EEV, VEV, EVV) are fitted by maximum likelihood only. "factor"
        are factor-analytic components, for many features; "UUC", "UCU", "UCC", "CUU", "CUC", "CCU"
        and "CCC", pgmm's names, share loadings, unique scales between clusters, or these between
        features (C in the first, second and third place; "factor" is UUU).
    n_factors : int or None
        Number of factors of such a structure, from 1 to the number of features.
    priors : Priors
        The priors; the defaults are scaled by the data.
    resolution : "auto", float or tuple of float
        Recording step of the data. "auto" takes the smallest gap between distinct values of each
        feature that has ties, else 0. 0 treats the recorded values as exact.
    labels_inform_weights : bool
        Whether known labels are part of the random sample, so that they say how frequent their
        clusters are. False where labelled rows were selected for their labels: these then say what
        their clusters are like, and nothing of the weights.
    family : {"normal", "t", "contaminated"}
        The density of a cluster: Gaussian; Student's t, whose tails hold rows that lie far out; or
        two Gaussians about one mean, that of the good rows and one `inflation` times as wide in
        squares, with one `good_share` and one inflation for all clusters. Scales, correlations and
        covariances of t are those of its scale matrix, to which the recording error is added too
        (an approximation); of contaminated clusters, those of the good rows.
    nu : "shared", "own" or float
        Degrees of freedom of t clusters, above 1: one unknown number for all, one per cluster, or a
        number that is known.
    noise : "uniform" or None
        Rows that belong to no cluster lie anywhere in the box of the data. `n_components` does not
        count the noise, and its weight is none of the clusters'.
    noise_concentration : float
        Of the noise in the Dirichlet prior of (its weight, the clusters' weights).

    Raises
    ------
    ConfigError
        For a value out of range.

    Examples
    --------
    >>> MixtureSpec(3, covariance="EEE").covariance
    'tied'
    """

    other_names: ClassVar[Mapping[str, tuple[str, ...]]] = {"covariance": (*MCLUST_NAMES, "UUU")}

    n_components: Count
    covariance: NamedCovariance = "full"
    priors: Priors = Priors()
    resolution: Literal["auto"] | NonNegative | tuple[NonNegative, ...] = "auto"
    labels_inform_weights: StrictBool = True
    family: Family = "normal"
    nu: Degrees = "shared"
    noise: Literal["uniform"] | None = None
    noise_concentration: Positive = 1.0
    n_factors: Annotated[Count | None, Field(validate_default=True)] = None

    @property
    def structure(self) -> Structure:
        """The covariance structure."""
        return structure_of(self.covariance, self.n_factors)

    def n_parameters(self, n_features: int) -> int:
        """Count the free parameters of the model.

        Examples
        --------
        >>> MixtureSpec(2, family="t").n_parameters(2)
        12
        """
        n_features = check_count("n_features", n_features)
        found = self.structure.n_parameters(self.n_components, n_features)
        return found + self._n_beside()

    def n_coordinates(self, n_features: int) -> int:
        """Count the unconstrained coordinates of the posterior; see `build_model`."""
        n_features = check_count("n_features", n_features)
        return self.structure.n_coordinates(self.n_components, n_features) + self._n_beside()

    def _n_beside(self) -> int:
        """Count the parameters of families and noise."""
        of_t = {"shared": 1, "own": self.n_components}.get(str(self.nu), 0)
        of_family = {"normal": 0, "t": of_t, "contaminated": 2}
        return (self.noise is not None) + of_family[self.family]

    @property
    def has_correlations(self) -> bool:
        """Whether clusters have correlation matrices of which every entry is free."""
        return self.structure.has_free_correlations

    @property
    def family_words(self) -> str:
        """The family of the components in words, such as "normal" or "t, nu = 5"."""
        if self.family != "t" or self.nu == "shared":
            return str(self.family)
        return "t, own nu" if self.nu == "own" else f"t, nu = {self.nu:g}"

    @property
    def kind(self) -> str:
        """What the model is beside its number of components, in words.

        Examples
        --------
        >>> MixtureSpec(2, family="t", noise="uniform").kind
        'full, t, noise'
        """
        return kind_in_words(self.covariance, self.family_words, self.noise, self.n_factors)

    @field_validator("nu", "noise_concentration")
    @classmethod
    def _has_an_effect(cls, value: Any, given: ValidationInfo) -> Any:
        """Refuse what is said of tails or of a noise that the model does not have."""
        if given.field_name == "nu" and value != "shared" and given.data.get("family") != "t":
            raise ValueError("has an effect with family 't' only")
        of_noise = given.field_name == "noise_concentration" and value != 1.0
        if of_noise and given.data.get("noise") is None:
            raise ValueError("has an effect with noise only")
        return value

    @field_validator("n_factors")
    @classmethod
    def _of_factors(cls, value: Any, given: ValidationInfo) -> Any:
        """Refuse factors of a structure that has none, and an unknown number of factors."""
        covariance = given.data.get("covariance")
        if covariance in WITH_FACTORS and value is None:
            raise ValueError(f"must say how many factors {covariance!r} has")
        if value is not None and covariance not in (*WITH_FACTORS, None):
            raise ValueError("has an effect on factor-analytic covariances only")
        return value


def kind_in_words(covariance: str, family: str, noise: Any, n_factors: Any = None) -> str:
    """Return what a model is beside its number of components, as `MixtureSpec.kind` does."""
    named = covariance if n_factors is None else f"{covariance} q = {n_factors}"
    parts = [named, *([] if family == "normal" else [family])]
    return ", ".join([*parts, *(["noise"] if noise == "uniform" else [])])


def as_spec(spec: "MixtureSpec | int", covariance: Covariance | None = None) -> MixtureSpec:
    """Return the spec itself, or the default spec of that many components and that structure.

    Raises
    ------
    ConfigError
        When it is neither a MixtureSpec nor an integer of at least 1, or a MixtureSpec and a
        structure are given, or the structure is none.
    """
    if not isinstance(spec, MixtureSpec):
        count = check_count("n_components", spec)
        return MixtureSpec(count) if covariance is None else MixtureSpec(count, covariance)
    if covariance is None:
        return spec
    raise ConfigError(
        Advice(
            "a MixtureSpec states its covariance itself: leave ",
            Option("covariance"),
            " out, or give the number of components as spec.",
        ),
        key="covariance",
        value=covariance,
    )
