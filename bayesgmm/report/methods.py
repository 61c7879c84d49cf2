"""The section on methods: a paragraph to paste, how to cite, and the literature."""

from importlib.metadata import version

from bayesgmm.criterion import CRITERIA
from bayesgmm.limits import ELPD_ERRORS, ESS, R_HAT, SMALL_DIFFERENCE
from bayesgmm.report.document import Block, Code, Facts, Section, Text
from bayesgmm.report.family_words import distributions
from bayesgmm.report.references import bibliography, references
from bayesgmm.report.subject import Subject

__all__ = ["methods"]

_OWN = "The bayesgmm developers. bayesgmm: Gaussian mixtures with honest uncertainty"
_SAMPLERS = {
    "nuts": "the No-U-Turn sampler",
    "smc": "sequential Monte Carlo",
    "importance": "importance sampling at the posterior modes",
}


def methods(subject: Subject) -> Section:
    """Write what a paper's section on methods needs, and what it cites."""
    blocks: list[Block] = [
        Facts(
            (
                ("Text to adapt for a paper", " ".join(_sentences(subject))),
                ("How to cite", f"{_OWN}, version {version('bayesgmm')}."),
            )
        ),
        Text("The methods used here are those of:"),
        *(Text(reference.text) for reference in references(subject)),
        Text(
            "The same as BibTeX: in references.bib beside this report, where `bayesgmm run` or "
            "`compare` wrote it; on screen it follows."
        ),
        Code(bibliography(subject).rstrip(), printed=False),
    ]
    return Section("methods", "Methods and references", tuple(blocks))


def _sentences(subject: Subject) -> list[str]:
    return [
        _model(subject),
        *_priors(subject),
        _sampling(subject),
        *_choice(subject),
        _end(subject),
    ]


def _model(subject: Subject) -> str:
    rows, features = subject.n_obs, len(subject.features)
    what = f"{rows} rows of {features} {'variable' if features == 1 else 'variables'}"
    resolved = subject.resolved
    if resolved is None:
        return f"We modelled {what} by a mixture model of our own, written in PyMC."
    return (
        f"We modelled {what} by mixtures of {distributions(resolved)} with covariance structure "
        f"“{resolved.structure.name}”"
        + (f" ({resolved.structure.mclust} in mclust)" if resolved.structure.mclust else "")
        + "; component memberships were marginalised out."
    )


def _priors(subject: Subject) -> list[str]:
    resolved = subject.resolved
    if resolved is None:
        return []
    priors = resolved.spec.priors
    relative = priors.units == "relative"
    unit = " sample standard deviations" if relative else " (data units)"
    factors = resolved.structure.has_loadings
    told = [
        f"The weights had a Dirichlet prior with concentration {_number(priors.concentration)}, "
        f"the means normal priors with scale {_number(priors.mean_scale)}{unit}, the "
        f"{'unique ' if factors else ''}scales a "
        f"{_FAMILIES[priors.scale_family]} prior with {_number(priors.scale)}{unit}"
    ]
    if factors:
        told.append(", the loadings normal priors before any rotation, of the same scale")
    if resolved.has_correlation_matrices:
        told.append(f", the correlation matrices an LKJ({priors.eta:g}) prior")
    error = (
        " Each component included the recording error of the data."
        if resolved.resolution.any()
        else ""
    )
    return ["".join(told) + f".{error}"]


_FAMILIES = {
    "lognormal": "log-normal",
    "halfnormal": "half-normal",
    "inverse_gamma": "inverse gamma (on variances)",
}


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "as tabulated"


def _sampling(subject: Subject) -> str:
    sampler = subject.sampler
    chains, draws = subject.draws.shape
    method = _SAMPLERS.get(str(sampler.get("method")), "a sampler of our own")
    tune = f" after {sampler['tune']} draws of warm-up" if "tune" in sampler else ""
    seed = "" if subject.seed is None else f", seed {subject.seed}"
    longer = subject.extension
    continued = (
        f" Each chain was then continued for {draws} draws, which alone were used, by independent "
        "proposals from Gaussians fitted to the run, accepted by the Metropolis-Hastings rule, and "
        "Gibbs sweeps."
        if "accepted" in longer
        else ""
    )
    first = sampler.get("draws", draws) if continued else draws
    return (
        f"We drew {chains} chains of {first} draws{tune} by {method} with bayesgmm "
        f"{version('bayesgmm')}{seed}.{continued} Convergence was judged by rank-normalised R-hat "
        f"(at most {R_HAT}), bulk and tail effective sample sizes (at least {ESS:.0f}), "
        f"divergences and energy; the run {'passed' if subject.verdict.ok else 'did not pass'}."
    )


def _choice(subject: Subject) -> list[str]:
    comparison, choice = subject.comparison, subject.choice
    if comparison is None or choice is None:
        return []
    numbers = ", ".join(comparison.numbers[spec] for spec in comparison.models)
    words = CRITERIA[subject.criterion].words
    rule = (
        f", taking the smallest K within {SMALL_DIFFERENCE:g} nats or {ELPD_ERRORS:g} standard "
        "errors of the best"
        if subject.criterion in ("loo", "waic")
        else ""
    )
    return [f"K = {numbers} were compared by {words}{rule}; K = {subject.number} was chosen."]


def _end(subject: Subject) -> str:
    return f"Intervals are equal-tailed and hold {subject.interval} posterior probability."
