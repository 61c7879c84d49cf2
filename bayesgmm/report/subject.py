"""What a report is about: one posterior, the verdict on it, and the comparison it was chosen in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from bayesgmm.comparison import Choice, Comparison
from bayesgmm.criteria import Criterion
from bayesgmm.diagnosis import Diagnosis, RunStatus, diagnose
from bayesgmm.errors import ConfigError
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.posterior.gaussian import gaussian_components
from bayesgmm.posterior.tree import attribute, clusters_of, obs_of, resolved_of

__all__ = ["Subject", "subject_of"]

_UNNAMED = (RunStatus.NOT_IDENTIFIED, RunStatus.LABELS_SWITCH, RunStatus.CHAINS_DISAGREE)


@dataclass(frozen=True, eq=False)
class Subject:
    """One posterior and what is known about it.

    Parameters
    ----------
    posterior : xarray.DataTree
    verdict : Diagnosis
    comparison : Comparison or None
    choice : Choice or None
    resolved : ResolvedSpec or None
        None for a PyMC model of the user's own.
    about : mapping
        title, question, source, known, command, and units (a mapping by feature), where given.
    """

    posterior: xr.DataTree
    verdict: Diagnosis
    comparison: Comparison | None
    choice: Choice | None
    resolved: ResolvedSpec | None
    about: Mapping[str, Any]

    @property
    def n_clusters(self) -> int:
        """Number of clusters K."""
        return int(self.posterior["posterior"].sizes["cluster"])

    @property
    def number(self) -> str:
        """What stands after "K = ": K, and the structure where several were compared."""
        if self.comparison is None or self.choice is None:
            return str(self.n_clusters)
        return self.comparison.numbers[self.choice.model]

    @property
    def clusters(self) -> tuple[str, ...]:
        """Numbers of the clusters, or the names that a user's own model gives them."""
        return tuple(map(str, clusters_of(self.posterior)))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        names = self.posterior["posterior"].to_dataset()["feature"].values
        return tuple(str(name) for name in names)

    @property
    def n_obs(self) -> int:
        """Number of rows."""
        return int(self.posterior["observed_data"].sizes["obs"])

    @property
    def named(self) -> bool:
        """Whether clusters may be shown one by one under their numbers."""
        return self.verdict.status not in _UNNAMED

    @property
    def gaussian(self) -> bool:
        """Whether density and memberships are those of Gaussians, as the sections on them need."""
        return gaussian_components(self.posterior)

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of each feature where it is known."""
        units = self.about.get("units")
        return units if isinstance(units, Mapping) else {}

    @property
    def data(self) -> Mapping[str, Any]:
        """What the result says about its data: hash, source, rows, dropped, columns."""
        return attribute(self.posterior, "data") or {}

    @property
    def seed(self) -> int | None:
        """Seed of the comparison, or of the sampling where there was none."""
        if self.comparison is not None:
            return self.comparison.seed
        return attribute(self.posterior, "seed")

    @property
    def labelled(self) -> bool:
        """Whether the rows have names of their own."""
        return obs_of(self.posterior).dtype.kind not in "iu"


def subject_of(result: Any, criterion: Criterion, about: Mapping[str, Any] | None) -> Subject:
    """Find the posterior to report on.

    Parameters
    ----------
    result : Comparison or xarray.DataTree
    criterion : str
        By which a comparison's K is chosen.
    about : mapping or None
        None takes the result's own attribute ``about``.

    Raises
    ------
    ConfigError
        When it is neither a comparison nor a posterior.
    """
    if isinstance(result, Comparison):
        choice = result.chosen(criterion)
        posterior, verdict = result.posteriors[choice.model], result.verdicts[choice.model]
        comparison = result
    elif isinstance(result, xr.DataTree) and "posterior" in result:
        choice, comparison = None, None
        posterior, verdict = result, diagnose(result)
    else:
        raise ConfigError(
            "write_report takes a Comparison or a posterior (DataTree), got "
            f"{type(result).__name__}.",
            value=result,
        )
    stored = attribute(posterior, "about")
    own = stored if isinstance(stored, Mapping) else {}
    return Subject(
        posterior,
        verdict,
        comparison,
        choice,
        resolved_of(posterior),
        own if about is None else about,
    )
