"""What nutpie runs: the fused log posterior handed over as a compiled C function.

nutpie's own compiled PyMC models pass the addresses of two C functions to its private classes
(nutpie 0.16); with ours no step takes Python's lock. Everything private is used here and nowhere
else; where it has moved, the public interface for Python functions serves, slower.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from nutpie.compiled_pyfunc import from_pyfunc
from nutpie.sample import CompiledModel

from bayesgmm.likelihood.chain_density import ChainDensity
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.runtime.compiling import INTERPRETED
from bayesgmm.sampling.chain_starts import ChainStart
from bayesgmm.typing import Array

__all__ = ["direct_model", "takes_c_functions", "nutpie_model", "python_model"]

_DIMS = {"x": ("coordinate",)}


def nutpie_model(target: LogPosterior, start: ChainStart) -> CompiledModel:
    """Make a model of one chain that `nutpie.sample` runs."""
    return direct_model(target, start) if takes_c_functions() else python_model(target, start)


def takes_c_functions() -> bool:
    """Whether nutpie still has the private classes that its own compiled models use."""
    from nutpie import _lib

    wanted = ("LogpFunc", "ExpandFunc", "PyMcModel", "PySampler", "PyVariable")
    there = all(hasattr(_lib, name) for name in wanted)
    return there and hasattr(_lib.PySampler, "from_pymc") and not INTERPRETED


def python_model(target: LogPosterior, start: ChainStart) -> CompiledModel:
    """Pass the density through nutpie's public interface for Python functions."""
    density = ChainDensity(target, *start.frame)

    def make_log_density() -> Any:
        def log_density(u: Array) -> tuple[float, Array]:
            value, gradient = density.value_and_gradient(u)
            if value == -np.inf:
                raise _OutOfRange("the log posterior is not finite")
            return value, gradient

        return log_density

    def make_expand(seed: int, other_seed: int, chain: int) -> Any:
        def expand(u: Array) -> dict[str, Array]:
            return {"x": density.unframed(u)}

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


def direct_model(target: LogPosterior, start: ChainStart) -> CompiledModel:
    """Pass the addresses of the compiled functions through nutpie's private classes."""
    return _DirectModel(dims={}, start=start.u, density=ChainDensity(target, *start.frame))


@dataclass(frozen=True, kw_only=True)
class _DirectModel(CompiledModel):
    start: Array  # u
    density: ChainDensity

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

        address = self.density.c_data.ctypes.data
        log_density, expand = self.density.c_functions
        size = self.n_dim
        sizes = {"coordinate": size}
        return _lib.PyMcModel(
            _lib.LogpFunc(log_density.address, address, self),
            _lib.ExpandFunc(size, size, expand.address, address, self),
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
