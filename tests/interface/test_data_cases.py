import pytest

from bayesgmm.cli.outcome import exit_code
from bayesgmm.errors import DataWarning
from tests.support.bad_inputs.data_cases import CASES, Case


def test_names_are_distinct_and_cover_enough():
    assert len({case.name for case in CASES}) == len(CASES) >= 100


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_refused_with_a_sentence(case: Case, tmp_path):
    with pytest.raises(case.error) as caught:
        case.run(tmp_path)
    message = str(caught.value)
    assert type(caught.value) is case.error
    for words in case.words:
        assert words in message
    assert message.endswith((".", "?")) and "\n" not in message and len(message) < 700
    assert exit_code(caught.value) == 2 or case.error is DataWarning
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
