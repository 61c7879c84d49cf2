"""Compile what draws and their evidence need in a second process, while this one fits.

numba compiles one function at a time in a process. On a machine where nothing has been compiled
yet, a second process begins with what follows the fit: it calls each function once, on a dozen
rows, and stores the code. Each of the two waits for code that the other is making.
"""

import atexit
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bayesgmm.data import as_dataset
from bayesgmm.likelihood.chain_density import ChainDensity
from bayesgmm.likelihood.climbing import ascend_from, curvature
from bayesgmm.likelihood.compiled.gibbs import sweep_chains
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.responsibilities import over_draws
from bayesgmm.likelihood.rows import Rows
from bayesgmm.likelihood.rowwise import pointwise_log_likelihood
from bayesgmm.likelihood.sweeps import first_rows
from bayesgmm.model.resolving import resolve
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.runtime.code_cache import is_stored
from bayesgmm.runtime.parallel import available_cores
from bayesgmm.typing import Array

__all__ = ["compile_ahead", "rehearse"]

logger = logging.getLogger(__name__)

_COMMAND = (
    "import sys; parent, *sys.path[:] = sys.argv[1:]; "
    "from bayesgmm.likelihood.ahead import rehearse; rehearse(int(parent))"
)


_helper: list[subprocess.Popen[bytes]] = []


def compile_ahead() -> None:
    """Have a second process compile what follows the fit, where nothing of it is stored yet.

    It needs a second core, and ends with this process.
    """
    python = Path(sys.executable or "")
    is_python = python.name.startswith("python") and not hasattr(sys, "frozen")
    if _helper or not is_python or available_cores() < 2 or is_stored(sweep_chains):
        return
    command = [str(python), "-W", "ignore", "-c", _COMMAND, str(os.getpid()), *sys.path]
    null = subprocess.DEVNULL
    try:
        _helper.append(subprocess.Popen(command, stdin=null, stdout=null, stderr=null))
    except OSError:  # no more processes: this one compiles all
        return
    logger.info("a second process compiles what follows the fit, once on this machine")
    atexit.register(_end)


def _end() -> None:
    for process in _helper:
        process.kill()
        process.wait()


def rehearse(parent: int | None = None) -> None:
    """Call once, on a dozen rows, what draws and their evidence call.

    Parameters
    ----------
    parent : int, optional
        The process that needs the code: nothing more is compiled once it has ended.
    """
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(12, 2))
    target = LogPosterior(resolve(MixtureSpec(2), as_dataset(rows)), rows)
    for step in _steps(target, rows, rng.normal(size=(2, 2, target.dim))):
        if parent is not None and os.getppid() != parent:
            break
        step()


def _steps(target: LogPosterior, rows: Array, points: Array) -> list[Callable[[], Any]]:
    """Return the calls, in the order in which their code is needed."""
    some, x, identity = points[0], np.zeros(target.dim), np.eye(target.dim)
    density = ChainDensity(target, x, identity)
    first = first_rows(target, np.arange(len(rows)))
    frame = target.resolved.centre, target.resolved.unit
    at = target.em_point
    return [
        lambda: curvature(target, x),
        lambda: ascend_from(target, x.copy(), identity.copy(), 2),
        lambda: target.evaluate(x),
        lambda: density.value_and_gradient(x),
        lambda: density.c_functions,
        lambda: target.terms(some, np.zeros(len(some))),
        lambda: pointwise_log_likelihood(target.constrain(some), rows, *frame),
        lambda: list(over_draws(lambda block, part: part, target.constrain(some), rows, *frame)),
        lambda: target.log_densities(some),
        lambda: first.log_likelihoods(some, 0, 4),
        lambda: first.sweep(points.copy(), len(rows), 0.1, 2, 1),
        lambda: target.m_step(at(x), Rows(target.resolved, rows).moments(at(x)), np.full(2, 1e-9)),
    ]
