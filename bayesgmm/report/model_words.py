"""The section on the model: formulas, words, and each prior in data units."""

import math
from dataclasses import replace

import numpy as np

from bayesgmm.limits import ERROR_PER_STEP
from bayesgmm.model.correlation_prior import correlation_interval
from bayesgmm.model.numbering import cluster_names
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.scale_priors import HalfNormal, InverseGamma, LogNormal, ScalePrior
from bayesgmm.model.spec import Priors
from bayesgmm.plots import prior_posterior, prior_predictive
from bayesgmm.plots.prior_pairs import prior_pairs
from bayesgmm.posterior.tree import attribute
from bayesgmm.report.asked_for import asked_for
from bayesgmm.report.document import Block, Facts, Formula, Section, Table, Text
from bayesgmm.report.family_words import distributions, family_priors, mixture_formula, of_families
from bayesgmm.report.pictures import picture
from bayesgmm.report.subject import Subject
from bayesgmm.sampling.pseudo_posterior import PSEUDO_POSTERIOR
from bayesgmm.summary.numbers import plain, significant
from bayesgmm.typing import Array

__all__ = ["model"]

_DEFAULT_REASONS = (
    (
        "Weights",
        ("concentration",),
        "Concentration 1 is uniform on the simplex: it favours no sizes of clusters.",
    ),
    (
        "Means",
        ("mean_location", "mean_scale", "units"),
        "Two standard deviations of the column around its mean cover the data and more: clusters "
        "may lie anywhere among the data, and are unlikely far outside.",
    ),
    (
        "Scales",
        ("scale_family", "scale", "scale_sigma", "units"),
        "A cluster is narrower than all rows together: half as wide as a first guess, give or take "
        "a factor of 5. The log-normal keeps scales away from 0, where the likelihood has poles.",
    ),
    (
        "Correlations",
        ("eta",),
        "LKJ(2) is nearly flat and falls off towards -1 and 1, where covariances are singular.",
    ),
)
_MANY_FEATURES = 8
_NARROWER = "; with more features each correlation is held closer to 0"

_SURVEY = (
    "The rows have the weights of a survey, scaled to sum to their number. The draws are those of "
    "the pseudo-posterior, in which each row's likelihood is raised to its weight, moved to have "
    "the variance of the weighted estimate (the sandwich H⁻¹ J H⁻¹; Williams and Savitsky 2021). "
    "Rows are taken as drawn independently: strata and clusters of the survey's design are not "
    "accounted for, and there is no evidence, LOO or WAIC."
)


def model(subject: Subject) -> Section:
    """State the model and its priors, and show what they say before the data do."""
    resolved = subject.resolved
    if resolved is None:
        text = (
            "The posterior comes from the analyst's own PyMC model. Its priors are not known here "
            "and must be stated separately."
        )
        return Section("model", "The model", (Text(text),))
    structure = resolved.structure
    blocks: list[Block] = [
        Text(
            f"Each of the n = {subject.n_obs} rows is a draw from a mixture of "
            f"K = {resolved.n_components} {distributions(resolved)} in D = {resolved.n_features} "
            f"{'feature' if resolved.n_features == 1 else 'features'}. Component memberships are "
            "marginalised out."
        ),
        Formula(mixture_formula(resolved)),
        Formula(_covariance(resolved)),
        Text(
            f"The covariance structure is “{structure.name}”"
            f"{f' ({structure.mclust} in mclust)' if structure.mclust else ''}. "
            f"{structure.words}"
        ),
        Text(_symbols(resolved)),
        *of_families(resolved),
        Formula(_formula(resolved)),
    ]
    if resolved.has_correlation_matrices:
        blocks.append(Formula("lkj"))
    if structure.has_loadings:
        blocks.append(Text(_factors(resolved)))
    blocks += [_priors(resolved), *_reasons(subject, resolved)]
    blocks += [Text(_origin(resolved)), Text(_recording(resolved))]
    if resolved.classes:
        blocks.append(Text(_labels(resolved)))
    if subject.draws.source is not None and attribute(subject.draws.tree, PSEUDO_POSTERIOR):
        blocks.append(Text(_SURVEY))
    blocks += _pictures(subject)
    return Section("model", "The model", tuple(blocks))


def _formula(resolved: ResolvedSpec) -> str:
    """Name the formula of the priors of means and scales."""
    family = resolved.scale_prior
    common = isinstance(family, InverseGamma) and family.hyper_shape > 0.0
    return f"{resolved.spec.priors.scale_family}{'_common' if common else ''}"


def _covariance(resolved: ResolvedSpec) -> str:
    """Name the formula of the covariances."""
    if resolved.structure.has_loadings:
        return "covariance_factors"
    correlated = resolved.structure.has_correlations(resolved.n_features)
    return "covariance" if correlated else "covariance_diagonal"


