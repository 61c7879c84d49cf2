"""What the command line prints to a terminal of a given width."""

from io import StringIO

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from bayesgmm.cli import printing

WHOLE = (
    "K", "log lik.", "BIC", "ICL", "elpd LOO", "elpd WAIC", "weight", "log evidence", "by", "p(K)",
    "verdict",
)  # fmt: skip


@pytest.fixture
def table() -> pd.DataFrame:
    """Old Faithful, as `compare` gives it."""
    return pd.DataFrame(
        {
            "covariance": "full",
            "log_likelihood": [-1289.80, -1130.26, -1114.44],
            "bic": [2607.62, 2322.19, 2324.18],
            "icl": [2607.62, 2322.70, 2351.37],
            "elpd_loo": [-1294.26, -1141.72, -1137.35],
            "se_loo": [11.36, 16.99, 16.67],
            "elpd_waic": [-1294.2, -1141.6, -1136.9],
            "weight": [0.0, 0.1, 0.9],
            "log_evidence": [-1310.52, -1164.29, -1161.48],
            "log_evidence_error": [0.01, 0.01, np.inf],
            "evidence_method": ["bridge sampling", "bridge sampling", "sequential Monte Carlo"],
            "probability": [0.0, 0.041, np.nan],
            "probability_error": [0.0, 0.001, np.nan],
            "verdict": ["converged", "converged", "not converged: the sampler had trouble"],
        },
        index=pd.Index([1, 2, 3], name="K"),
    )


def printed(table: pd.DataFrame, width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines that a terminal of this width shows."""
    console = Console(width=width, highlight=False, record=True, file=StringIO())
    monkeypatch.setattr(printing, "_console", lambda: console)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    printing._print_comparison(table)
    return [line.rstrip() for line in console.export_text().splitlines() if line.strip()]


def test_a_wide_terminal_gets_every_column_on_one_line_a_k(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(table, 160, monkeypatch)
    assert len(lines) == 6  # the head has two lines, and a rule under it
    head = lines[0] + lines[1]
    assert all(name in head for name in WHOLE) and "K not in {3}" in head
    assert lines[5].endswith("not converged: the sampler had trouble")


@pytest.mark.parametrize("width", [80, 100, 120])
def test_on_a_narrow_terminal_only_a_long_verdict_wraps_and_no_figure_is_cut(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    lines = printed(table, width, monkeypatch)
    assert max(map(len, lines[:-1])) <= width
    first, second = lines[3], lines[4]
    for cell in ("2322.19", "-1141.7 ± 17.0", "-1164.29 ± 0.01", "0.041 ± 0.001", "converged"):
        assert cell in second
    assert first.split()[0] == "1" and "…" not in "".join(lines)
    left_out = [name for name in WHOLE if name not in lines[0] + lines[1]]
    assert left_out and all(name in lines[-1] for name in left_out)
