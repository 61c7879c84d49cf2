"""Limits stand in one place: what decides by them reads them, what quotes them agrees."""

import ast
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayesgmm import limits
from tests.support.places import PAGES_OF_THE_SITE, ROOT

PACKAGE = ROOT / "bayesgmm"
MODULES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "limits.py" and "compiled" not in path.parts
]
PAGES = [ROOT / "README.md", ROOT / "models/README.md", *PAGES_OF_THE_SITE]
LIMITS = {name: value for name, value in vars(limits).items() if name.isupper()}
# Values that nothing but the limit has: they are not even to be set elsewhere.
OWN = {
    "R_HAT", "R_HAT_APART", "R_HAT_REFIT", "ESS", "PARETO_K", "SMALL_DIFFERENCE", "INTERVAL",
    "IDENTIFIED_TO_MATCH", "MAX_ABSOLUTE", "MAX_CONDITION", "HUGE_CODE", "MAX_EXACT_INTEGER",
}  # fmt: skip
WORDS = {"two": 2.0, "three": 3.0, "hundredth": 0.01, "tenth": 0.1}

# How pages and docstrings quote each limit; `%` after a number makes it a share.
QUOTES = [
    (r"(?:Pareto )?k above (N)", limits.PARETO_K),
    (r"n?_?rows above (N)", limits.PARETO_K),
    (r"Pareto k below (N)", limits.PARETO_K_MATCHED),
    (r"identification score (?:is|of) at least (N)", limits.IDENTIFIED_TO_MATCH),
    (r"(N) nats of the best", limits.SMALL_DIFFERENCE),
    (r"differences below (N) nats", limits.SMALL_DIFFERENCE),
    (r"within (N) standard errors of the difference", limits.ELPD_ERRORS),
    (r"log likelihood exceeds (N)", limits.ROW_VARIANCE),
    (r"(N) rows or for differences", limits.FEW_ROWS),
    (r"(?:within|more than) (N) errors", limits.AGREEMENT),
    (r"(?:at most|by more than) (N) nats", limits.NEGLIGIBLE),
    (r"by more than log (N) nats", limits.IDENTIFYING_ODDS),
    (r"factor of (N) where", limits.LEFT_OUT_FACTOR),
    (r"runs of both kinds together, at least (N)", limits.FEWEST_RUNS),
    (r"fewer than (N) runs", limits.ENOUGH_RUNS),
    (r"(N) / ESS", limits.EMPTY_DRAWS),
    (r"(?:modes?|each|they)(?: that)? holds? (?:more than )?(N %)", limits.VISIBLE),
    (r"more than (N %) of the posterior", limits.VISIBLE),
    (r"more than (N %) of its mass in", limits.IN_ANOTHER_MODE),
    (r"less than (N %) of draws", limits.IDENTIFIED),
    (r"(N %) intervals?\b", limits.INTERVAL),
    (r"(N)(?: x the)? recording steps?", limits.ERROR_PER_STEP),
    (r"more than (N) such slabs", limits.CHANCE_SLABS),
    (r"Above (N) the component", limits.CHANCE_SLABS),
    (r"a (tenth) of the pooled standard deviation", math.sqrt(limits.NARROW)),
    (r"above (N) in size", limits.MAX_ABSOLUTE),
    (r"Gaps below (N) of the range", limits.GAP_FLOOR),
    (r"relative (N), since", limits.ROUNDED),
    (r"by less than (N) standard errors", limits.NUMBERED_ERRORS),
    (r"by less than (?:3 standard errors or )?(N) of its standard", limits.NUMBERED_APART),
    (r"more than (N %) of what is available", limits.MEMORY_SHARE),
    (r"not between 1 and (N)", limits.MOST_COMPONENTS),
    (r"within (N) nats(?:;| \|)", limits.REACHED),
]
NUMBER = r"(?:\d+(?:\.\d+)?(?:e-?\d+)?|two|three|hundredth|tenth)"


def pattern(quote: str) -> re.Pattern[str]:
    return re.compile(quote.replace("N", NUMBER))


