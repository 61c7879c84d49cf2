"""Numbers of components, covariance structures and families side by side, by BIC."""

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

import pandas as pd

from bayesgmm.advice import shown
from bayesgmm.arguments import check_count, check_texts, seed_of
from bayesgmm.data import Dataset, as_dataset, check_labels
from bayesgmm.errors import ConfigError, DegeneracyWarning, DegenerateFitError
from bayesgmm.fit.em import fit_em
from bayesgmm.fit.information import bic
from bayesgmm.fit.quick_search import Found, is_quick, quick_fits
from bayesgmm.fit.singular import singular_bics
from bayesgmm.fit.stopping import unseen
from bayesgmm.limits import GRID_STARTS
from bayesgmm.model.components import SAMPLED, STRUCTURES, distinct_structure
from bayesgmm.model.several import counts_in, families_in, structures_in, table_by_model
from bayesgmm.model.spec import FITTED_COVARIANCES, Degrees, Family, MixtureSpec
from bayesgmm.runtime.keywords import keywords

__all__ = ["bic_grid"]


@keywords(covariances="covariance")
def bic_grid(
    data: Any,
    n_components: int | Iterable[int] = range(1, 10),
    covariance: str | Sequence[str] = "all",
    *,
    n_factors: int | Sequence[int] | None = None,
    family: Family | Sequence[str] = "normal",
    nu: Degrees = "shared",
    noise: str | None | Sequence[str | None] = None,
    resolution: Any = "auto",
    labels_inform_weights: bool = True,
    columns: Sequence[str] | None = None,
    seed: int | None = None,
    n_starts: int | Literal["auto"] = "auto",
    tol: float = 1e-10,
    max_iter: int = 10_000,
) -> pd.DataFrame:
    """Fit every covariance structure, K and family by maximum likelihood and compare their BIC.

    Structures that are the same model at some K (all that share nothing or everything where
    K = 1, for one) are fitted once there and have the same row under each of their names.

    With ``n_starts="auto"`` plain models (Gaussian, without noise and factors; up to 200,000 rows
    times components times features, in memory, nothing else known of them) are searched together:
    each is started from three hierarchical partitions, the first of them mclust's, from the optimum
    with one component fewer, each component halved in turn, and from the optima of the other
    structures; what promises most is followed. Of more than 30 models only those whose BIC is
    within 10 of the best are then started again, up to 60 times, until the estimated chance that
    one more start ends in a solution not seen before is 5 % or less. The column ``unseen`` tells it
    for every model: where BIC is far from the best it may be large, and `fit_em` may find more.

    Parameters
    ----------
    data : Dataset, array of shape (obs, feature) or frame
    n_components : int or iterable of int
    covariance : str or sequence of str
        Structures of `MixtureSpec`, by our names or mclust's; "all" for all sixteen, or the eight
        that there are with other families and with noise. Structures with factors are not among
        these, and may be named beside: ``["all", "factor"]``.
    n_factors : int, sequence of int or None
        Numbers of factors of the structures that have any ("factor"), each fitted.
    family, nu, noise
        As in `MixtureSpec`, each family one or several, noise "uniform", None or both: every
        structure is fitted with each.
    resolution : "auto", float or tuple of float
        Recording step of the data, as in `MixtureSpec`; 0 is mclust's likelihood.
    labels_inform_weights : bool
        False where labelled rows were selected for their labels; see `MixtureSpec`.
    columns : sequence of str, optional
        The features among the columns of `data`, in this order; all by default.
    seed : int or None
        None draws one. It is kept in ``.attrs["seed"]``.
    n_starts : int or "auto"
        An integer makes each fit that of ``fit_em(data, spec, seed=seed, n_starts=n_starts)``.
        "auto" is the quick search above, and 60 starts for models it does not know.
    tol, max_iter
        As in `fit_em`.

    Returns
    -------
    pandas.DataFrame
        One row per K, structure and family, index K. Columns: covariance, family, noise, n_factors;
        model, the names of the same model; mclust, its mclust name; log_likelihood (nats);
        n_parameters; bic (smaller is better); sbic, BIC for singular models, missing where not all
        smaller K are there; flagged, whether chance explains every solution found (bic is missing
        where every start collapsed); n_collapsed, the number of starts that did; by_chance,
        the number of starts that ended in a solution that chance explains; set_aside, the highest
        log likelihood of such a solution above the fit, missing where there is none; n_starts, the
        starts that were followed to their ends; unseen, the estimated chance that one more ends in
        a solution that none has reached: w (w + 1) / (m (m - 1)) for w solutions in m starts, as if
        these were drawn at random; rank, 1 for the smallest BIC among the models that are not
        flagged, missing for these.
        ``table.pivot(columns="covariance", values="bic")`` is the table of K by structure.

    Raises
    ------
    ConfigError, DataError
        As in `fit_em`, and when there is nothing to compare.

    Warns
    -----
    ConvergenceWarning
        As in `fit_em`.

    References
    ----------
    Fraley and Raftery (2002), J. American Statistical Association 97:611. Boender and Rinnooy Kan
    (1987), Mathematical Programming 37:59: what further starts may find.

    Examples
    --------
    >>> rows = [[0.0, 1.0], [0.4, 0.7], [0.5, 1.4], [5.0, 3.1], [5.1, 4.0], [5.4, 3.5]]
    >>> table = bic_grid(rows, [1, 2], ["tied_diag", "tied_spherical"], seed=1, n_starts=4)
    >>> table.pivot(columns="covariance", values="rank").loc[2].to_dict()
    {'tied_diag': 2.0, 'tied_spherical': 1.0}
    """
    dataset, seed = as_dataset(data, columns), seed_of(seed)
    check_labels(dataset, labels_inform_weights)
    if not (isinstance(n_starts, str) and n_starts == "auto"):
        check_count("n_starts", n_starts)
    sizes = counts_in(n_components, dataset.n_obs)
    one = [covariance] if isinstance(covariance, str) else None
    names = one or check_texts("covariance", covariance)
    everything = "all" in names
    if everything:
        names = [*FITTED_COVARIANCES, *(name for name in names if name != "all")]
    if not sizes or not names:
        raise ConfigError(
            "n_components and covariance must each hold at least one entry, got "
            f"{shown(n_components, 40)} and {shown(covariance, 40)}."
        )
    others = {"resolution": resolution, "labels_inform_weights": labels_inform_weights}
    wanted = list(
        dict.fromkeys(
            MixtureSpec.from_dict({"n_components": k, **structure, **others, **kind})
            for k in sizes
            for kind in families_in(family, noise, nu)
            for structure in structures_in(names, n_factors)
            if not everything or _exists(structure["covariance"], kind)
        )
    )
    models: dict[MixtureSpec, list[MixtureSpec]] = {}
    for spec in wanted:
        distinct: Any = distinct_structure(spec.covariance, spec.n_components, dataset.n_features)
        models.setdefault(replace(spec, covariance=distinct), []).append(spec)
    fits = _fits(dataset, list(models), seed, n_starts, tol, max_iter)
    rows: dict[MixtureSpec, dict[str, Any]] = {}
    for model, specs in models.items():
        row = _row(dataset, model, [spec.kind for spec in specs], fits[model])
        rows |= dict.fromkeys(specs, row)
    singular = singular_bics(
        {spec: rows[spec]["log_likelihood"] for spec in wanted},
        dataset.n_features,
        dataset.n_counted,
    )
    return _table({spec: rows[spec] | {"sbic": singular[spec]} for spec in wanted}, seed)


