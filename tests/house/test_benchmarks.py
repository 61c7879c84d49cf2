"""What is measured against peers, in miniature: ratios in one run, never seconds."""

import importlib.util

import numpy as np
import pytest

from tests.benchmarks import __main__ as table
from tests.benchmarks.kernel import against_floor
from tests.benchmarks.peers import lines as peer_lines
from tests.benchmarks.peers import tree_of
from tests.benchmarks.reading import against_pandas
from tests.benchmarks.sampling import effective
from tests.support.few import few


def test_the_kernel_stays_near_its_floor():
    # 0.3 to 0.45 when the machine is quiet or not: the two are measured in turn
    assert 1.0 / against_floor((1000, 2, 3)).ratio < 1.2


@pytest.mark.parametrize("kind", few(["plain", "comments", "all"], {"all"}))
def test_reading_stays_near_a_compiled_reader(kind):
    # 2.5 times pandas' CPU time in the long benchmark; cell by cell it would be 25 times
    theirs, ours = against_pandas(200_000, 2, kind, rounds=2)
    assert ours[0] < 6.0 * theirs[0]


def test_a_part_that_fails_is_a_line_and_the_others_go_on(monkeypatch, capsys):
    monkeypatch.setitem(table.PARTS, "a", ("no_such_module", "lines"))
    monkeypatch.setitem(table.PARTS, "d", ("kernel", "no_such_function"))
    assert table.main(["a", "d"]) == 1
    printed = capsys.readouterr().out
    assert "a. FAILED: ModuleNotFoundError" in printed and "d. FAILED: AttributeError" in printed
    assert table.main(["x"]) == 2


def test_a_peer_that_is_not_installed_is_said(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    numpyro, stan = peer_lines()
    assert "not installed, pip install 'bayesgmm[benchmarks]'" in numpyro
    assert "no Rscript" in stan


def test_draws_of_a_peer_are_compared_whatever_the_labels():
    rng = np.random.default_rng(1)
    means = np.array([[-3.0, 1.0], [3.0, 2.0]]) + 0.1 * rng.normal(size=(4, 500, 2, 2))
    weights = np.broadcast_to([0.3, 0.7], (4, 500, 2)) + 0.01 * rng.normal(size=(4, 500, 1))
    least, found, _ = effective(tree_of(weights, means))
    swapped = effective(tree_of(weights[..., ::-1], means[..., ::-1, :]))
    np.testing.assert_allclose(swapped[1], found, rtol=1e-12)
    np.testing.assert_allclose(found, [-3, 1, 3, 2, 0.3, 0.7], atol=0.02)
    assert 1000 < least < 3000
