"""What a report is about: one posterior, the verdict on it, and the comparison it was chosen in."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesgmm.comparison import Choice, Comparison, Robustness
from bayesgmm.criterion import Criterion
from bayesgmm.data import Annotations
from bayesgmm.diagnosis import Diagnosis, diagnose
from bayesgmm.elpd import loo
from bayesgmm.errors import ConfigError
from bayesgmm.fit import PointFit
from bayesgmm.labels import Quantity, cluster_quantities, label_free_quantities
from bayesgmm.likelihood.annotated_rows import times_of, values_of
from bayesgmm.limits import INTERVAL, TAIL_DRAWS
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.posterior.draws import Draws
from bayesgmm.posterior.kept_rows import n_rows_of, with_kept_rows
from bayesgmm.posterior.observed import SOME_ROWS, annotations_in
from bayesgmm.posterior.tree import attribute, kept_rows, units_in
from bayesgmm.prediction import (
    Partition,
    membership,
    pair_overlaps,
    partition,
    posterior_predictive,
)
from bayesgmm.report.discrepancies import Discrepancy, discrepancies
from bayesgmm.report.power_scaling import power_scaled
from bayesgmm.typing import Array, IntArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_ROWS", "Subject", "subject_of"]

MOST_ROWS = 1500
_DATA_SETS = 200


@dataclass(frozen=True, eq=False)
class Subject:
    """One posterior and what is known about it.

    Parameters
    ----------
    draws : Draws
        The view of the posterior, from which all sections are made.
    verdict : Diagnosis
    comparison : Comparison or None
    choice : Choice or None
    about : mapping
        title, question and the like, as `write_report` takes them, where given.
    robustness : Robustness or None
        What the answer depends on, where it was asked.
    prob : float
        Probability of the intervals.
    criterion : str
        By which a comparison chooses.
    """

    draws: Draws
    verdict: Diagnosis
    comparison: Comparison | None
    choice: Choice | None
    about: Mapping[str, Any]
    robustness: Robustness | None = None
    prob: float = INTERVAL
    criterion: Criterion = "loo"

    @property
    def interval(self) -> str:
        """The probability of the intervals in per cent."""
        return f"{100 * self.prob:g} %"

    @property
    def tails(self) -> tuple[float, float]:
        """Probability below each bound of an interval."""
        return (1 - self.prob) / 2, (1 + self.prob) / 2

    @property
    def posterior(self) -> xr.DataTree:
        """The posterior."""
        return self.draws.tree

    @property
    def resolved(self) -> ResolvedSpec | None:
        """The resolved spec; None for a PyMC model of the user's own."""
        return self.draws.resolved

    @property
    def n_clusters(self) -> int:
        """Number of clusters K."""
        return self.draws.n_components

    @property
    def number(self) -> str:
        """What stands after "K = ": K, and the structure where several were compared."""
        if self.comparison is None or self.choice is None:
            return str(self.n_clusters)
        return self.comparison.numbers[self.choice.model]

    @property
    def clusters(self) -> tuple[str, ...]:
        """Numbers of the clusters, or the names that a user's own model gives them."""
        return tuple(map(str, self.draws.clusters))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        return self.draws.features

    @property
    def times(self) -> IntArray:
        """How many rows each row stands for: shape (obs,)."""
        return times_of(self.draws.table)

    @property
    def n_obs(self) -> int:
        """Number of rows, each as often as it counts, whether the result keeps them or not."""
        return n_rows_of(self.draws) if self.some_rows else self.n_shown

    @property
    def n_shown(self) -> int:
        """Number of rows that the result keeps, each as often as it counts."""
        return int(self.times.sum())

    @property
    def some_rows(self) -> bool:
        """Whether the result keeps some of many rows only, which stand for all."""
        return SOME_ROWS in self.posterior

    @property
    def known(self) -> Annotations | None:
        """Weights, labels and errors of the rows; None where there are none."""
        return annotations_in(kept_rows(self.posterior))

    @property
    def named(self) -> bool:
        """Whether clusters may be shown one by one under their numbers."""
        return self.verdict.status.labels_hold

    @property
    def gaussian(self) -> bool:
        """Whether density and memberships are those of Gaussians, as the sections on them need."""
        return self.draws.gaussian

    @property
    def has_missing(self) -> bool:
        """Whether cells are missing."""
        return bool(np.isnan(values_of(self.draws.table)).any())

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of each feature where it is known."""
        units = self.about.get("units")
        return units if isinstance(units, Mapping) else units_in(self.posterior)

    @property
    def data(self) -> Mapping[str, Any]:
        """What the result says about its data: hash, source, rows, dropped, columns."""
        return attribute(self.posterior, "data") or {}

    @property
    def sampler(self) -> Mapping[str, Any]:
        """How the draws were made: method, chains, draws, warm-up."""
        return attribute(self.posterior, "sampler") or {}

    @property
    def extension(self) -> Mapping[str, Any]:
        """How chains were continued: draws, seed, share accepted; empty where they were not."""
        chains = self.sampler.get("method") != "importance"  # whose proposals are made anew
        return (attribute(self.posterior, "extension") or {}) if chains else {}

    @property
    def seed(self) -> int | None:
        """Seed of the comparison, or of the sampling where there was none."""
        if self.comparison is not None:
            return self.comparison.seed
        return attribute(self.posterior, "seed")

    @property
    def labelled(self) -> bool:
        """Whether the rows have names of their own."""
        return self.draws.obs.dtype.kind not in "iu"

    @cached_property
    def soft(self) -> xr.Dataset:
        """Membership probabilities of the rows."""
        return membership(self.draws, prob=self.prob)

    @cached_property
    def groups(self) -> Partition | None:
        """The partition of the rows; None where there are too many, or one cluster."""
        if self.n_clusters < 2 and self.draws.noise is None:
            return None
        if not self.gaussian or max(self.n_obs, len(self.times)) > MOST_ROWS:
            return None
        return partition(self.draws, seed=self.seed)

    @cached_property
    def quantities(self) -> list[Quantity]:
        """The parameters where clusters are named, and what no label touches."""
        own = cluster_quantities(self.draws) if self.named else []
        return [*own, *label_free_quantities(self.draws, every_row=False)]

    @cached_property
    def pairs(self) -> list[tuple[int, int, Array, Array]]:
        """Overlap and confusion of each pair of clusters, draw by draw."""
        return list(pair_overlaps(self.draws))

    @cached_property
    def replicated(self) -> xr.DataTree:
        """The posterior with data sets drawn from it."""
        return posterior_predictive(self.draws, _DATA_SETS, seed=self.seed)

    @cached_property
    def discrepancies(self) -> list[Discrepancy]:
        """Statistics of the data beside those of data sets drawn from the posterior."""
        x = self.replicated["posterior_predictive"].to_dataset()["x"].values
        return discrepancies(self.draws.table, x.reshape(-1, *x.shape[2:]), self.features)

    @cached_property
    def prior_weight(self) -> "pd.DataFrame | None":
        """Sensitivity of the parameters to powers of prior and likelihood, where it can be had."""
        lacks = {"log_likelihood", "log_prior"} - set(self.posterior.children)
        surveyed = self.known is not None and self.known.surveyed
        if lacks or surveyed or not self.named or self.resolved is None:
            return None
        return power_scaled(self.draws)

    @cached_property
    def elpd(self) -> Any:
        """LOO of the posterior, rows and all; None where it is not to be had."""
        if self.comparison is not None and self.choice is not None:
            return self.comparison.elpds["loo"].get(self.choice.model)
        surveyed = self.known is not None and self.known.surveyed
        if "log_likelihood" not in self.posterior or surveyed:
            return None
        return loo(self.posterior) if self.draws.n_samples >= TAIL_DRAWS else None

    @property
    def fit(self) -> PointFit | None:
        """The maximum likelihood fit of the model, where it is at hand and believed."""
        if self.comparison is None or self.choice is None:
            return None
        found = self.comparison.fits.get(self.choice.model)
        return None if found is None or found.flagged else found

    def counts(self, labels: IntArray, size: int) -> IntArray:
        """Return how many rows bear each label from 0, each row as often as it counts."""
        return np.bincount(labels, self.times, size).astype(np.int64)

    def places(self, names: Any) -> IntArray:
        """Return where rows stand among all, by their names."""
        import pandas as pd

        return pd.Index(self.draws.obs).get_indexer(names)


def subject_of(
    result: Any,
    criterion: Criterion,
    about: Mapping[str, Any] | None,
    robustness: Robustness | None = None,
    prob: float = INTERVAL,
) -> Subject:
    """Find the posterior to report on.

    Parameters
    ----------
    result : Comparison or xarray.DataTree
    criterion : str
        By which a comparison's K is chosen.
    about : mapping or None
        None takes the result's own attribute ``about``.
    robustness : Robustness or None
        Of that comparison.
    prob : float
        Probability of the intervals.

    Raises
    ------
    ConfigError
        When it is neither a comparison nor a posterior, or no comparison and `robustness` is given.
    """
    if isinstance(result, Comparison):
        choice = result.chosen(criterion)
        draws, verdict = Draws(result.posteriors[choice.model]), result.verdicts[choice.model]
        comparison = result
    elif isinstance(result, xr.DataTree) and "posterior" in result:
        if robustness is not None:
            raise ConfigError("robustness is that of a comparison; pass the comparison with it.")
        choice, comparison = None, None
        draws = Draws(result)
        verdict = diagnose(draws)
    else:
        raise ConfigError(
            "write_report takes a Comparison or a posterior (DataTree), got "
            f"{type(result).__name__}.",
            value=result,
        )
    stored = attribute(draws.tree, "about")
    own = stored if isinstance(stored, Mapping) else {}
    told = own if about is None else about
    shown = with_kept_rows(draws)
    return Subject(shown, verdict, comparison, choice, told, robustness, prob, criterion)
