"""Densities relative to one reference, against sums of logarithms."""

import numpy as np
import pytest
from scipy.special import logsumexp

from bayesgmm.likelihood.compiled.exponential import (
    HIGHEST,
    log1p_and_inverse,
    mantissa_and_exponent,
)
from bayesgmm.likelihood.compiled.relative import are_alike, invert_any, relate

N_ROWS, WIDTH = 50, 64


@pytest.mark.parametrize("n_noises", [0, 1])
@pytest.mark.parametrize("spread", [1.0, 300.0])
def test_sums_of_any_size_have_their_logarithm(n_noises, spread):
    rng = np.random.default_rng(3)
    log_densities = rng.uniform(-spread, spread, size=(3 + n_noises, WIDTH))
    log_densities[3:] = 0.0
    by_row = logsumexp(log_densities, axis=0)
    joint, largest, total = log_densities - 2.0, np.empty(WIDTH), np.empty(WIDTH)
    assert relate(joint, 3, -2.0, N_ROWS, WIDTH, largest, total)
    np.testing.assert_allclose(largest + np.log(total), by_row - 2.0, rtol=1e-14, atol=1e-14)
    shares = np.exp(log_densities - by_row)
    np.testing.assert_allclose(joint / total, shares, rtol=1e-12)
    value = invert_any(WIDTH, N_ROWS, largest, total)
    assert value == pytest.approx((by_row - 2.0)[:N_ROWS].sum(), rel=1e-14, abs=1e-12)
    np.testing.assert_allclose((joint * total)[:, :N_ROWS], shares[:, :N_ROWS], rtol=1e-12)
    assert not total[N_ROWS:].any()


def test_a_row_far_below_the_reference_is_noticed_but_not_in_the_padding():
    for place, expected in ((N_ROWS - 1, False), (N_ROWS, True)):
        joint = np.zeros((2, WIDTH))
        joint[:, place] = -600.0
        assert relate(joint, 2, 0.0, N_ROWS, WIDTH, np.empty(WIDTH), np.empty(WIDTH)) == expected


def test_values_are_alike_where_all_are():
    values = np.full((2, WIDTH), 0.3)
    values[0, N_ROWS - 1] = np.nextafter(0.3, 1.0)
    assert not are_alike(values, 0, N_ROWS)
    assert are_alike(values, 0, N_ROWS - 1)
    assert are_alike(values, 1, N_ROWS)


def test_mantissas_and_exponents_make_the_number():
    for x in (1.0, 1e-290, np.nextafter(2.0, 0.0), 3.7, np.exp(HIGHEST)):
        mantissa, exponent = mantissa_and_exponent(x)
        assert 1.0 <= mantissa < 2.0
        assert np.ldexp(mantissa, exponent) == x


def test_the_inverse_beside_a_logarithm_is_right():
    for x in (0.0, 1e-18, 0.41, 0.42, 3.0, 1e12, 1e299):
        assert log1p_and_inverse(x)[1] == pytest.approx(1.0 / (1.0 + x), rel=5e-16)
