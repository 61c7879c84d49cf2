"""Any argument that a signature allows: a result, or an error of ours in one sentence."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzzing.calling import fuzz_calls
from tests.fuzzing.verbs import NOT_WALKED, Material, Verb, public_names, verbs


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Verb]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("calls"))  # a relative path is a file there
        yield list(verbs(Material(Path.cwd())))


def test_every_public_function_is_walked(walked: list[Verb]) -> None:
    names = {verb.name for verb in walked}
    assert names - {"ByModel"} == set(public_names()) - set(NOT_WALKED)
    assert set(NOT_WALKED) <= set(public_names())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # lost Ctrl-C
def test_hostile_arguments_get_a_result_or_a_sentence(walked: list[Verb]) -> None:
    """Two values for each parameter of each function; ``python -m tests.fuzzing calls`` for all."""
    outcomes = list(fuzz_calls(20261129, Path.cwd(), walked, each=2, patience=0.2))
    assert [outcome.fault for outcome in outcomes if outcome.fault] == []
    assert len(outcomes) > 600
