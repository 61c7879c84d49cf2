"""The section on what the analysis cannot say."""

from bayesgmm.limits import FEW_ROWS
from bayesgmm.report.asked_for import asked_for
from bayesgmm.report.document import Section, Text
from bayesgmm.report.subject import Subject

__all__ = ["limitations"]


def limitations(subject: Subject) -> Section:
    """Say what the answer rests on that the data cannot show."""
    texts = [
        "Rows are taken as independent draws from one population. Repeated measurements, clustered "
        "samples and series in time have more uncertainty than is given here.",
    ]
    if subject.gaussian:
        texts.append(_shape(subject))
    if subject.choice is not None:
        texts.append(
            f"Estimates and memberships are those given K = {subject.number}. Their intervals do "
            "not include the uncertainty of K, which is stated with the choice."
        )
    resolved = subject.resolved
    if resolved is not None and resolved.spec.priors.units == "relative":
        texts.append(
            "The default priors take their centre and spread from the data, once; they are weakly "
            "informative conventions, not knowledge of the subject."
        )
    if subject.has_missing:
        texts.append("Cells are taken as missing at random, which the data cannot show.")
    if subject.n_obs < FEW_ROWS:
        texts.append(
            f"With {subject.n_obs} rows the choice of K and the criteria behind it are uncertain "
            "themselves."
        )
    texts.append(asked_for(subject, "limitations"))
    return Section("limitations", "Limitations", tuple(Text(text) for text in texts))


def _shape(subject: Subject) -> str:
    if subject.draws.parameters.tailed:
        return (
            "Clusters are taken as symmetric with elliptical contours. A skew or curved group of "
            "rows may need several components: K counts components, not groups of the subject."
        )
    return (
        "Clusters are taken as Gaussian. A skew, curved or heavy-tailed group of rows may need "
        "several components: K counts components, not groups of the subject."
    )
