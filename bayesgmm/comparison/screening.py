"""Which models of all structures are worth draws: those best by BIC."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from bayesgmm.data import Dataset
from bayesgmm.fit import bic_grid
from bayesgmm.limits import SCREENED
from bayesgmm.model.components import STRUCTURES
from bayesgmm.model.several import facts_of_model
from bayesgmm.model.spec import MixtureSpec

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Screening", "screened"]

_NAMED = 3
logger = logging.getLogger(__name__)


class Screening(NamedTuple):
    """BIC of all models, and those that were kept for draws.

    Parameters
    ----------
    table : pandas.DataFrame
        As `bic_grid` returns it.
    kept : tuple of MixtureSpec
        The best by BIC of the models that have a posterior, in the order of K.
    n_models : int
        Number of different models that have a posterior.
    """

    table: "pd.DataFrame"
    kept: tuple[MixtureSpec, ...]
    n_models: int

    @property
    def note(self) -> str:
        """What was done, and which structures without a posterior are ahead, in sentences."""
        n_left = self.n_models - len(self.kept)
        return " ".join(
            [
                f"Of {self.n_models} models the {len(self.kept)} best by BIC were sampled; "
                f"{n_left} were left out after their maximum likelihood fits. All probabilities "
                "are among the sampled models only.",
                *self._ahead(),
            ]
        )

    def _ahead(self) -> list[str]:
        """Name the structures without a posterior that lead all models that were sampled."""
        table = self.table[~self.table["flagged"].astype(bool)]
        elsewhere = [STRUCTURES[name].factors is not None for name in table["covariance"]]
        names = table["model"].str.findall(r"\w+")  # of all structures that are this model
        alone = [
            all(STRUCTURES[n].factors is not None for n in each if n in STRUCTURES)
            for each in names
        ]
        without = table[[a and b for a, b in zip(elsewhere, alone, strict=True)]]
        best = table.loc[[not a for a in alone], "bic"].min()
        ahead = without[without["bic"] < best].sort_values("bic")
        return [
            f"By BIC, {row['covariance']} with K = {k} is better than all of them by "
            f"{best - row['bic']:.1f}, but it has no posterior here. The nearest structure that "
            f"has one is {STRUCTURES[row['covariance']].nearest_sampled}."
            for k, row in ahead.head(_NAMED).iterrows()
        ]


def screened(
    data: Dataset,
    models: Sequence[MixtureSpec],
    families: Mapping[str, Any],
    *,
    seed: int,
) -> Screening | None:
    """Return the models best by BIC; None where there are no more than would be kept.

    Parameters
    ----------
    data : Dataset
    models : sequence of MixtureSpec
        Different ones, with the same priors and resolution.
    families : mapping
        Family, noise and nu as `bic_grid` takes them.
    seed : int
    """
    if len(models) <= SCREENED:
        return None
    counts = sorted({spec.n_components for spec in models})
    with_factors = dict.fromkeys(spec.covariance for spec in models if spec.structure.has_loadings)
    table = bic_grid(
        data,
        counts,
        ["all", *with_factors],
        n_factors=sorted({spec.n_factors for spec in models if spec.n_factors}) or None,
        **families,
        resolution=models[0].resolution,
        labels_inform_weights=models[0].labels_inform_weights,
        seed=seed,
    )
    ranked = table["bic"].where(~table["flagged"].astype(bool))
    by_facts = dict(zip(_keys(table), ranked, strict=True))
    known = [(by_facts[_key(spec)], i) for i, spec in enumerate(models)]
    known = sorted(pair for pair in known if pair[0] == pair[0])[:SCREENED]
    chosen = [models[i] for _, i in known] or list(models)
    kept = tuple(sorted(chosen, key=lambda spec: spec.n_components))
    screening = Screening(table, kept, len(models))
    logger.info("%s", screening.note)
    return screening


def _key(spec: MixtureSpec) -> tuple[Any, ...]:
    facts = facts_of_model(spec)
    number = facts["n_factors"] or 0
    return spec.n_components, facts["covariance"], facts["family"], facts["noise"] or "", number


def _keys(table: "pd.DataFrame") -> list[tuple[Any, ...]]:
    columns = table["covariance"], table["family"], table["noise"], table["n_factors"].fillna(0)
    return [
        (int(k), name, family, noise if isinstance(noise, str) else "", int(number))
        for k, name, family, noise, number in zip(table.index, *columns, strict=True)
    ]
