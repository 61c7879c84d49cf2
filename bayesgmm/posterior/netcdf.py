"""The one place that opens netCDF files: the C libraries below xarray serve one thread at a time.

xarray has locks of its own around reads, not around opening and closing; files opened from two
threads at a time have crashed the process.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import xarray as xr

from bayesgmm.posterior.storable import encoding_of
from bayesgmm.runtime.interruption import holding_ctrl_c

__all__ = ["opened", "write_tree"]

_LIBRARY = threading.RLock()

if hasattr(os, "register_at_fork"):  # a process forked amid a write would inherit half of its state
    os.register_at_fork(
        before=_LIBRARY.acquire,
        after_in_parent=_LIBRARY.release,
        after_in_child=_LIBRARY.release,
    )


def write_tree(tree: xr.DataTree, path: Path) -> None:
    """Write a tree of numbers and texts as a netCDF-4 file."""
    with holding_ctrl_c(), _LIBRARY:
        tree.to_netcdf(path, engine="netcdf4", encoding=encoding_of(tree))


@contextmanager
def opened(path: Path) -> Iterator[xr.DataTree]:
    """Open a netCDF-4 file for the block, whose thread alone reads then; arrays are read late."""
    with holding_ctrl_c(), _LIBRARY, xr.open_datatree(path, engine="netcdf4") as tree:
        yield tree