def value(text: str) -> float:
    if text in WORDS:
        return WORDS[text]
    return float(text.removesuffix(" %")) / (100.0 if text.endswith("%") else 1.0)


def docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def spoken(tree: ast.AST) -> Iterator[str]:
    """Yield the strings of a module that are no docstrings, with {} for what is interpolated."""
    silent = {id(node) for node in docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
            silent |= {id(part) for part in ast.walk(node)}
            yield "".join(map(str, parts))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node.value


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """All pages and docstrings, each with single spaces between its words."""
    texts = {path.name if path.parent == ROOT else str(path): path.read_text() for path in PAGES}
    for path in [*MODULES, PACKAGE / "limits.py"]:
        strings = (str(node.value) for node in docstrings(ast.parse(path.read_text())))
        texts[str(path.relative_to(ROOT))] = "\n".join(strings)
    return {name: " ".join(text.split()) for name, text in texts.items()}


@pytest.mark.parametrize(("quote", "limit"), QUOTES, ids=[quote for quote, _ in QUOTES])
def test_pages_and_docstrings_quote_the_limit(
    quote: str, limit: float, written: dict[str, str]
) -> None:
    found = {
        (name, text) for name, page in written.items() for text in pattern(quote).findall(page)
    }
    assert found, "nothing quotes it any more: leave it out"
    wrong = {each for each in found if not math.isclose(value(each[1]), limit)}
    assert not wrong


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_messages_interpolate_their_limits(path: Path) -> None:
    also = (r"R-hat (?:must be )?at most N", r"sample size (?:is )?at least N", r"at least N %")
    quotes = [pattern(quote) for quote in (*(quote for quote, _ in QUOTES), *also)]
    fixed = ("50 % interval",)  # that is the thick line of a picture, always
    for text in spoken(ast.parse(path.read_text())):
        said = " ".join(text.split())
        for chosen in fixed:
            said = said.replace(chosen, "")
        for quote in quotes:
            assert not quote.search(said), f"{said!r}: interpolate the limit"


def numbers_that_decide(tree: ast.Module) -> Iterator[tuple[int, float, bool]]:
    """Yield line and value of numbers compared with (also with a factor), set or defaults."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                factors = [side.left, side.right] if isinstance(side, ast.BinOp) else [side]
                for factor in factors:
                    if isinstance(factor, ast.UnaryOp):
                        factor = factor.operand
                    if isinstance(factor, ast.Constant):
                        yield node.lineno, factor.value, True
        elif isinstance(node, ast.arguments):
            for default in (*node.defaults, *node.kw_defaults):
                if isinstance(default, ast.Constant):
                    yield default.lineno, default.value, False
    for node in tree.body:
        if isinstance(node, ast.Assign):
            given = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            for each in given:
                if isinstance(each, ast.Constant):
                    yield node.lineno, each.value, False


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_decides_reads_its_limits(path: Path) -> None:
    decisive = {v: name for name, v in LIMITS.items() if isinstance(v, float) or v >= 100}
    own = {LIMITS[name]: name for name in OWN}
    plain = {0.0, 1.0, 2.0, 3.0, 4.0}  # of arithmetic too
    for line, number, compared in numbers_that_decide(ast.parse(path.read_text())):
        if isinstance(number, bool) or not isinstance(number, int | float):
            continue
        if isinstance(number, int) and number < 100 and not compared:
            continue
        name = (
            decisive.get(number) if compared and number not in plain
            else own.get(number) if isinstance(number, float) else None
        )  # fmt: skip
        assert name is None, f"line {line}: {number} is the value of limits.{name}"


def test_every_limit_is_used_and_has_its_source() -> None:
    used = {name for path in MODULES for name in re.findall(r"\b[A-Z][A-Z_]+\b", path.read_text())}
    assert set(LIMITS) <= used, set(LIMITS) - used
    lines = (PACKAGE / "limits.py").read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[A-Z_]+ = ", line):
            before = lines[number - 1]
            assert before.startswith("# ") or re.match(r"[A-Z_]+ = ", before), line