def _factors(resolved: ResolvedSpec) -> str:
    """Say what factors are, which prior loadings have, and what a rotation leaves open."""
    q = resolved.structure.n_factors
    count = "one factor" if q == 1 else f"{q} factors"
    return (
        f"There {'is' if q == 1 else 'are'} {count} in each cluster: Λ are the loadings and s the "
        "unique scales, the standard deviations that the factors do not explain. A rotation of the "
        "factors does not change the density, so the prior of the loadings does not depend on a "
        "rotation, nor on the order of the features. Before they are summarised, the loadings of "
        "the draws are rotated to match one another; they are left out where the draws do not "
        "agree on a factor."
    )


def _symbols(resolved: ResolvedSpec) -> str:
    """Say what the letters of the formulas stand for."""
    correlated = resolved.has_correlation_matrices
    correlations = ", Ω the correlation matrices" if correlated else ""
    return (
        f"Here x is a row, w are the weights, μ the means, s the scales{correlations} and h the "
        "recording error; k counts components and d features. The priors follow, their numbers in "
        "the next table."
    )


def _priors(resolved: ResolvedSpec) -> Table:
    concentration = resolved.concentration
    listed = ", ".join(plain(value) for value in concentration[:6])
    flat = bool(np.all(resolved.concentrations == 1.0))
    rows = [
        (
            "weights",
            f"Dirichlet({listed}{', …' if len(concentration) > 6 else ''}{_of_noise(resolved)})",
            "uniform on the simplex" if flat else "see the formula",
        )
    ]
    rows += _mean_priors(resolved)
    rows += _scale_priors(resolved)
    if resolved.has_correlation_matrices:
        law = f"LKJ({resolved.eta:.4g})"
        rows.append(("correlation matrix", law, _correlation_range(resolved)))
    rows += [*_loading_priors(resolved), *family_priors(resolved)]
    caption = (
        "The priors in the units of the data. Shared parameters have one common prior. "
        f"{_apart(resolved)}"
    )
    return Table(caption, ("parameter", "prior", "what it says"), tuple(rows), words=(1, 2))


def _of_noise(resolved: ResolvedSpec) -> str:
    """Return what the noise adds to the law of the weights."""
    return "" if resolved.noise is None else f"; noise {plain(resolved.noise.concentration)}"


def _apart(resolved: ResolvedSpec) -> str:
    """Say what tells the clusters apart before the data do."""
    if len(resolved.groups.groups) == 1:
        return "All clusters have the same prior, so the prior is exchangeable across labels."
    of_prior = replace(resolved, classes=(), class_groups=()).groups.groups
    if resolved.classes and len(of_prior) == 1:
        alike = _alike(resolved)
        return f"All clusters have the same prior; the labels tell them apart{alike}."
    return f"The prior tells the clusters apart{_alike(resolved)}."


def _alike(resolved: ResolvedSpec) -> str:
    """Name the clusters whose priors are equal all the same."""
    groups = [group for group in resolved.groups.groups if len(group) > 1]
    names = cluster_names(resolved.n_components, resolved.cluster_names)
    named = " and ".join(f"those of {', '.join(map(str, names[[*group]]))}" for group in groups)
    return f", except {named}, which are equal" if groups else ""


def _by_cluster(rows: Array, resolved: ResolvedSpec) -> list[tuple[str, Array]]:
    """Return the rows (cluster, feature) of a prior with their cluster's name; one if all agree."""
    if (rows == rows[:1]).all():
        return [("", rows[0])]
    names = cluster_names(len(rows), resolved.cluster_names)
    return [(f", cluster {name}", row) for name, row in zip(names, rows, strict=True)]


def _mean_priors(resolved: ResolvedSpec) -> list[tuple[str, str, str]]:
    rows = []
    for name, numbers in _by_cluster(np.stack(resolved.mean_rows, axis=-1), resolved):
        for feature, (location, scale) in zip(resolved.features, numbers, strict=True):
            low, high = (significant(location + sign * 1.96 * scale) for sign in (-1, 1))
            law = f"Normal({significant(location)}, sd {significant(scale)})"
            rows.append((f"mean of {feature}{name}", law, f"95 % between {low} and {high}"))
    return rows


def _scale_priors(resolved: ResolvedSpec) -> list[tuple[str, str, str]]:
    structure, rows = resolved.structure, []
    what = "unique scale" if structure.has_loadings else "scale"
    features = structure.scale_names(resolved.features)
    for name, numbers in _by_cluster(resolved.scale_rows[:, : len(features)], resolved):
        for feature, scale in zip(features, numbers, strict=True):
            ends = resolved.scale_prior.marginal(scale).ppf([0.025, 0.975])
            low, high = (significant(end) for end in ends)
            says = f"95 % between {low} and {high}"
            rows.append(
                (f"{what} (sd) of {feature}{name}", _law(resolved.scale_prior, scale), says)
            )
    return rows


def _loading_priors(resolved: ResolvedSpec) -> list[tuple[str, str, str]]:
    structure, rows = resolved.structure, []
    if structure.has_loadings:
        width = math.sqrt(structure.n_factors)
        for name, numbers in _by_cluster(resolved.scale_rows, resolved):
            for feature, scale in zip(resolved.features, numbers / width, strict=True):
                reach = significant(1.96 * scale)
                law = f"Normal(0, sd {significant(scale)})"
                rows.append((f"loading of {feature}{name}", law, f"95 % within ±{reach}"))
    return rows


