"""Long steps say how far they are: in the log, or as a bar on stderr."""

import logging

import pytest

from bayesgmm.errors import ConfigError
from bayesgmm.runtime.progress import steps


def test_each_step_is_a_line_of_the_log(caplog):
    with caplog.at_level(logging.INFO, logger="bayesgmm"):
        assert list(steps(["a", "b"], "settings", progress=False)) == ["a", "b"]
    said = [record.getMessage() for record in caplog.records]
    assert [line.rsplit(",", 1)[0] for line in said] == ["settings: 1 of 2", "settings: 2 of 2"]


def test_a_bar_is_shown_on_stderr_alone(capsys):
    assert list(steps(range(3), "models", progress=True)) == [0, 1, 2]
    shown = capsys.readouterr()
    assert not shown.out and "models" in shown.err


def test_anything_else_is_refused():
    with pytest.raises(ConfigError, match="progress must be"):
        list(steps([1], "models", progress="yes"))
