"""The criteria that put models in order: their words, and where a comparison's table holds them."""

from typing import Literal, NamedTuple

__all__ = ["BY_ELPD", "BY_FIT", "BY_LIKELIHOOD", "CRITERIA", "Criterion"]

Criterion = Literal["aic", "bic", "sbic", "icl", "waic", "loo", "evidence"]


class CriterionFacts(NamedTuple):
    """What is known of a criterion wherever it is told or looked up.

    Parameters
    ----------
    words : str
        Its name in a sentence.
    column : str
        Its column in the table of a comparison.
    error : str or None
        The column without whose finite value it does not count.
    larger_is_better : bool
    """

    words: str
    column: str
    error: str | None = None
    larger_is_better: bool = True


CRITERIA: dict[Criterion, CriterionFacts] = {
    "aic": CriterionFacts("AIC", "aic", larger_is_better=False),
    "bic": CriterionFacts("BIC", "bic", larger_is_better=False),
    "sbic": CriterionFacts("sBIC", "sbic", larger_is_better=False),
    "icl": CriterionFacts("ICL", "icl", larger_is_better=False),
    "waic": CriterionFacts("WAIC", "elpd_waic"),
    "loo": CriterionFacts("LOO", "elpd_loo"),
    "evidence": CriterionFacts("the evidence", "log_evidence", "log_evidence_error"),
}
BY_FIT: tuple[Criterion, ...] = ("aic", "bic", "icl")
BY_LIKELIHOOD: tuple[Criterion, ...] = ("aic", "bic", "sbic", "icl")  # sBIC takes several fits
BY_ELPD: tuple[Criterion, ...] = ("waic", "loo")
