"""The section on what the priors do to the answer."""

from typing import Any

from bayesgmm.limits import PRIOR_MATTERS
from bayesgmm.report.document import Block, Section, Table, Text
from bayesgmm.report.subject import Subject

__all__ = ["prior_checks"]

_BY_FULL = (
    "The choice of K and the estimates under other priors and other recording steps need new "
    "runs, which --full makes (bayesgmm.robustness); this analysis was run without it."
)


def prior_checks(subject: Subject) -> Section:
    """Show how sensitive the answer is to the priors."""
    blocks = _power_scaling(subject)
    if subject.robustness is None:
        blocks.append(Text(_BY_FULL))
    return Section("prior", "Sensitivity to the priors", tuple(blocks))


def _power_scaling(subject: Subject) -> list[Block]:
    tree = subject.posterior
    if not subject.named or subject.resolved is None:
        return [Text("Sensitivity to the prior is given only for parameters that are identified.")]
    if "log_likelihood" not in tree or "log_prior" not in tree:
        return [
            Text(
                "Sensitivity to the prior is not given: the log likelihood of each row was not "
                "stored (log_likelihood=False)."
            )
        ]
    if subject.prior_weight is None:
        return [Text("Sensitivity to the prior is not given for a survey's pseudo-posterior.")]
    frame = subject.prior_weight
    rows = tuple(
        (str(name), f"{row['prior']:.3f}", f"{row['likelihood']:.3f}", _diagnosis(row["diagnosis"]))
        for name, row in frame.iterrows()
    )
    caption = (
        "Sensitivity to the prior by power scaling (Kallioinen et al. 2024): how much the "
        "posterior moves when prior or likelihood is raised to a power near 1. Above "
        f"{PRIOR_MATTERS} in the first column the prior matters."
    )
    return [
        Table(caption, ("parameter", "prior", "likelihood", "reading"), rows, words=(3,)),
    ]


def _diagnosis(value: Any) -> str:
    return "the prior hardly matters" if str(value) in ("✓", "-") else str(value)
