"""Which models are compared, in the order of K, and when a scan over K has gone far enough."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bayesgmm.advice import shown
from bayesgmm.arguments import check_instance
from bayesgmm.comparison.parts import Parts
from bayesgmm.data import Dataset, check_components
from bayesgmm.errors import ConfigError, DataError, DataWarning, ResourceError
from bayesgmm.evidence import probabilities_of
from bayesgmm.likelihood.streamed import is_streamed
from bayesgmm.limits import LAST_K, MOST_SCANNED
from bayesgmm.model.several import counts_in
from bayesgmm.model.spec import MixtureSpec, Priors
from bayesgmm.sampling.room import require_room

__all__ = ["Counts", "Scan", "mass_beyond", "scan_of"]

Counts = int | Iterable[int] | Literal["auto"]


@dataclass(frozen=True)
class Scan:
    """Numbers of components with all structures.

    Parameters
    ----------
    data : Dataset
    specs : list of MixtureSpec
        In the order of K.
    growing : bool
        Whether it goes on to larger K by itself, and stops by itself.
    """

    data: Dataset
    specs: list[MixtureSpec]
    growing: bool

    def by_count(self, models: Sequence[MixtureSpec]) -> Iterator[list[MixtureSpec]]:
        """Yield those of the models that have the same K, K by K, each K with its warnings."""
        for k in sorted({spec.n_components for spec in models}):
            if self.growing:
                _check(self.data, k, models)
            yield [spec for spec in models if spec.n_components == k]

    def ended(self, done: Sequence[MixtureSpec], parts: Parts) -> bool:
        """Whether no larger K is needed, given what is finished."""
        if not self.growing:
            return False
        counts = sorted({spec.n_components for spec in done})
        elpds = [_best(parts.elpds["loo"], k) for k in counts]
        fallen_twice = len(counts) > 2 and elpds[-1] < elpds[-2] < elpds[-3]
        evidences = {spec: parts.evidences[spec] for spec in done if spec in parts.evidences}
        probabilities = probabilities_of(evidences) if evidences else {}
        masses = [
            sum(probabilities.get(s, (np.nan,))[0] for s in done if s.n_components == k)
            for k in counts
        ]
        return fallen_twice or mass_beyond(masses) < LAST_K


def mass_beyond(masses: Sequence[float]) -> float:
    """Return the probability of larger K than those of the masses, were it to go on falling.

    The last two masses are taken to fall on by the same factor; inf where they do not fall, or one
    of them is not known.

    Examples
    --------
    >>> round(mass_beyond([0.1, 0.6, 0.2, 0.02]), 4)
    0.0022
    """
    if len(masses) < 2:
        return np.inf
    before, last = masses[-2:]
    if last == 0.0:
        return 0.0
    factor = last / before
    return last * factor / (1.0 - factor) if factor < 1.0 else np.inf


def _best(elpds: Any, k: int) -> float:
    return max((float(e.elpd) for s, e in elpds.items() if s.n_components == k), default=np.nan)


def scan_of(
    data: Dataset,
    n_components: Counts,
    structures: Sequence[Mapping[str, Any]],
    families: Sequence[Mapping[str, Any]],
    priors: Priors,
    others: Mapping[str, Any],
    **lengths: Any,
) -> Scan:
    """Return every number of components with every structure and family, in the order of K.

    Parameters
    ----------
    data : Dataset
    n_components : int, iterable of int or "auto"
    structures : sequence of mapping
        As `structures_in` returns them.
    priors : Priors
    families : sequence of mapping
        As `families_in` returns them.
    others : mapping
        What else a `MixtureSpec` takes, the same for all.
    **lengths
        Of the chains, as `require_room` takes them.

    Raises
    ------
    ConfigError, DataError, ResourceError
        Where a K that is asked for cannot be had. "auto" ends before the first that cannot, and
        warns of a K at its turn.
    """
    growing = isinstance(n_components, str)
    numbers = _numbers(n_components, data.n_obs)
    check_instance("priors", priors, Priors, "Priors")
    if by_cluster := priors.by_cluster:
        raise ConfigError(
            f"{by_cluster[0]} must not differ between clusters in compare, where it must serve "
            "every K: give one number or, except for the concentration, one per feature; sample "
            "and fit_map take priors of single clusters.",
            key=by_cluster[0],
        )
    specs = list[MixtureSpec]()
    for k in sorted(numbers):
        try:
            with warnings.catch_warnings():
                if growing:
                    warnings.simplefilter("ignore", DataWarning)
                _check(data, k, [MixtureSpec(k, **structure) for structure in structures])
            require_room(data, k, **lengths, log_likelihood=not is_streamed(data))
        except (DataError, ResourceError):
            if growing and specs:
                break
            raise
        specs += [
            MixtureSpec(k, **structure, priors=priors, **others, **family)
            for structure in structures
            for family in families
        ]
    return Scan(data, specs, growing)


def _check(data: Dataset, k: int, models: Iterable[MixtureSpec]) -> None:
    """Check that the data can carry so many components of each of the models."""
    correlated = any(spec.has_correlations for spec in models)
    check_components(data, k, correlated=correlated)


def _numbers(n_components: Counts, n_obs: int) -> list[int]:
    if isinstance(n_components, str):
        if n_components == "auto":
            return list(range(1, MOST_SCANNED + 1))
        raise ConfigError(
            f'n_components must be one K, several, or "auto", got {shown(n_components)}.',
            key="n_components",
            value=n_components,
        )
    numbers = counts_in(n_components, n_obs)
    if not numbers or len(set(numbers)) < len(numbers):
        raise ConfigError(
            f"n_components must name at least one K and none twice, got {shown(numbers)}.",
            key="n_components",
        )
    return numbers
