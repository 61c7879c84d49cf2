"""Numbers at both ends of double precision: an answer or a sentence, never a raw exception."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.cli import main
from bayesgmm.data import Dataset, NewRows
from bayesgmm.diagnosis.findings import beyond
from bayesgmm.errors import BayesGMMError, ConfigError, DataError, DegeneracyWarning

ROWS = np.random.default_rng(1).normal(size=(40, 2)) + np.repeat([[0.0], [5.0]], 20, axis=0)
SHORT: dict[str, Any] = {"draws": 20, "tune": 40, "chains": 1, "seed": 1}
EXTREMES = (1e-320, 1e-150, 1e-50, 1e-30, 1e-10, 1e10, 1e30, 1e50, 1e150, 1e300)


@pytest.mark.parametrize("unit", [1e-150, 1e-100, 1e100, 1e149], ids=str)
def test_any_unit_gives_the_same_fit(unit: float) -> None:
    fit = bg.fit_em(ROWS * unit, 2, seed=1, n_starts=2)
    plain = bg.fit_em(ROWS, 2, seed=1, n_starts=2)
    moved = plain.log_likelihood - ROWS.size * math.log(unit)
    assert fit.log_likelihood == pytest.approx(moved, rel=1e-12)
    assert fit.parameters.means == pytest.approx(plain.parameters.means * unit, rel=1e-6)


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e-155])
def test_a_spread_without_a_square_is_refused(unit: float) -> None:
    with pytest.raises(DataError, match="column 'x1' varies by .*in another unit"):
        bg.fit_em(ROWS * unit, 2, seed=1)
    missing = ROWS.copy()
    missing[0, 0] = np.nan
    with pytest.raises(DataError, match="in another unit"):
        Dataset.from_frame(dict_frame(missing * unit), missing="mar")


def dict_frame(rows: np.ndarray) -> Any:
    import pandas as pd

    return pd.DataFrame(rows, columns=["x1", "x2"])


@pytest.mark.parametrize("value", EXTREMES, ids=str)
@pytest.mark.parametrize(
    "name", ["concentration", "mean_scale", "scale", "scale_sigma", "eta", "mean_location"]
)
def test_priors_at_both_ends_give_an_answer_or_a_sentence(name: str, value: float) -> None:
    """Other warnings are errors here, as everywhere in these tests."""
    spec = bg.MixtureSpec(2, priors=bg.Priors(**{name: value}))
    beyond_range = not 1e-50 <= value <= 1e50 and not (name == "mean_location" and value < 1)
    if beyond_range:
        with pytest.raises(ConfigError, match=f"^{name} must be .*1e.50"):
            bg.fit_map(ROWS, spec, seed=1)
        return
    try:
        bg.fit_map(ROWS[::4], spec, seed=1, n_starts=1)
    except (BayesGMMError, DegeneracyWarning) as said:  # which of the two, roundings may decide
        assert str(said)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["lognormal", "halfnormal"])
@pytest.mark.parametrize("value", EXTREMES, ids=str)
@pytest.mark.parametrize(
    "name", ["concentration", "mean_scale", "scale", "scale_sigma", "eta", "mean_location"]
)
def test_draws_under_priors_at_both_ends(name: str, value: float, family: Any) -> None:
    priors = bg.Priors(**{name: value}, scale_family=family)
    try:
        tree = bg.sample(ROWS, bg.MixtureSpec(2, priors=priors), **SHORT)
    except BayesGMMError:
        return
    assert np.isfinite(tree["posterior"]["means"]).all()


@pytest.mark.parametrize("value", [1e-320, 1e-50, 1e49, 1e60, 1e300], ids=str)
def test_recording_steps_at_both_ends(value: float) -> None:
    spec = bg.MixtureSpec(1, resolution=value)
    if value > 1e51:
        with pytest.raises(ConfigError, match=r"resolution must be up to 1e\+50 times"):
            bg.sample(ROWS, spec, **SHORT)
    else:
        assert np.isfinite(bg.sample(ROWS, spec, **SHORT)["posterior"]["means"]).all()


def test_new_rows_are_no_data_set_to_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One row, equal rows, and columns that do not vary, on the command line too."""
    monkeypatch.chdir(tmp_path)
    bg.save(bg.sample(dict_frame(ROWS), 2, **SHORT), "p.nc")
    for rows in (["1,2"], ["1,2", "1,2", "1,2"], ["1,2", "1,3"]):
        Path("new.csv").write_text("\n".join(["x2,x1", *rows, ""]))
        main(["predict", "p.nc", "new.csv", "--out", "m.csv", "--overwrite"])
        assert "error" not in capsys.readouterr().err
        assert len(Path("m.csv").read_text().splitlines()) == 1 + len(rows)
    assert NewRows.from_csv("new.csv").centre().tolist() == [1.0, 2.5]  # x2, x1
    Path("new.csv").write_text("x1,x2\n1,\n")
    assert main(["predict", "p.nc", "new.csv"]) == 2


def test_a_number_beyond_its_limit_is_never_printed_as_its_limit() -> None:
    rng = np.random.default_rng(1)
    for limit, digits, kind in ((1.01, 3, "f"), (400.0, 0, "f"), (0.001, 1, "%"), (0.9, 0, "%")):
        for size in 10.0 ** rng.uniform(-12, -1, 50):
            shown = beyond(limit + size, limit, digits, kind)
            value = float(shown.rstrip("%")) / (100.0 if kind == "%" else 1.0)
            rounding = 0.5 * 10.0**-digits / (100.0 if kind == "%" else 1.0)
            assert abs(value - limit) > 1e-15
            assert value == pytest.approx(limit + size, rel=0.1, abs=1.01 * rounding)
    assert beyond(1.0132, 1.01, 3) == "1.013"
