"""A second process compiles what draws need, once, and what it compiles is what they call."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bayesgmm.likelihood import ahead

USED = """
import json
from importlib import import_module
from pathlib import Path
import numpy as np
import bayesgmm as bg
import bayesgmm.likelihood.compiled as package
from bayesgmm.runtime.programs import Program
from bayesgmm.likelihood.ahead import rehearse

def signatures():
    modules = [import_module(f"{package.__name__}.{path.stem}")
               for path in Path(package.__file__).parent.glob("[a-z]*.py")]
    programs = {f for module in modules for f in vars(module).values() if isinstance(f, Program)}
    return {f.py_func.__name__: len(f.signatures) for f in programs if f.signatures}

rehearse()
rehearsed = signatures()
rows = np.random.default_rng(1).normal(size=(40, 3))
posterior = bg.sample(rows, 2, draws=100, tune=100, chains=2, seed=1, method="nuts")
bg.log_evidence(posterior, seed=1)
bg.smc_evidence(posterior, seed=1)
after = signatures()
print(json.dumps([rehearsed, {name: after[name] for name in rehearsed}, sorted(after)]))
"""


def test_what_is_rehearsed_is_what_draws_and_evidence_call() -> None:
    """Not one of these functions has another signature on real rows."""
    found = subprocess.check_output([sys.executable, "-W", "ignore", "-c", USED], text=True)
    rehearsed, again, all_used = json.loads(found)
    assert rehearsed == again
    assert {"sweep_chains", "curvature_at", "density_at", "log_densities"} <= set(rehearsed)
    assert len(set(all_used) - set(rehearsed)) < len(rehearsed)


FIT = """
import json
import numpy as np
from numba.core import event
import bayesgmm as bg

class Names(event.Listener):
    def __init__(self): self.found = set()
    def on_start(self, event): self.found.add(event.data["dispatcher"].py_func.__name__)
    def on_end(self, event): ...

names = Names()
event.register("numba:compile", names)
bg.fit_em(np.random.default_rng(1).normal(size=(40, 3)), 2, seed=1)
print(json.dumps(sorted(names.found)))
"""


@pytest.mark.slow
def test_a_first_fit_compiles_nothing_that_other_models_need(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", FIT]
    names = set(json.loads(subprocess.check_output(command, env=environment, text=True)))
    assert {"climb_plain", "add_moments"} <= names
    others = {"climb_covariances", "maximise_factored", "write_layers", "unpack_loadings"}
    assert not names & {*others, "log_posterior", "sum_grouped"}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands of the processes that were started; none is."""
    commands = []

    class Started:
        def __init__(self, command: list[str], **_: Any) -> None:
            commands.append(command)

        def kill(self) -> None: ...
        def wait(self) -> None: ...

    monkeypatch.setattr(ahead.subprocess, "Popen", Started)
    monkeypatch.setattr(ahead, "_helper", [])
    monkeypatch.setattr(ahead, "available_cores", lambda: 2)
    monkeypatch.setattr(ahead, "is_stored", lambda _: False)
    return commands


def test_one_process_is_started_where_nothing_is_stored(started: list[list[str]]) -> None:
    ahead.compile_ahead()
    ahead.compile_ahead()
    assert len(started) == 1
    assert str(os.getpid()) in started[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [("available_cores", lambda: 1), ("is_stored", lambda _: True)],
    ids=["one core", "stored"],
)
def test_none_is_started_where_it_has_no_use(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    monkeypatch.setattr(ahead, name, value)
    ahead.compile_ahead()
    assert started == []


@pytest.mark.parametrize("executable", ["", "/opt/rsession", None])
def test_none_is_started_where_python_is_part_of_another_program(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, executable: str | None
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    ahead.compile_ahead()
    assert started == []


def test_nothing_more_is_compiled_once_the_process_that_needs_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[int] = []
    monkeypatch.setattr(ahead, "_steps", lambda *_: [lambda: called.append(1)])
    ahead.rehearse(os.getppid())
    assert called == [1]
    ahead.rehearse(-1)
    assert called == [1]
