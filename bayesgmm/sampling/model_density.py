"""A PyMC model evaluated at many draws at once: its log density by terms, and its deterministics.

PyMC's own functions copy the model, which fails for variables with an initval, and take draws one
by one. Here the model's graph is given an axis for draws and runs in NumPy: nothing is compiled.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from bayesgmm.errors import ConfigError
from bayesgmm.labels.exchangeability import ModelValues
from bayesgmm.typing import Array

__all__ = ["ModelDensity", "ModelTerms", "without_blas_warning"]

_VALUES_AT_ONCE = 2**19


@contextmanager
def without_blas_warning() -> Iterator[None]:
    """Keep back what PyTensor says of a missing BLAS, which nothing here runs on."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PyTensor could not link to a BLAS")
        yield


class ModelTerms(NamedTuple):
    """A model at draws of its free variables.

    Parameters
    ----------
    terms : dict of str to array of shape (draw, ...), nats
        Log density of each free and observed variable, and each potential; natural scale, without
        Jacobian; not finite where a value cannot be, such as means out of their order.
    variables : dict of str to array of shape (draw, ...)
        Free variables and deterministics.
    """

    terms: dict[str, Array]
    variables: dict[str, Array]


class ModelDensity:
    """The log density of a PyMC model as a function of its free variables' values.

    Parameters
    ----------
    model : pymc.Model
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.free = [variable.name for variable in model.free_RVs]
        self.observed = [variable.name for variable in model.observed_RVs]
        self.potentials = [variable.name for variable in model.potentials]

    @cached_property
    def n_clusters(self) -> int:
        """Length of the dim cluster."""
        return int(self.model.dim_lengths["cluster"].eval())

    @cached_property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """Dims of every free variable and deterministic; axes without one are numbered."""
        named = self.model.named_vars_to_dims
        return {
            variable.name: tuple(
                dim or f"{variable.name}_dim_{i}"
                for i, dim in enumerate(named.get(variable.name) or [None] * variable.ndim)
            )
            for variable in [*self.model.free_RVs, *self.model.deterministics]
        }

    def evaluate(self, values: Mapping[str, Array], *, by_row: bool = True) -> ModelTerms:
        """Evaluate at draws.

        Parameters
        ----------
        values : mapping of str to array of shape (draw, ...)
            Every free variable, natural scale.
        by_row : bool
            Whether terms keep their axes; else they are summed, a few draws at a time.

        Raises
        ------
        ConfigError
            Where PyMC has no log density for the model.
        """
        given = [np.asarray(values[name]) for name in self.free]
        n_draws = len(given[0]) if given else 1
        step = max(1, _VALUES_AT_ONCE // self._row_values)
        n_terms, parts = len(self._terms), []
        for start in range(0, max(n_draws, 1), step):
            found = self._function([value[start : start + step] for value in given])
            if not by_row:
                found[:n_terms] = [t.reshape(len(t), -1).sum(axis=1) for t in found[:n_terms]]
            parts.append(found)
        joined = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
        return ModelTerms(
            dict(zip(self._terms, joined[:n_terms], strict=True)),
            {
                **dict(zip(self.free, given, strict=True)),
                **dict(zip(self._derived, joined[n_terms:], strict=True)),
            },
        )

    def values(self, values: Mapping[str, Array]) -> ModelValues:
        """Evaluate at draws as `bayesgmm.labels.exchangeability.shown_moves` asks for it."""
        found = self.evaluate(values, by_row=False)
        totals = found.terms
        zero = np.zeros(len(next(iter(totals.values()))))
        return ModelValues(
            sum((totals[name] for name in (*self.free, *self.potentials)), zero),
            sum((totals[name] for name in self.observed), zero),
            found.variables,
        )

    @property
    def _terms(self) -> list[str]:
        return [v.name for v in [*self.model.basic_RVs, *self.model.potentials]]

    @property
    def _derived(self) -> list[str]:
        return [variable.name for variable in self.model.deterministics]

    @cached_property
    def _row_values(self) -> int:
        """About how many numbers one draw takes: rows by clusters."""
        observed = self.model.rvs_to_values[self.model["x"]]
        return int(np.prod(observed.shape.eval())) * self.n_clusters

    @cached_property
    def _function(self) -> Callable[[Sequence[Array]], list[Array]]:
        try:
            with without_blas_warning():
                return self._built()
        except Exception as error:
            reason = f"{type(error).__name__}: {error!s}".splitlines()[0]
            raise ConfigError(
                f"PyMC cannot evaluate the log density of this model ({reason:.160}). Write its "
                "likelihood with distributions that have one, such as pm.Mixture over "
                "pm.MvNormal.dist or pm.Normal.dist components, or with pm.CustomDist or "
                "pm.Potential.",
                model=self.model,
            ) from error

    def _built(self) -> Callable[[Sequence[Array]], list[Array]]:
        from pymc.logprob.utils import local_check_parameter_to_ninf_switch
        from pytensor import function
        from pytensor.compile.mode import Mode
        from pytensor.graph.replace import graph_replace, vectorize_graph
        from pytensor.graph.rewriting.basic import in2out
        from pytensor.graph.rewriting.utils import rewrite_graph

        model = self.model
        inputs = [variable.type(name=f"{variable.name}_value") for variable in model.free_RVs]
        unconstrained = {}
        for variable in model.free_RVs:
            transform = model.rvs_to_transforms[variable]
            unconstrained[model.rvs_to_values[variable]] = (
                variable
                if transform is None
                else transform.forward(variable, *variable.owner.inputs)
            )
        terms = graph_replace(model.logp(jacobian=False, sum=False), unconstrained, strict=False)
        # A parameter out of its range makes the density -inf, where it would raise for all draws.
        ninf = in2out(local_check_parameter_to_ninf_switch)
        terms = rewrite_graph(terms, include=(), custom_rewrite=ninf)
        outputs = [*terms, *model.deterministics]
        outputs = graph_replace(
            outputs, dict(zip(model.free_RVs, inputs, strict=True)), strict=False
        )
        batches = [i.type.clone(shape=(None, *i.type.shape))(name=i.name) for i in inputs]
        batched = vectorize_graph(outputs, dict(zip(inputs, batches, strict=True)))
        compiled = function(
            batches, batched, mode=Mode("py", "fast_compile"), on_unused_input="ignore"
        )
        constant = [one.ndim == many.ndim for one, many in zip(outputs, batched, strict=True)]
        dtypes = [i.dtype for i in inputs]

        def run(values: Sequence[Array]) -> list[Array]:
            given = [np.asarray(v, dtype=d) for v, d in zip(values, dtypes, strict=True)]
            with np.errstate(all="ignore"):
                found = compiled(*given)
            n_draws = len(given[0]) if given else 1
            return [
                np.repeat(np.asarray(value)[None], n_draws, axis=0) if same else np.asarray(value)
                for value, same in zip(found, constant, strict=True)
            ]

        return run
