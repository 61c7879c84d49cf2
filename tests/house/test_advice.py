"""Options in messages are data: Python, the command line and a model file each say them anew."""

import ast
import inspect
import pickle
import re
import warnings
from pathlib import Path

import pytest

from bayesgmm import errors
from bayesgmm.advice import Advice, Option
from bayesgmm.cli.outcome import as_options
from bayesgmm.cli.printing import print_verdict
from bayesgmm.cli.reading import _options
from bayesgmm.data import Dataset
from bayesgmm.diagnosis import diagnose
from bayesgmm.diagnosis.findings import mixing
from bayesgmm.posterior.mcmc_error import ChainStatistics
from bayesgmm.sampling import sample
from tests.support.bad_inputs.data_cases import TEXTS
from tests.support.csv_kinds import KINDS, read
from tests.support.places import PACKAGE

MODULES = sorted(PACKAGE.rglob("*.py"))
# Whose strings are no messages: a script for Python, and a pattern of a line in files.
OTHERS = {"report/reproduction.py": None, "data/records.py": '"?sep=(.|'}
READING = set(inspect.signature(_options).parameters) - {"unit"}
NAMES = READING | {"overwrite", "covariance", "resolution", "method"}
GIVEN = re.compile(rf"\b(?:{'|'.join(sorted(NAMES))})=")


def strings(path: Path) -> list[str]:
    """The strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text())
    silent = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_message_spells_an_option_out(path: Path) -> None:
    other = OTHERS.get(str(path.relative_to(PACKAGE)), "")
    spelled = [text for text in strings(path) if GIVEN.search(text)]
    if other is None:
        assert spelled, "no exception is needed any more"
        return
    assert not [text for text in spelled if not (other and text.startswith(other))]


def spoken(path: Path, options: dict[str, object]) -> list[str]:
    """What is said while a file is read, as the error and the warnings hold it."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", errors.DataWarning)
        try:
            Dataset.from_csv(path, **options)
        except errors.BayesGMMError as error:
            assert error.advised == getattr(error.args[0], "options", ())
            return [error.args[0]]
    return [one.message.args[0] for one in told]


def held(said: str) -> None:
    """Every option in the text is one of those that it holds as data."""
    options = said.options if isinstance(said, Advice) else ()
    in_python = [str(option) for option in options if option.value is not None]
    assert len(GIVEN.findall(said)) == sum(len(GIVEN.findall(text)) for text in in_python), said
    for command in ("", "run"):
        shown = as_options(said, command)
        assert not GIVEN.search(shown), shown
        assert (shown == said) == (not options)


@pytest.mark.parametrize("name", KINDS)
def test_what_is_said_of_files_holds_its_options(name: str, tmp_path: Path) -> None:
    kind, path = KINDS[name], tmp_path / "table.csv"
    path.write_bytes(kind.content if isinstance(kind.content, bytes) else kind.content.encode())
    for said in spoken(path, {}):
        held(said)
    if not kind.plain:
        assert any(isinstance(said, Advice) for said in spoken(path, {})) == bool(
            GIVEN.search(read(path, {}).said)
        )


@pytest.mark.parametrize("case", TEXTS, ids=lambda case: case.name)
def test_errors_of_bad_files_hold_their_options(case, tmp_path: Path) -> None:
    with pytest.raises(case.error) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case.run(tmp_path)
    held(caught.value.args[0])


def test_options_survive_what_is_done_to_messages() -> None:
    advice = "split at ','; " + Advice("pass ", Option("sep", ";")) + ", or correct it."
    assert advice == "split at ','; pass sep=';', or correct it."
    assert advice.options == (Option("sep", ";"),)
    error = errors.DataError(advice, column="a")
    for copied in (error, pickle.loads(pickle.dumps(error))):
        assert (str(copied), copied.column) == (str(advice), "a")
        assert copied.advised == advice.options
    assert errors.DataError("plain").advised == ()
    nested = Advice.joined("; ", [advice, "b", Advice(Option("na", ["?"]))])
    assert nested == f"{advice}; b; na=['?']" and len(nested.options) == 2


@pytest.mark.parametrize(
    ("option", "python", "shell", "file"),
    [
        (Option("sep", "\t"), r"sep='\t'", "--sep tab", r'sep = "\t" in [data]'),
        (
            Option("thousands", " "),
            "thousands=' '",
            "--thousands blank",
            "thousands = ' ' in [data]",
        ),
        (
            Option("thousands", "'"),
            'thousands="\'"',
            r"--thousands ''\'''",
            'thousands = "\'" in [data]',
        ),
        (Option("header", False), "header=False", "--no-header", "header = false in [data]"),
        (Option("row_labels", 1), "row_labels=1", "--row-labels '1'", "row_labels = 1 in [data]"),
        (Option("row_labels"), "row_labels", "--row-labels", "row_labels in [data]"),
        (
            Option("na", ["?", "-9"]),
            "na=['?', '-9']",
            "--na '?' --na '-9'",
            "na = ['?', '-9'] in [data]",
        ),
        (
            Option("columns", ["a,b", "c"]),
            "columns=['a,b', 'c']",
            """--columns '"a,b",c'""",
            "columns = ['a,b', 'c'] in [data]",
        ),
        (Option("columns", ...), "columns=[...]", "--columns ...", "columns = [...] in [data]"),
        (
            Option("covariance", "tied"),
            "covariance='tied'",
            "--covariance 'tied'",
            "covariance = 'tied' in [model]",
        ),
        (
            Option("method", "smc"),
            "method='smc'",
            "--method 'smc'",
            "method = 'smc' in [sampler]",
        ),
        (Option("draws"), "draws", "--draws", "--draws"),
        (Option("target_accept"), "target_accept", "--target-accept", "target_accept in [sampler]"),
        (
            Option("extend", text="extend(posterior)"),
            "extend(posterior)",
            "extend(posterior) in Python",
            "extend(posterior) in Python",
        ),
        (Option("overwrite", True), "overwrite=True", "--overwrite", "--overwrite"),
    ],
)
def test_an_option_in_three_languages(option: Option, python: str, shell: str, file: str) -> None:
    advice = Advice(option)
    assert (advice, as_options(advice), as_options(advice, "run")) == (python, shell, file)


def test_the_cures_of_a_verdict_are_said_in_the_words_of_the_command() -> None:
    judged = {"means[1]": ChainStatistics(50.0, 60.0, 1.02, 0.1, 0.1)}
    few, short = (finding.sentence for finding in mixing(judged))
    assert "; sample more draws, or take" in few and "; sample more --draws," in as_options(few)
    assert short.endswith("times as many draws, or go on with extend(posterior).")
    for command in ("", "run"):
        said = as_options(short, command)
        assert said.endswith("times as many --draws, or go on with extend(posterior) in Python.")


def test_the_command_line_says_a_verdict_in_its_own_words(capsys) -> None:
    rows = [[0.0], [0.2], [0.5], [5.0], [5.1], [5.4], [0.3], [5.2]]
    print_verdict(diagnose(sample(rows, 1, draws=20, chains=2, seed=1)))
    assert "times as many --draws" in capsys.readouterr().out
