"""No result depends on what lay in memory before: compiled code reads only what it has written."""

import json
import os
import subprocess
import sys


def test_compiled_code_reads_only_what_it_has_written() -> None:
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "tests.support.scratch"]
    found = json.loads(subprocess.check_output(command, env=environment, text=True))
    assert found["different"] == []
    assert found["missed"] == [], "no pass comes to these arrays; add one to tests.support.scratch"
