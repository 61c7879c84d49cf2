"""What a reader must know before the result: what speaks against relying on it."""

from bayesgmm.comparison import Comparison
from bayesgmm.criterion import BY_ELPD, CRITERIA
from bayesgmm.data.columns import plural
from bayesgmm.limits import PARETO_K, PREDICTIVE_P
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.report.document import Notice
from bayesgmm.report.subject import Subject

__all__ = ["cautions"]

_CONFLICT = "conflict"
_LISTED = 4


def cautions(subject: Subject) -> Notice | None:
    """Return the warnings, each with where to look; None where there are none."""
    lines = [*_by_choice(subject), *_left_out(subject), *_by_prior(subject), *_by_data(subject)]
    if not lines:
        return None
    return Notice("limited", f"Read first: {plural(len(lines), 'warning')}", tuple(lines))


def _by_choice(subject: Subject) -> list[str]:
    """Warn where the scan ended at the K that is chosen, or that the criterion puts first."""
    comparison, choice = subject.comparison, subject.choice
    if comparison is None or choice is None:
        return []
    largest = max(spec.n_components for spec in comparison.models)
    if largest == min(spec.n_components for spec in comparison.models):
        return []
    best = comparison.best.get(subject.criterion, choice.model)
    words = CRITERIA[subject.criterion].words
    if choice.k == largest:
        return [f"K = {largest}, the largest compared, is chosen: a larger K may be better."]
    if best.n_components == largest:
        return [
            f"By {words}, K = {largest}, the largest compared, has the best value: the scan may "
            "have ended too early."
        ]
    return []


def _left_out(subject: Subject) -> list[str]:
    """Warn where models that are ahead of the chosen one do not count."""
    comparison, choice = subject.comparison, subject.choice
    if comparison is None or choice is None:
        return []
    facts, models = CRITERIA[subject.criterion], comparison.models
    values = comparison.table[facts.column].to_numpy(dtype=float)
    losses = -values if facts.larger_is_better else values
    chosen = losses[models.index(choice.model)]
    behind = comparison.table["n_bad_pareto"].to_numpy(dtype=float) > 0.0
    by_elpd = subject.criterion in BY_ELPD
    ahead = [
        spec
        for spec, loss, bad in zip(models, losses, behind, strict=True)
        if loss < chosen and (not _converged(comparison, spec) or (by_elpd and bad))
    ]
    if not ahead:
        return []
    listed = ", ".join(comparison.numbers[spec] for spec in ahead)
    why = "the draws did not pass the checks"
    if by_elpd:
        why += f", or rows with Pareto k above {PARETO_K} are left"
    verb = "is" if len(ahead) == 1 else "are"
    return [f"K = {listed} {verb} ahead by {facts.words} but excluded: {why}."]


def _converged(comparison: Comparison, spec: MixtureSpec) -> bool:
    verdict = comparison.verdicts.get(spec)
    return verdict is not None and verdict.ok


def _by_prior(subject: Subject) -> list[str]:
    """Warn where prior and data disagree about a parameter."""
    frame = subject.prior_weight if subject.verdict.ok else None
    if frame is None:
        return []
    told = frame["diagnosis"].astype(str)
    names = [str(name) for name in frame.index[told.str.contains(_CONFLICT)]]
    if not names:
        return []
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return [
        f"Prior-data conflict: prior and data disagree about {', '.join(names[:_LISTED])}{more} "
        "(section on sensitivity to the priors)."
    ]


def _by_data(subject: Subject) -> list[str]:
    """Warn where data sets drawn from the posterior are not like the data."""
    if not (subject.gaussian and subject.verdict.ok):
        return []
    found = subject.discrepancies
    missed = [each for each in found if min(each.p, 1.0 - each.p) < PREDICTIVE_P]
    if not missed:
        return []
    listed = ", ".join(
        f"{each.name} (p {'' if each.shown_p[0] in '<>' else '= '}{each.shown_p})"
        for each in missed[:_LISTED]
    )
    more = f" and {len(missed) - _LISTED} more" if len(missed) > _LISTED else ""
    return [
        f"The model misses {plural(len(missed), 'statistic')} of the data, of {len(found)} "
        f"checked: {listed}{more}."
    ]
