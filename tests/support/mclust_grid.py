"""mclust's solutions of all its structures, K = 1 to 9, and whether they would be believed here."""

import json
import warnings

import numpy as np

from bayesgmm.errors import DegeneracyWarning
from bayesgmm.fit import fit_em
from bayesgmm.model.components import STRUCTURES
from bayesgmm.model.parameters import Parameters
from bayesgmm.model.spec import MixtureSpec
from tests.support.places import REFERENCE

__all__ = ["NAMES", "ROWS", "highest_of", "is_believed"]

ROWS = json.loads((REFERENCE / "mclust_grid.json").read_text())["rows"]
NAMES = {s.mclust: s.name for s in STRUCTURES.values() if s.mclust} | {"V": "full", "E": "tied"}


def highest_of(row):
    """Log likelihood where mclust, followed to its end, ends; where it stops if that is a pole."""
    return row.get("loglik", row["loglik_default"])


def is_believed(data, row):
    """Whether EM that starts where mclust stopped ends there in a solution that is believed."""
    covariances = np.array(row["covariances"])
    scales = np.sqrt(np.einsum("kdd->kd", covariances))
    start = Parameters(
        weights=np.array(row["weights"]),
        means=np.array(row["means"]),
        scales=scales,
        correlations=covariances / (scales[:, :, None] * scales[:, None, :]),
        covariances=covariances,
    )
    spec = MixtureSpec(row["G"], NAMES[row["model"]], resolution=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegeneracyWarning)
        fit = fit_em(data, spec, starts=[start], seed=1)
    assert fit.log_likelihood > highest_of(row) - 0.01
    return not fit.flagged
