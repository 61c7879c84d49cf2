"""References stand beside the scripts that made them, name their programs, are never skipped."""

import json
import re
from pathlib import Path

import pytest

from tests.support.places import TESTS

SCRIPTS = {
    "galaxies_modes.json": ("galaxies_modes.py",),
    "loo_matrix.json": ("loo_matrix.R",),
    "mclust.json": ("mclust_run.R", "mclust_tight.R"),
    "mclust_grid.json": ("mclust_grid.R",),
    "mclust_noise.json": ("mclust_noise.R",),
    "mclust_bootstrap.json": ("mclust_bootstrap.R",),
    "stan_faithful_k.json": ("run_faithful_k.R", "common.R", "gmm.stan"),
    "stan_faithful_k2.json": ("run_faithful_k2.R", "common.R", "gmm.stan"),
}


def test_every_reference_has_its_script():
    assert {path.name for path in TESTS.glob("reference/*.json")} == set(SCRIPTS)
    for scripts in SCRIPTS.values():
        assert all((TESTS / "reference" / script).is_file() for script in scripts)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_reference_names_its_program(name):
    text = (TESTS / "reference" / name).read_text()
    assert json.loads(text)
    assert re.search(r"R (version )?\d|numpy", text)


def test_no_test_is_skipped_or_expected_to_fail():
    for path in TESTS.rglob("*.py"):
        if path != Path(__file__):
            assert not re.search(r"\bskip(if|_if)?\(|importorskip|xfail", path.read_text()), path
