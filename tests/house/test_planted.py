"""Every planted bug still finds the text it replaces; `python -m tests.planted` plants them."""

import ast

import pytest

from tests.mutants import mutations
from tests.planted import BUGS, Bug, found
from tests.support.places import ROOT


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_it_can_be_planted(bug):
    source = (ROOT / "bayesgmm" / bug.path).read_text()
    assert bug.applied(source) != source
    ast.parse(bug.applied(source))
    for test in bug.tests:
        file, name = found(test.partition("[")[0]).split("::")
        tree = ast.parse((ROOT / file).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_text_that_is_gone_or_there_twice_is_an_error():
    bug = Bug("none", "x.py", "a = 1", "a = 2", ())
    for source in ("", "a = 1\na = 1\n"):
        with pytest.raises(LookupError, match="found [02] times in x.py"):
            bug.applied(source)


def test_mutations_change_one_place_each():
    source = "def f(x: int = 2) -> float:\n    return -x + 1.5 if x < 3 else 2.0\n"
    changed = dict(mutations(source))
    assert len(changed) == len(set(changed.values())) == 7
    assert "return -x - 1.5 if x < 3" in changed["line 2: -x + 1.5 -> -x - 1.5"]
    assert "x <= 3" in changed["line 2: x < 3 -> x <= 3"]
