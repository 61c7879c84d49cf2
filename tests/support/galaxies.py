"""The two modes of the galaxies with K = 2, as importance sampling found them."""

import json

import numpy as np

from tests.support.places import REFERENCE

__all__ = ["GALAXIES", "in_small_mode"]

GALAXIES = json.loads((REFERENCE / "galaxies_modes.json").read_text())


def in_small_mode(posterior):
    """As the reference tells the modes apart: the narrow component lies far below the wide one.

    In about one draw of a thousand of the small mode the lower component is the wider one.
    """
    draws = posterior["posterior"].to_dataset()
    order = np.argsort(draws["scales"].values[..., 0], axis=2)
    means = np.take_along_axis(draws["means"].values[..., 0], order, axis=2)
    return means[..., 1] - means[..., 0] > 7.0
