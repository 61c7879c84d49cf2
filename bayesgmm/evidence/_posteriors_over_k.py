"""The posterior of K and K+ under several priors, side by side from one set of runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bayesgmm.arguments import check_instance
from bayesgmm.errors import ConfigError
from bayesgmm.evidence._posterior_over_k import EvidencesOverK, PosteriorOverK, weigh
from bayesgmm.runtime.keywords import keywords

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PosteriorsOverK", "posteriors_over_k"]

Settings = Mapping[str, Mapping[str, Any]]

_USUAL: Settings = {
    "uniform": {"prior": "uniform"},
    "Poisson": {"prior": "poisson"},
    "geometric": {"prior": "geometric"},
    "beta-negative-binomial, dynamic": {"prior": "beta-negative-binomial", "mixing": "dynamic"},
    "sparse, K = 10": {"prior": 10, "mixing": "sparse"},
}


@dataclass(frozen=True, eq=False, repr=False)
class PosteriorsOverK:
    """What K, and the number of clusters that hold rows, are under several priors.

    Parameters
    ----------
    table : pandas.DataFrame
        p(K): one row per prior, by its name, one column per K; 0 beyond those that hold 1e-6
        together.
    clusters : pandas.DataFrame
        p(K+), one column per number of clusters that hold rows.
    before : pandas.DataFrame
        The same before any row is seen.
    results : dict of str to PosteriorOverK
        Each by itself, with errors and Pareto k.
    refused : dict of str to str
        The priors that the draws do not reach, and why.

    Examples
    --------
    >>> from bayesgmm import compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> over_k = posteriors_over_k(
    ...     compare(rows, [1, 2], draws=200, seed=1), {"flat": {}, "few": {"prior": [0.9, 0.1]}}
    ... )
    >>> over_k.table.sum(axis=1).round(6).tolist()
    [1.0, 1.0]
    """

    table: "pd.DataFrame"
    clusters: "pd.DataFrame"
    before: "pd.DataFrame"
    results: dict[str, PosteriorOverK]
    refused: dict[str, str]

    def __repr__(self) -> str:
        """Show both tables, and what is refused."""
        refused = [f"Not under {name}: {why}" for name, why in self.refused.items()]
        return "\n".join(
            ["p(K)", self.table.round(3).to_string(), "p(K+)", self.clusters.round(3).to_string()]
            + refused
        )


@keywords()
def posteriors_over_k(
    comparison: Any, priors: Settings | None = None, *, seed: int | None = None
) -> PosteriorsOverK:
    """Weigh numbers of components, and of clusters that hold rows, under several priors at once.

    Parameters
    ----------
    comparison : Comparison
    priors : mapping of str to mapping, optional
        By a name of your choice, the arguments of `posterior_over_k`: prior, mixing, gamma, alpha,
        e0. By default four named priors on K, one of them with dynamic weights, and a sparse
        mixture of 10.
    seed : int, optional
        Of the partitions; that of the comparison by default.

    Returns
    -------
    PosteriorsOverK
        A prior that the draws do not reach is in `PosteriorsOverK.refused`.

    Raises
    ------
    ConfigError
        For arguments that `posterior_over_k` does not have, or where it refuses all of the priors.

    Examples
    --------
    >>> from bayesgmm import compare
    >>> rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    >>> over_k = posteriors_over_k(compare(rows, [1, 2], draws=200, seed=1))
    >>> over_k.table.columns[:2].tolist()
    [1, 2]
    """
    settings = _USUAL if priors is None else check_instance("priors", priors, Mapping, "a mapping")
    if not settings:
        raise ConfigError("priors must name at least one prior.", key="priors")
    read = EvidencesOverK(comparison, seed)
    results: dict[str, PosteriorOverK] = {}
    refused: dict[str, str] = {}
    for name, arguments in settings.items():
        given = check_instance(f"priors[{name!r}]", arguments, Mapping, "a mapping of arguments")
        if unknown := set(given) - {"prior", "mixing", "gamma", "alpha", "e0"}:
            raise ConfigError(
                f"priors[{name!r}] has {', '.join(map(repr, unknown))}; posterior_over_k takes "
                "prior, mixing, gamma, alpha and e0.",
                key="priors",
            )
        try:
            results[str(name)] = weigh(read, **given)
        except ConfigError as error:
            if "pareto_k" not in error.details:
                raise
            refused[str(name)] = str(error)
    if not results:
        raise ConfigError(f"no prior is left: {' '.join(refused.values())}", key="priors")
    return PosteriorsOverK(
        table=_side_by_side({name: _by_count(found.table) for name, found in results.items()}),
        clusters=_side_by_side({n: f.clusters["probability"] for n, f in results.items()}),
        before=_side_by_side({n: f.clusters["prior"] for n, f in results.items()}),
        results=results,
        refused=refused,
    )


def _by_count(table: "pd.DataFrame") -> "pd.Series":
    """Return p(K), structures together."""
    return table["probability"].groupby(level=0).sum()


def _side_by_side(rows: Mapping[str, "pd.Series"]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(rows).sort_index().fillna(0.0).T
