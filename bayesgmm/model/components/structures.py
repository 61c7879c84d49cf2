"""The covariance structures that there are; another is one more entry here."""

from dataclasses import replace
from functools import cache
from typing import Literal

from bayesgmm.model.components.structure import Structure
from bayesgmm.model.components.volumes import Belongs, Factors

__all__ = [
    "WITH_FACTORS",
    "SAMPLED",
    "STRUCTURES",
    "Covariance",
    "distinct_structure",
    "structure_of",
]

Covariance = Literal[
    "full",
    "tied",
    "diag",
    "spherical",
    "tied_diag",
    "tied_spherical",
    "shared_correlations",
    "shared_scales",
    "VEI",
    "EVI",
    "VEE",
    "EVE",
    "VVE",
    "EEV",
    "VEV",
    "EVV",
    "factor",
    "UUC",
    "UCU",
    "UCC",
    "CUU",
    "CUC",
    "CCU",
    "CCC",
]

_BY_LETTER: dict[str, Belongs] = {"V": "own", "E": "shared", "I": "none"}
_BY_CONSTRAINT: dict[str, Belongs] = {"U": "own", "C": "shared"}
_IN_WORDS: dict[Belongs, str] = {"own": "own", "shared": "shared", "none": "along the features"}


def _factored(name: str) -> Structure:
    """Return a structure of mclust by the letters of volumes, shapes and axes."""
    volumes, shapes, axes = (_BY_LETTER[letter] for letter in name)
    return Structure(
        *(name, name, "own", "none" if axes == "none" else "own"),
        one_scale=False,
        words=f"Covariances with {_IN_WORDS[volumes]} volumes, {_IN_WORDS[shapes]} shapes and axes "
        f"that are {_IN_WORDS[axes]}.",
        factors=Factors(volumes, shapes, axes),
    )


def _with_factors(name: str, letters: str) -> Structure:
    """Return a factor-analytic structure by pgmm's letters, C where something is shared."""
    loadings, unique = (_BY_CONSTRAINT[letter] for letter in letters[:2])
    isotropic = letters[2] == "C"
    both: Belongs = "shared" if letters[:2] == "CC" else "own"
    each = "feature" if unique == "shared" else "feature and cluster"
    if isotropic:
        each = "model" if unique == "shared" else "cluster"
    whose = "all clusters share" if loadings == "shared" else "each cluster has its own"
    return Structure(
        *(name, "", both, both),
        one_scale=False,
        words="Within a cluster a few factors make the features correlated (factor analysis); "
        f"{whose} loadings, and there is one unique scale per {each}.",
        loadings=loadings,
        unique=unique,
        isotropic=isotropic,
        n_factors=1,
    )


_INDEPENDENT = "features, which are independent within a cluster."
STRUCTURES: dict[str, Structure] = {
    structure.name: structure
    for structure in (
        Structure(
            *("full", "VVV", "own", "own"),
            one_scale=False,
            words="Each cluster has its own scales and its own correlations.",
        ),
        Structure(
            *("tied", "EEE", "shared", "shared"),
            one_scale=False,
            words="All clusters share one set of scales and correlations.",
        ),
        Structure(
            *("diag", "VVI", "own", "none"),
            one_scale=False,
            words="Each cluster has its own scales; within a cluster the features are independent.",
        ),
        Structure(
            *("spherical", "VII", "own", "none"),
            one_scale=True,
            words=f"Each cluster has one scale of its own for all {_INDEPENDENT}",
        ),
        Structure(
            *("tied_diag", "EEI", "shared", "none"),
            one_scale=False,
            words="All clusters share one set of scales; within a cluster the features are "
            "independent.",
        ),
        Structure(
            *("tied_spherical", "EII", "shared", "none"),
            one_scale=True,
            words=f"One scale serves all clusters and {_INDEPENDENT}",
        ),
        Structure(
            *("shared_correlations", "", "own", "shared"),
            one_scale=False,
            words="Each cluster has its own scales; all share one set of correlations.",
        ),
        Structure(
            *("shared_scales", "", "shared", "own"),
            one_scale=False,
            words="All clusters share one set of scales; each has its own correlations.",
        ),
        *map(_factored, ("VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV")),
        _with_factors("factor", "UUU"),
        *(_with_factors(name, name) for name in ("UUC", "UCU", "UCC", "CUU", "CUC", "CCU", "CCC")),
    )
}
WITH_FACTORS = tuple(name for name, structure in STRUCTURES.items() if structure.has_loadings)
SAMPLED = tuple(
    name
    for name, structure in STRUCTURES.items()
    if structure.factors is None and not structure.has_loadings
)


@cache
def structure_of(name: str, n_factors: int | None = None) -> Structure:
    """Return a structure, with so many factors where it has any.

    Examples
    --------
    >>> structure_of("factor", 2).n_parameters(3, 10)
    119
    """
    structure = STRUCTURES[name]
    return structure if n_factors is None else replace(structure, n_factors=n_factors)


def distinct_structure(name: str, n_components: int, n_features: int) -> str:
    """Return the first structure that is the same model at this size.

    With one component nothing differs by sharing; with one feature nothing differs by the
    correlations or by one scale for all.

    Examples
    --------
    >>> distinct_structure("tied_spherical", 1, 2), distinct_structure("diag", 3, 1)
    ('spherical', 'full')
    """
    wanted = STRUCTURES[name]
    if wanted.factors is not None:
        if n_components > 1 and n_features > 1:
            return name
        alike = n_features == 1 and wanted.factors.volumes == "shared"
        wanted = STRUCTURES["tied" if alike else wanted.nearest_sampled]

    if wanted.has_loadings:
        return name if n_components > 1 else "UUC" if wanted.isotropic else "factor"

    def same(other: Structure) -> bool:
        sharing = n_components > 1 and (
            other.scales != wanted.scales
            or (n_features > 1 and other.correlations != wanted.correlations)
        )
        shape = n_features > 1 and (
            other.one_scale != wanted.one_scale
            or (other.correlations == "none") != (wanted.correlations == "none")
        )
        return not sharing and not shape

    return next(other for other in SAMPLED if same(STRUCTURES[other]))
