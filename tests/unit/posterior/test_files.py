"""Result files: what is written comes back, and nothing damaged passes."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import arviz as az
import netCDF4
import numpy as np
import pytest
import xarray as xr

from bayesgmm.errors import ConfigError, ResultFileError
from bayesgmm.posterior import load, save
from bayesgmm.posterior.files import check_writable, strict_json, write_text
from bayesgmm.posterior.tree import SCHEMA_VERSION, with_attributes
from bayesgmm.runtime.interruption import holding_ctrl_c
from tests.support.small_tree import small_tree

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def tree() -> xr.DataTree:
    return small_tree()


@pytest.fixture
def saved(tree: xr.DataTree, tmp_path: Path) -> Path:
    return save(tree, tmp_path / "posterior.nc")


def test_everything_comes_back(tree: xr.DataTree, saved: Path) -> None:
    again = load(saved)
    assert set(again.groups) == set(tree.groups)
    for group in tree.groups:
        for name, variable in tree[group].variables.items():
            read = again[group].variables[name]
            assert read.dtype == variable.dtype, name
            assert read.identical(variable), name
    assert {k: again.attrs[k] for k in tree.attrs} == tree.attrs
    os.remove(saved)  # nothing is read lazily from the file
    assert float(again.posterior.means.mean()) == float(tree.posterior.means.mean())


def test_other_programs_read_it(tree: xr.DataTree, saved: Path) -> None:
    again = az.from_netcdf(saved).load()
    again.close()
    np.testing.assert_array_equal(again.posterior.means, tree.posterior.means)


def test_no_variable_holds_strings_of_variable_length(saved: Path) -> None:
    """HDF5 2.0 may crash the process when it reads a second file that does."""
    with netCDF4.Dataset(saved) as file:
        groups = [file, *file.groups.values()]
        kinds = {str(v.dtype) for group in groups for v in group.variables.values()}
    assert "<class 'str'>" not in kinds and "|S1" in kinds


def test_saving_what_was_loaded_gives_the_same_hash(saved: Path, tmp_path: Path) -> None:
    save(load(saved), tmp_path / "again.nc")
    assert load(tmp_path / "again.nc").attrs == load(saved).attrs


def test_existing_file_is_kept_unless_overwritten(tree: xr.DataTree, saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(ResultFileError, match="exists; pass overwrite=True"):
        save(tree, saved)
    assert saved.read_bytes() == before
    other = with_attributes(tree, seed=7)
    assert load(save(other, saved, overwrite=True)).attrs["seed"] == "7"
    assert os.listdir(saved.parent) == ["posterior.nc"]


def test_result_files_get_ordinary_permissions(saved: Path) -> None:
    plain = saved.with_name("plain")
    plain.touch()
    assert saved.stat().st_mode == plain.stat().st_mode


def test_a_link_stays_a_link(tree: xr.DataTree, saved: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest.nc"
    link.symlink_to(saved)
    save(with_attributes(tree, seed=8), link, overwrite=True)
    assert link.is_symlink() and load(saved).attrs["seed"] == "8"


def test_no_mutation_passes_and_none_raises_anything_else(saved: Path, tmp_path: Path) -> None:
    """500 changed bytes, cuts, insertions and additions: each is noticed, with our error."""
    good, damaged, rng = saved.read_bytes(), tmp_path / "damaged.nc", RNG(2)
    for i in range(500):
        at, kind = int(rng.integers(len(good))), i % 5
        if kind < 2:
            flipped = bytes([good[at] ^ (1 << int(rng.integers(8)))])
            bad = good[:at] + flipped + good[at + 1 :]
        elif kind == 2:
            bad = good[:at]
        elif kind == 3:
            bad = good[:at] + rng.bytes(8) + good[at:]
        else:
            bad = good[:-at] + rng.bytes(at)
        damaged.write_bytes(bad)
        with pytest.raises(ResultFileError, match="damaged"):
            load(damaged)


@pytest.mark.parametrize("tail", [1, 20, 83, 84, 85, 100])
def test_a_file_cut_near_its_end_is_noticed(saved: Path, tail: int) -> None:
    good = saved.read_bytes()
    saved.write_bytes(good[:-tail])
    with pytest.raises(ResultFileError, match="cut short"):
        load(saved)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a netCDF-4 file"),
        (b"a,b\n1,2\n", "not a netCDF-4 file"),
        (b"CDF\x01" + bytes(100), "not a netCDF-4 file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(500), "do not match the hash"),
    ],
)
def test_foreign_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.nc"
    path.write_bytes(content)
    with pytest.raises(ResultFileError, match=message):
        load(path)


def test_netcdf_of_another_program_is_foreign(tmp_path: Path) -> None:
    path = tmp_path / "x.nc"
    xr.Dataset({"a": ("x", [1.0])}).to_netcdf(path, engine="netcdf4")
    with pytest.raises(ResultFileError, match="not a file that bayesgmm wrote"):
        load(path)


def test_no_such_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ResultFileError, match="No such file"):
        load(tmp_path / "x.nc")
    with pytest.raises(ResultFileError, match="Is a directory"):
        load(tmp_path)


def test_newer_version_is_named(
    tree: xr.DataTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bayesgmm.posterior.files.SCHEMA_VERSION", SCHEMA_VERSION + 1)
    path = save(tree, tmp_path / "x.nc")
    monkeypatch.undo()
    with pytest.raises(ResultFileError, match="update bayesgmm") as caught:
        load(path)
    assert caught.value.version == SCHEMA_VERSION + 1


def test_arrays_that_do_not_match_their_hash(
    tree: xr.DataTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong content hash is refused when writing: the file is read back before it counts."""
    monkeypatch.setattr("bayesgmm.posterior.files.with_attributes", lambda t, **v: _spoilt(t, v))
    with pytest.raises(ResultFileError, match="do not match their hash"):
        save(tree, tmp_path / "x.nc")
    assert os.listdir(tmp_path) == []


