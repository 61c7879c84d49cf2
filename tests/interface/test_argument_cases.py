import pytest

from bayesgmm.cli.outcome import exit_code
from bayesgmm.errors import ResultFileError
from tests.support.bad_inputs.argument_cases import CASES, Case


def test_names_are_distinct():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 200


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_with_a_sentence(case: Case, tmp_path, monkeypatch):
    if "run_analysis" not in case.name:
        monkeypatch.chdir(tmp_path)
    with pytest.raises(case.error) as caught:
        case.run(tmp_path)
    message = str(caught.value)
    assert isinstance(caught.value, case.error) and type(caught.value).__name__.strip("_") in (
        case.error.__name__,
        "NotFitted",
    )
    for words in case.words:
        assert words in message
    assert message.endswith((".", "?")) and "\n" not in message and len(message) < 400
    assert exit_code(caught.value) == (4 if case.error is ResultFileError else 2)
    assert not list(tmp_path.iterdir())
