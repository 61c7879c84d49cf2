"""No file is silently wrong, and every cure that a message offers leads on."""

import warnings

import pytest

from bayesgmm.errors import DataError
from tests.support.bad_inputs.data_cases import TEXTS
from tests.support.csv_kinds import KINDS, Kind, followed, read


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_there_are_enough_kinds():
    assert len(KINDS) >= 60


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_nothing_is_silently_wrong(kind: Kind, file):
    reading = read(file(kind.content), {})
    assert reading.is_right(kind) == kind.plain
    assert bool(reading.said) != kind.plain


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_following_the_cures_leads_to_the_right_reading(kind: Kind, file):
    ends = list(followed(file(kind.content)))
    assert any(end.is_right(kind) for end in ends), [(end.options, end.said) for end in ends]


@pytest.mark.parametrize("case", TEXTS, ids=lambda case: case.name)
def test_cures_for_bad_files_lead_on(case, tmp_path):
    """A cure may end in another message, never in the same one or in a wrong argument."""
    if case.error is not DataError or "csv" not in case.name:
        return
    with pytest.raises(DataError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case.run(tmp_path)
    path = tmp_path / "table.csv"
    if path.exists():
        assert list(followed(path))