def _law(family: ScalePrior, scale: float) -> str:
    if isinstance(family, HalfNormal):
        return f"half-normal({significant(scale)})"
    if isinstance(family, LogNormal):
        return f"log-normal(median {significant(scale)}, log sd {family.sigma:g})"
    shape, hyper_shape = family.shapes
    if hyper_shape == 0.0:
        return f"s⁻² ~ Gamma({shape:g}, rate {significant(scale**2)})"
    return (
        f"s⁻² ~ Gamma({shape:g}, rate β), one β for all components, "
        f"β ~ Gamma({hyper_shape:g}, rate {significant(scale**-2)})"
    )


def _correlation_range(resolved: ResolvedSpec) -> str:
    end = significant(correlation_interval(resolved.eta, resolved.n_features), 2)
    few = "" if resolved.n_features < _MANY_FEATURES else _NARROWER
    return f"each correlation 95 % within ±{end} at D = {resolved.n_features}{few}"


def _origin(resolved: ResolvedSpec) -> str:
    if resolved.spec.priors.units == "relative":
        return (
            "These priors use the data: their centres and widths are multiples of the mean and "
            "the standard deviation of each column, computed once from all rows and held fixed "
            "for every K and every refit. They are weakly informative by construction, and they "
            "are not statements made before the data were seen."
        )
    if resolved.spec.priors.mean_location is None:
        return (
            "The widths of these priors were given in data units. The centre of the prior of the "
            "means is the mean of each column, so it does use the data."
        )
    return "All numbers in these priors were given in data units; they do not use the data."


def _recording(resolved: ResolvedSpec) -> str:
    if not resolved.resolution.any():
        return (
            "The recorded values are treated as exact: the recording error h is 0 in every column."
        )
    listed = "; ".join(
        f"{name}: h = {plain(h)} (step {plain(h / ERROR_PER_STEP)})"
        for name, h in zip(resolved.features, resolved.resolution, strict=True)
        if h > 0
    )
    return (
        "Recorded values are rounded, and a density that took them as exact could shrink a "
        "component onto tied rows. Each component therefore carries a recording error with "
        f"standard deviation h, {ERROR_PER_STEP} recording steps, in data units: {listed}."
    )


def _reasons(subject: Subject, resolved: ResolvedSpec) -> list[Block]:
    """Give the reason of each prior: the defaults' own, and the analyst's for others."""
    usual, priors = Priors(), resolved.spec.priors
    reasons = [
        (what, reason)
        for what, names, reason in _DEFAULT_REASONS
        if all(getattr(priors, name) == getattr(usual, name) for name in names)
        and (what != "Correlations" or resolved.has_correlation_matrices)
        and (what != "Weights" or resolved.n_components > 1)
    ]
    if subject.about.get("priors") or priors != usual:
        reasons.append(("Given by the analyst", asked_for(subject, "priors")))
    return [Facts(tuple(reasons))] if reasons else []


def _labels(resolved: ResolvedSpec) -> str:
    known = (
        "For some rows the class is known, or is one of several. Each class has a component of "
        "the same name. "
    )
    if resolved.spec.labels_inform_weights:
        return known + (
            "Labelled rows are taken as part of the random sample: a row of class k has the "
            "likelihood w_k f_k(x), f_k being the density of component k, so that labels inform "
            "the weights."
        )
    return known + (
        "Labelled rows are taken as selected for their labels: a row of class k has the likelihood "
        "f_k(x), f_k being the density of component k, and one of several classes the weighted "
        "mean of their densities. Such rows show what the components are like, and say nothing "
        "about how frequent these classes are."
    )


def _pictures(subject: Subject) -> list[Block]:
    seed = subject.seed
    blocks: list[Block] = [
        picture(
            "prior_predictive",
            prior_predictive(subject.draws, prob=subject.prob, seed=seed, units=subject.units),
            "What the prior alone predicts. The outline is the histogram of the data, the thick "
            "line the prior predictive density, the thin lines the densities at some draws from "
            f"the prior and the band the middle {subject.interval} of such densities. The last "
            "panel is the prior probability of the number of components that hold a row.",
            "Histogram of each column beside the wider density that the prior predicts, and a bar "
            "chart of the number of occupied components under the prior.",
        )
    ]
    if subject.gaussian and len(subject.features) > 1:
        blocks.append(
            picture(
                "prior_pairs",
                prior_pairs(subject.draws, subject.seed, subject.units),
                "What the prior alone predicts of pairs of columns: each point is a row from a "
                "draw of its own from the prior, 98 % of them in view; the data lie among them.",
                "Scatter of rows predicted by the prior with the data on top, pair by pair.",
            )
        )
    if subject.named:
        blocks.append(
            picture(
                "prior_posterior",
                prior_posterior(subject.draws, units=subject.units),
                "Prior against posterior of each parameter. Each density is scaled to its own "
                "peak, so that the prior can be seen beside a much narrower posterior.",
                "Grey marginal prior densities with the coloured posterior histogram of each "
                "cluster for weights, correlations, means and scales.",
            )
        )
    return blocks
