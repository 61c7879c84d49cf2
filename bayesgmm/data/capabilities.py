"""What may be known of rows, and which verbs take it: one table, of which a page is made.

What is not refused here works, with every covariance structure, each by itself and all together; so
do components with the tails of t, and noise, but for `REFUSED_FAMILIES`.
"""

from typing import Any, Literal

from bayesgmm.data.annotations import Annotations
from bayesgmm.data.dataset import Dataset
from bayesgmm.errors import DataError

__all__ = [
    "ANNOTATIONS",
    "AT_MODES",
    "NO_LIKELIHOOD",
    "OWN_MODEL",
    "SMC",
    "REFUSED",
    "ROUTES",
    "VERBS",
    "Annotation",
    "annotations_of",
    "capabilities_page",
    "refusal",
    "require_likelihood_of",
    "require_taken",
]

Annotation = Literal["missing", "frequency", "sampling", "labels", "errors"]

ANNOTATIONS: dict[Annotation, str] = {
    "missing": "missing cells",
    "frequency": "frequency weights",
    "sampling": "a survey's weights",
    "labels": "known labels",
    "errors": "errors of single rows",
}
SMC = "sample, by sequential Monte Carlo"
AT_MODES = "sample, by importance sampling"
OWN_MODEL = "sample, of a user's own model"
VERBS = (
    "fit_em", "fit_map", "bic_grid", "bootstrap_lrt", "build_model",
    "sample", SMC, AT_MODES, OWN_MODEL, "adopt", "extend",
    "relabel", "diagnose", "summarize", "label_free",
    "log_evidence", "smc_evidence", "loo", "loo_with_refits", "waic", "label_accuracy", "compare",
    "membership", "coclustering", "partition", "density", "posterior_predictive",
    "hard_comparison", "impute", "true_values", "write_report",
)  # fmt: skip
NO_LIKELIHOOD = (
    "they give a pseudo-likelihood of the rows, and a likelihood is needed. Draws are those of a "
    "pseudo-posterior, adjusted to the variance of the weighted estimate; summarize, membership, "
    "density and the report take them. Compare their answers for several K."
)
_NOT_SIMULATED = (
    "data sets are simulated from the fit, and the model does not say how these arise; compare "
    "numbers of components by bic_grid, loo or log_evidence."
)
_ELSEWHERE = (
    "the log likelihood comes from elsewhere and is known for complete rows only; sample the "
    "built-in model, which takes them."
)
REFUSED: dict[str, dict[Annotation, str]] = {
    "bootstrap_lrt": dict.fromkeys(ANNOTATIONS, _NOT_SIMULATED),
    OWN_MODEL: dict.fromkeys(ANNOTATIONS, _ELSEWHERE),
    "adopt": dict.fromkeys(ANNOTATIONS, _ELSEWHERE),
    "hard_comparison": {"missing": "k-means takes complete rows only."},
    **{
        verb: {"sampling": NO_LIKELIHOOD}
        for verb in (
            SMC, AT_MODES, "extend", "log_evidence", "smc_evidence", "loo",
            "loo_with_refits", "waic", "label_accuracy", "compare",
        )
    },
}  # fmt: skip


FAMILIES = {
    "t": "t components",
    "contaminated": "contaminated components",
    "noise": "noise",
}
_CONDITIONALS = "it needs conditional densities, known for Gaussian components without noise only."
REFUSED_FAMILIES: dict[str, dict[str, str]] = {
    "adopt": dict.fromkeys(FAMILIES, "it takes draws of Gaussian components without noise only."),
    "impute": dict.fromkeys(FAMILIES, _CONDITIONALS),
    "true_values": dict.fromkeys(FAMILIES, _CONDITIONALS),
    "bootstrap_lrt": dict.fromkeys(FAMILIES, "it tests the number of Gaussian components."),
    "label_accuracy": {"noise": "a row without a label might belong to the noise."},
    OWN_MODEL: dict.fromkeys(FAMILIES, "a user's own model defines its density itself."),
}
ROUTES: dict[str, dict[Any, str]] = {
    "rows left in a Parquet file": {},
    "rows on Dask workers": {},
    'engine="jax"': dict.fromkeys(
        (*ANNOTATIONS, *FAMILIES), "it takes complete rows and Gaussian components only."
    ),
}


def annotations_of(data: Dataset) -> list[Annotation]:
    """Return what is known of the rows of a data set beside their values."""
    known, found = data.annotations, list[Annotation]()
    if known is None:
        return found
    if data.incomplete:
        found.append("missing")
    if known.weights_kind is not None:
        found.append(known.weights_kind)
    if known.possible is not None:
        found.append("labels")
    if known.errors is not None:
        found.append("errors")
    return found


def refusal(verb: str, annotation: Annotation) -> str | None:
    """Return the sentence with which a verb refuses an annotation; None where it takes it."""
    why = REFUSED.get(verb, {}).get(annotation)
    return None if why is None else f"{verb} does not take {ANNOTATIONS[annotation]}: {why}"


def require_taken(verb: str, data: Dataset) -> None:
    """Raise DataError where a verb does not take what is known of the rows."""
    for annotation in annotations_of(data):
        if sentence := refusal(verb, annotation):
            raise DataError(sentence)


def require_likelihood_of(known: Annotations | None, what: str) -> None:
    """Raise DataError where rows have a survey's weights, whose product is no likelihood.

    Parameters
    ----------
    known : Annotations or None
        What is known of the rows.
    what : str
        What needs the likelihood, in the plural.
    """
    if known is not None and known.surveyed:
        raise DataError(f"{what} do not take {ANNOTATIONS['sampling']}: {NO_LIKELIHOOD}")


def capabilities_page() -> str:
    """Return the page of the documentation, in Markdown."""
    refusals: dict[str, dict[Any, str]] = {
        verb: {**REFUSED.get(verb, {}), **REFUSED_FAMILIES.get(verb, {})} for verb in VERBS
    }
    refusals |= ROUTES
    reasons = list(dict.fromkeys(why for refused in refusals.values() for why in refused.values()))
    lines = [
        "# What takes which rows",
        "",
        "Rows can have missing cells, weights, labels and measurement errors, alone or combined,\n"
        "with every covariance structure. What a function does not take, it refuses before it\n"
        "starts. Labels of rows that were selected for them (`labels_inform_weights=False`) are\n"
        "taken wherever labels are. Student's t, contaminated components and noise take the\n"
        "same rows, with the structures that have a posterior. The last three lines are about\n"
        "where the rows are and what evaluates them; [which functions](../scale.md) work there\n"
        "is listed on another page.",
        "",
        f"| function or route | {' | '.join([*ANNOTATIONS.values(), *FAMILIES.values()])} |",
        f"|---|{'---|' * (len(ANNOTATIONS) + len(FAMILIES))}",
    ]
    for verb, refused in refusals.items():
        cells = [
            f"no ({reasons.index(refused[each]) + 1})" if each in refused else "yes"
            for each in (*ANNOTATIONS, *FAMILIES)
        ]
        shown = verb if " " in verb else f"`{verb}`"
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    lines += ["", "Why not:", ""]
    lines += [f"{number}. {why[0].upper()}{why[1:]}" for number, why in enumerate(reasons, 1)]
    return "\n".join([*lines, ""])
