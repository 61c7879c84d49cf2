"""The door to nutpie: the fused log posterior handed over as a compiled C function.

nutpie's own compiled PyMC models pass the addresses of two C functions to its private classes
(nutpie 0.16); with ours no step takes Python's lock. Everything private is used here and nowhere
else; where it has moved, the public door for Python functions serves, slower.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from nutpie.compiled_pyfunc import from_pyfunc
from nutpie.sample import CompiledModel

from bayesgmm.likelihood.compiled.framed import c_functions, framed_log_posterior, unframed
from bayesgmm.runtime.compiling import INTERPRETED
from bayesgmm.sampling.chain_starts import ChainStart
from bayesgmm.typing import Array

__all__ = ["direct_model", "has_direct_door", "nutpie_model", "python_model"]

_DIMS = {"x": ("coordinate",)}


def nutpie_model(flat: Array, start: ChainStart) -> CompiledModel:
    """Make a model of one chain that `nutpie.sample` runs.

    Parameters
    ----------
    flat : array
        The problem (`LogPosterior.flat`).
    start : ChainStart
    """
    return direct_model(flat, start) if has_direct_door() else python_model(flat, start)


def has_direct_door() -> bool:
    """Whether nutpie still has the private classes that its own compiled models use."""
    from nutpie import _lib

    wanted = ("LogpFunc", "ExpandFunc", "PyMcModel", "PySampler", "PyVariable")
    there = all(hasattr(_lib, name) for name in wanted)
    return there and hasattr(_lib.PySampler, "from_pymc") and not INTERPRETED


def python_model(flat: Array, start: ChainStart) -> CompiledModel:
    """Pass the density through nutpie's public door for Python functions."""

    def make_log_density() -> Any:
        def log_density(u: Array) -> tuple[float, Array]:
            gradient = np.empty_like(u)
            value = framed_log_posterior(u, flat, *start.frame, gradient)
            if value == -np.inf:
                raise _OutOfRange("the log posterior is not finite")
            return value, gradient

        return log_density

    def make_expand(seed: int, other_seed: int, chain: int) -> Any:
        def expand(u: Array) -> dict[str, Array]:
            x = np.empty_like(u)
            unframed(u, *start.frame, x)
            return {"x": x}

        return expand

    return from_pyfunc(
        len(start.u),
        make_log_density,
        make_expand,
        [np.dtype("float64")],
        [start.u.shape],
        ["x"],
        make_initial_point_fn=lambda seed: start.u,
    )


class _OutOfRange(ValueError):
    """A point where the density vanishes: nutpie counts a divergence and goes on."""

    is_recoverable = True


def direct_model(flat: Array, start: ChainStart) -> CompiledModel:
    """Pass the addresses of the compiled functions through nutpie's private door."""
    frame = start.frame
    arrays = (flat, *frame)
    addresses = [*(array.ctypes.data for array in arrays), len(flat), len(frame.root)]
    log_density, expand = c_functions()
    return _DirectModel(
        dims={},
        start=start.u,
        arrays=arrays,
        addresses=np.array(addresses, dtype=np.int64),
        log_density=log_density,
        expand=expand,
    )


@dataclass(frozen=True, kw_only=True)
class _DirectModel(CompiledModel):
    start: Array  # u
    arrays: tuple[Array, ...]  # kept while their addresses are in use
    addresses: Array
    log_density: Any
    expand: Any

    @property
    def n_dim(self) -> int:
        return len(self.start)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"x": self.start.shape}

    @property
    def coords(self) -> dict[str, Any]:
        return {}

    def _make_model(self, init_mean: Any) -> Any:
        from nutpie import _lib

        address = self.addresses.ctypes.data
        size = self.n_dim
        sizes = {"coordinate": size}
        return _lib.PyMcModel(
            _lib.LogpFunc(self.log_density.address, address, self),
            _lib.ExpandFunc(size, size, self.expand.address, address, self),
            _lib.PyVariable.new_variables(["x"], ["float64"], [(size,)], sizes, _DIMS),
            size,
            sizes,
            {"coordinate": [str(i) for i in range(size)]},
            lambda seed: self.start,
            None,
        )

    def _make_sampler(self, settings: Any, init_mean: Any, cores: int, *rest: Any) -> Any:
        from nutpie import _lib

        return _lib.PySampler.from_pymc(settings, cores, self._make_model(init_mean), *rest)