def _exists(covariance: str, kind: dict[str, Any]) -> bool:
    """Whether a structure that "all" stands for is there with a family, with noise or without."""
    return (
        covariance not in FITTED_COVARIANCES
        or covariance in SAMPLED
        or (kind["family"] == "normal" and kind["noise"] is None)
    )


def _fits(
    data: Dataset,
    models: list[MixtureSpec],
    seed: int,
    n_starts: int | Literal["auto"],
    tol: float,
    max_iter: int,
) -> dict[MixtureSpec, Found]:
    """Fit all models: together where that is known and no number of starts is asked for."""
    quick = [spec for spec in models if n_starts == "auto" and is_quick(data, spec)]
    fits = quick_fits(data, quick, seed=seed, tol=tol, max_iter=max_iter) if quick else {}
    each = GRID_STARTS if n_starts == "auto" else n_starts
    for spec in models:
        if spec not in fits:
            fits[spec] = _fit(
                data, spec, seed, {"n_starts": each, "tol": tol, "max_iter": max_iter}
            )
    return fits


def _fit(data: Dataset, spec: MixtureSpec, seed: int, options: dict[str, Any]) -> Found:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegeneracyWarning)
            fit = fit_em(data, spec, seed=seed, **options)
    except DegenerateFitError:
        n = options["n_starts"]
        return Found(math.nan, True, math.nan, n, n, 0, unseen([n]))
    counts = [optimum.count for optimum in fit.optima]
    unique = spec.n_components == 1 and fit.resolved.gaussian and not spec.structure.has_loadings
    return Found(
        log_likelihood=fit.log_likelihood,
        flagged=fit.flagged,
        set_aside=max((optimum.objective for optimum in fit.set_aside), default=math.nan),
        n_starts=sum(counts) + fit.n_collapsed,
        n_collapsed=fit.n_collapsed,
        n_by_chance=sum(optimum.count for optimum in fit.optima if optimum.flagged),
        unseen=0.0 if unique else unseen([*counts, fit.n_collapsed]),
    )


def _row(data: Dataset, spec: MixtureSpec, names: list[str], found: Found) -> dict[str, Any]:
    n_parameters = spec.n_parameters(data.n_features)
    return {
        "model": " = ".join(names),
        "mclust": STRUCTURES[spec.covariance].mclust,
        "log_likelihood": found.log_likelihood,
        "n_parameters": n_parameters,
        "bic": bic(found.log_likelihood, n_parameters, data.n_counted),
        "flagged": found.flagged,
        "n_collapsed": found.n_collapsed,
        "by_chance": found.n_by_chance,
        "set_aside": found.set_aside,
        "n_starts": found.n_starts,
        "unseen": found.unseen,
    }


def _table(rows: dict[MixtureSpec, dict[str, Any]], seed: int) -> pd.DataFrame:
    table = table_by_model(rows)
    table["rank"] = table["bic"].where(~table["flagged"]).rank(method="dense")
    table.attrs["seed"] = seed
    return table
