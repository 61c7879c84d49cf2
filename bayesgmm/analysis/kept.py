"""Finished posteriors of a run on disk while it goes on, and found again by one that resumes it."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xarray as xr

from bayesgmm.analysis.folder import hash_of
from bayesgmm.analysis.outputs import posterior_file
from bayesgmm.analysis.schema import AnalysisSpec
from bayesgmm.arguments import seed_of
from bayesgmm.data import Dataset
from bayesgmm.errors import ResultFileError
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.posterior.files import keep_finished, load
from bayesgmm.posterior.tree import (
    attribute,
    package_versions,
    resolved_of,
    with_attributes,
)
from bayesgmm.posterior.whole_files import is_plain, make_folder

__all__ = ["KeptOnDisk"]

logger = logging.getLogger(__name__)

_RUN = "run"  # the attribute that says of which run a posterior is
_ENDING = ".finished.nc"


class KeptOnDisk:
    """The finished posteriors of one run, each in a file of the folder of results.

    Parameters
    ----------
    spec : AnalysisSpec
    data : Dataset
    folder : Path
    resume : bool
        Whether those of an earlier run of the same data and configuration are taken. Where no seed
        is asked for, the seed is that of these.
    """

    def __init__(self, spec: AnalysisSpec, data: Dataset, folder: Path, resume: bool) -> None:
        self._spec, self._folder = spec, folder
        self._written: dict[Path, str] = {}
        same = {
            "data": data.hash,
            "configuration": spec.config_hash,
            "versions": package_versions(),
        }
        found = list(self._standing(same)) if resume else []
        given = spec.sampler.seed
        self.seed = given if given is not None else found[0][1] if found else seed_of(None)
        self._run = {**same, "seed": self.seed}
        self._found = {name: path for name, seed, path in found if seed == self.seed}

    def taken(self, model: MixtureSpec) -> xr.DataTree | None:
        """Return the posterior that an earlier run has finished, or None."""
        path = self._found.get(posterior_file(self._spec, model)[0])
        tree = None if path is None else _loaded(path)
        if path is not None and tree is not None:
            self._written[path] = hash_of(path)
            logger.info("the draws of %s are taken from %s", model, path)
        return tree

    def keep(self, model: MixtureSpec, posterior: xr.DataTree) -> xr.DataTree:
        """Write a finished posterior, and return it as it is read again: the same in every run."""
        try:
            make_folder(self._folder)
            name = posterior_file(self._spec, model)[0]
            path = keep_finished(self.marked(posterior), self._folder / name)
            self._written[path] = hash_of(path)
            return load(path)
        except ResultFileError as error:
            # What cannot be kept is no reason to stop.
            logger.warning("%s", error)
            return posterior

    def marked(self, posterior: xr.DataTree) -> xr.DataTree:
        """Return a posterior that says of which run it is."""
        return with_attributes(posterior, **{_RUN: self._run})

    def remove(self) -> None:
        """Remove the files of this run, once its results stand in their places."""
        for path, digest in self._written.items():
            if is_plain(path) and hash_of(path) == digest:
                path.unlink()

    def _standing(self, same: dict[str, Any]) -> Iterator[tuple[str, int, Path]]:
        """Yield the names, seeds and files of finished posteriors of the same data and model."""
        for path in sorted(self._folder.glob(f"posterior_k*{_ENDING}")):
            tree = _loaded(path)
            run = None if tree is None else attribute(tree, _RUN)
            if tree is None or run is None or any(run[key] != same[key] for key in same):
                continue
            resolved = resolved_of(tree)
            if resolved is not None:
                yield posterior_file(self._spec, resolved.spec)[0], run["seed"], path


def _loaded(path: Path) -> xr.DataTree | None:
    try:
        return load(path) if is_plain(path) else None
    except ResultFileError:
        return None
