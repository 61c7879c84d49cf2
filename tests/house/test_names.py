"""Names: the field's words are used, and names that changed serve for one release more."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bayesgmm as bg
from bayesgmm.diagnosis import Diagnosis, RunStatus
from tests.support.places import ROOT

OLD = re.compile(
    r"\b(tempered_evidence|_scouts|ABROAD|nutpie_door|_told|_give|watched|crowned"
    r"|surprise less|due share|verdict\.figures|MixtureDraws|plots\.(cluster_colour|Plot))\b"
)
RENAMED = {"bayesgmm/__init__.py", "bayesgmm/plots/__init__.py", "tests/house/test_names.py"}
TEXTS = sorted(
    path
    for pattern in ("bayesgmm/**/*.py*", "docs/**/*.md", "notebooks/*.ipynb", "tests/*.py", "*.md")
    for path in ROOT.glob(pattern)
    if path.suffix in {".py", ".pyi", ".md", ".ipynb"} and path.name != "CHANGELOG.md"
)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_old_name_is_left(path: Path) -> None:
    if str(path.relative_to(ROOT)) not in RENAMED:
        found = OLD.search(path.read_text())
        assert found is None, found


def verdict() -> Diagnosis:
    return Diagnosis(RunStatus.CONVERGED, (), (), {"chains": 4}, ())


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (lambda: bg.tempered_evidence, lambda: bg.smc_evidence, "bayesgmm.smc_evidence"),
        (lambda: bg.plots.Plot, lambda: bg.Plot, "bayesgmm.Plot"),
        (lambda: bg.plots.cluster_colour, lambda: bg.cluster_colour, "bayesgmm.cluster_colour"),
        (lambda: verdict().figures, lambda: verdict().statistics, "Diagnosis.statistics"),
    ],
    ids=["tempered_evidence", "Plot", "cluster_colour", "figures"],
)
def test_an_old_name_serves_and_says_the_new_one(
    before: Callable[[], Any], now: Callable[[], Any], words: str
) -> None:
    with pytest.warns(FutureWarning, match=f"is now {words}; the old name will be removed"):
        assert before() == now()


def test_names_that_never_were_are_no_names() -> None:
    assert not hasattr(bg, "comparee") and not hasattr(bg.plots, "forrest")