def _spoilt(tree: xr.DataTree, values: dict[str, object]) -> xr.DataTree:
    spoilt = with_attributes(tree, **values)
    spoilt["log_prior"] = xr.DataTree(xr.zeros_like(spoilt["log_prior"].to_dataset()))
    return spoilt


def test_what_netcdf_cannot_hold_is_our_error(tree: xr.DataTree, tmp_path: Path) -> None:
    odd = tree.copy()
    odd["posterior"] = xr.DataTree(odd["posterior"].to_dataset().assign({"": ("x", [1.0])}))
    with pytest.raises(ResultFileError, match="cannot write"):
        save(odd, tmp_path / "x.nc")
    assert os.listdir(tmp_path) == []


def test_only_results_are_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="DataTree that sample returns"):
        save({"posterior": 1}, tmp_path / "x.nc")  # type: ignore[arg-type]


def test_missing_folder_and_full_names(tree: xr.DataTree, tmp_path: Path) -> None:
    with pytest.raises(ResultFileError, match="No such file or directory"):
        save(tree, tmp_path / "missing" / "x.nc")
    with pytest.raises(ResultFileError, match="is a folder"):
        save(tree, tmp_path, overwrite=True)


def test_text_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.csv", "α\nβ\n")
    assert path.read_bytes() == "α\nβ\n".encode()
    with pytest.raises(ResultFileError, match="exists"):
        write_text(path, "x")
    write_text(path, "x", overwrite=True)
    assert path.read_text() == "x" and os.listdir(tmp_path) == ["a.csv"]


def test_check_writable_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "x.nc")
    assert os.listdir(tmp_path) == []
    with pytest.raises(ResultFileError, match="cannot write"):
        check_writable(tmp_path / "missing" / "x.nc")


def test_a_folder_that_takes_no_file(tree: xr.DataTree) -> None:
    """/proc takes no file from anybody, the superuser included."""
    with pytest.raises(ResultFileError, match="cannot write"):
        check_writable("/proc/x.nc")
    with pytest.raises(ResultFileError, match="cannot write"):
        save(tree, "/proc/x.nc")


def test_strict_json_is_read_by_strict_readers() -> None:
    value = {"a": np.float64("nan"), "b": [np.inf, 1.5, (2, np.int64(3))], 1: np.arange(2)}
    text = strict_json(value)
    assert json.loads(text, parse_constant=pytest.fail) == {
        "a": None,
        "b": [None, 1.5, [2, 3]],
        "1": [0, 1],
    }


def test_ctrl_c_waits_for_a_file_to_be_closed(
    tree: xr.DataTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interruption inside xarray's locks would leave them shut, and the next file waiting."""
    steps: list[str] = []
    plain = xr.DataTree.to_netcdf

    def write(self: xr.DataTree, *given: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        steps.append("held")
        return plain(self, *given, **options)

    monkeypatch.setattr(xr.DataTree, "to_netcdf", write)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            save(tree, tmp_path / "x.nc")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with pytest.raises(KeyboardInterrupt), holding_ctrl_c():
            signal.raise_signal(signal.SIGINT)
            steps.append("first")
            signal.raise_signal(signal.SIGINT)
            steps.append("second")
    finally:
        signal.signal(signal.SIGINT, before)
    assert steps == ["held", "first"]
    assert os.listdir(tmp_path) == []
