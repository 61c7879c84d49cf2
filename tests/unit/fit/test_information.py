"""The singular BIC against Drton and Plummer's own figures."""

import numpy as np
import pytest
from scipy.optimize import brentq

from bayesgmm.fit.information import sbic
from bayesgmm.fit.singular import singular_bics
from bayesgmm.model.spec import MixtureSpec

# Old Faithful with full covariances, and the velocities of galaxies: log likelihoods, and log L'.
FAITHFUL = [-1289.796745, -1130.263960, -1114.439873, -1106.030229]
FAITHFUL_SBIC = [-1303.811, -1161.096, -1157.396, -1157.870]
GALAXIES = [-240.3379, -220.0580, -203.1792, -197.4629, -192.3278, -186.8673]
GALAXIES_SBIC = [-244.745, -231.075, -220.803, -219.098, -217.672, -216.029]


@pytest.mark.parametrize(
    ("log_likelihoods", "parameters", "n_obs", "phi", "expected"),
    [(FAITHFUL, (5, 11), 272, None, FAITHFUL_SBIC), (GALAXIES, (2, 5), 82, 1.0, GALAXIES_SBIC)],
)
def test_the_figures_of_the_reference(log_likelihoods, parameters, n_obs, phi, expected):
    """The second with the concentration that they took."""
    found = -0.5 * np.array(sbic(log_likelihoods, parameters, n_obs, phi=phi))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_each_is_the_root_of_its_equation():
    """With shared parameters too: two features, tied covariances."""
    log_likelihoods, own, shared, n_obs = [-50.0, -44.0, -43.5], 2, 3, 40
    log_values = -0.5 * np.array(sbic(log_likelihoods, (own + shared, 2 * own + 1 + shared), n_obs))
    for i in range(1, 4):

        def pair(j, i=i):
            twice = min(j * own + j - 1 + shared + 1.5 * (i - j), i * own + j - 1 + shared)
            return np.exp(log_likelihoods[i - 1] + 60.0) * n_obs ** (-0.5 * twice)

        before = np.exp(log_values[: i - 1] + 60.0)
        constant = sum(pair(j + 1) * before[j] for j in range(i - 1))
        root = brentq(
            lambda x: x**2 + (before.sum() - pair(i)) * x - constant,  # noqa: B023
            1e-12 if i > 1 else 1e-9, 1e9,
        )  # fmt: skip
        assert np.log(root) - 60.0 == pytest.approx(log_values[i - 1], abs=1e-8)


def test_it_does_not_underflow():
    found = sbic([-9000.0, -5000.0, -4990.0], (5, 11), 1000)
    assert np.isfinite(found).all() and found[2] < found[0]


def test_one_component_stands_for_all_structures_that_are_the_same_there():
    tied, full = MixtureSpec(2, "tied"), MixtureSpec(2)
    fits = {MixtureSpec(1): -90.0, full: -70.0, tied: -75.0, MixtureSpec(2, "diag"): -80.0}
    found = singular_bics(fits, 2, 100)
    assert found[full] == sbic([-90.0, -70.0], (5, 11), 100)[1]
    assert found[tied] == sbic([-90.0, -75.0], (5, 8), 100)[1]
    assert np.isnan(found[MixtureSpec(2, "diag")])  # K = 1 is another model
