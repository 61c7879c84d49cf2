"""Everything that asks for fits beyond those of a comparison, in one call."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bayesgmm.arguments import check_instance
from bayesgmm.comparison._sensitivity import Sensitivity, sensitivity
from bayesgmm.comparison.outcome import Comparison
from bayesgmm.evidence import Coarsened, coarsened, probability_by_rows
from bayesgmm.runtime.keywords import keywords

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Robustness", "robustness"]


@dataclass(frozen=True, eq=False, repr=False)
class Robustness:
    """What the answer of a comparison depends on.

    Parameters
    ----------
    sensitivity : Sensitivity
        On the priors and the recording error.
    coarsened : Coarsened
        On the Gaussian shape of the components.
    by_rows : pandas.DataFrame
        On the number of rows, as `bayesgmm.probability_by_rows` returns it.

    Examples
    --------
    >>> from bayesgmm import compare
    >>> found = robustness(compare([[0.0], [0.2], [0.5], [5.0]], 1, draws=100, seed=1))
    >>> found.by_rows.columns[:3].tolist()
    ['rows', 'K', 'covariance']
    """

    sensitivity: Sensitivity
    coarsened: Coarsened
    by_rows: "pd.DataFrame"

    def __repr__(self) -> str:
        """Show all three."""
        by_rows = self.by_rows.pivot_table("probability", "rows", "K", aggfunc="sum").round(3)
        return f"{self.sensitivity}\n{self.coarsened}\np(K) by rows\n{by_rows.to_string()}"


@keywords()
def robustness(
    comparison: Comparison,
    *,
    seed: int | None = None,
    cores: int | None = None,
    progress: bool = False,
) -> Robustness:
    """Study what the answer depends on: `sensitivity`, `coarsened`, `probability_by_rows` in one.

    It takes several times as long as the comparison.

    Parameters
    ----------
    comparison : Comparison
    seed : int, optional
        That of the comparison by default.
    cores : int, optional
        As in `compare`.
    progress : bool
        Show a bar of the steps done, on stderr; without it each is a line of the log.

    Returns
    -------
    Robustness
        `write_report` shows it in a section of its own.

    Raises
    ------
    ConfigError
        For anything but a comparison.

    Examples
    --------
    >>> from bayesgmm import compare
    >>> found = robustness(compare([[0.0], [0.2], [0.5], [5.0]], 1, draws=100, seed=1))
    >>> found.sensitivity.choices.index[0]
    'as compared'
    """
    check_instance("comparison", comparison, Comparison, "what bayesgmm.compare returns")
    options: dict[str, Any] = {"seed": seed, "cores": cores, "progress": progress}
    return Robustness(
        sensitivity(comparison, **options),
        coarsened(comparison, **options),
        probability_by_rows(comparison, **options),
    )
