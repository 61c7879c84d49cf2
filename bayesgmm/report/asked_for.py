"""What only the analyst knows: told where it was given, asked for by name where not."""

from bayesgmm.report.subject import Subject

__all__ = ["asked_for", "lacking"]

_WHAT = {
    "author": "who made the analysis",
    "date": "when it was made",
    "aims": "what the analysis is to decide or describe",
    "why_bayesian": "why the analysis is Bayesian",
    "design": "how rows were sampled, included and excluded, and why there are so many",
    "priors": "why these priors, where they are not the defaults",
    "missing": "how cells came to be missing",
    "interpretation": "what the clusters mean, and whether the estimates make sense",
    "limitations": "limitations of data and design",
    "availability": "where data and code can be had",
}


def asked_for(subject: Subject, name: str) -> str:
    """Return what [about] says under a name, or a request for it."""
    given = subject.about.get(name)
    return str(given) if given else f"Not stated: {_WHAT[name]} ({name} in [about])."


def lacking(subject: Subject) -> list[str]:
    """Return what is asked for and was not given, by name."""
    needed = dict(_WHAT)
    if not subject.has_missing:
        del needed["missing"]
    return [f"{name} ({what})" for name, what in needed.items() if not subject.about.get(name)]
