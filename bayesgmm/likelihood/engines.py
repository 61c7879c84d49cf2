"""The engines that go through rows, and what is asked of them by name."""

from importlib.util import find_spec

import numpy as np

from bayesgmm.advice import Advice, Option
from bayesgmm.arguments import check_one_of
from bayesgmm.data import Dataset
from bayesgmm.data.capabilities import ANNOTATIONS, annotations_of
from bayesgmm.errors import ConfigError
from bayesgmm.likelihood.distributed_rows import rows_for
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.resolved import ResolvedSpec
from bayesgmm.model.spec import MixtureSpec
from bayesgmm.typing import Engine

__all__ = ["ENGINES", "check_engine", "posterior_by", "require_batches", "rows_by"]

ENGINES: tuple[Engine, ...] = ("compiled", "jax")


def check_engine(engine: Engine, data: Dataset, spec: MixtureSpec) -> Engine:
    """Return the engine, which is there and can go through these rows for this model.

    Raises
    ------
    ConfigError
        Where the engine is none of `ENGINES`, is not installed, or cannot do it.
    """
    if check_one_of("engine", engine, ENGINES) == "compiled":
        return engine
    if find_spec("jax") is None:
        cure = Advice("JAX is not installed; install bayesgmm[jax], or pass ", _compiled(), ".")
        raise ConfigError(cure, key="engine", value=engine)
    why = _beyond_jax(data, spec)
    if why is not None:
        sentence = Advice(Option("engine", "jax"), f" does not take {why}; pass ", _compiled(), ".")
        raise ConfigError(sentence, key="engine", value=engine)
    return engine


def require_batches(engine: Engine, method: str) -> None:
    """Refuse another engine than ours for draws that are not evaluated in batches.

    Raises
    ------
    ConfigError
    """
    check_one_of("engine", engine, ENGINES)
    if engine != "compiled" and method != "importance":
        raise ConfigError(
            Advice(
                Option("engine", engine),
                " works with importance sampling only; pass ",
                Option("method", "importance"),
                ".",
            ),
            key="engine",
            value=engine,
        )


def _compiled() -> Option:
    return Option("engine", "compiled")


def _beyond_jax(data: Dataset, spec: MixtureSpec) -> str | None:
    """Return what of rows and model JAX does not go through; None where it does."""
    if spec.family != "normal":
        return f"family={spec.family!r} (only Gaussian components)"
    if spec.noise is not None:
        return "noise"
    if spec.n_factors is not None:
        return "factor-analytic components"
    if data.partitions is not None:
        return "rows on Dask workers, which compute on them themselves"
    known = [ANNOTATIONS[each] for each in annotations_of(data)]
    return f"{' and '.join(known)} (only complete rows)" if known else None


def rows_by(engine: Engine, resolved: ResolvedSpec, data: Dataset) -> Rows:
    """Return the rows of a data set as passes of an engine read them, wherever they are."""
    if engine == "compiled":
        return rows_for(resolved, data)
    from bayesgmm.likelihood.jax.rows import JaxRows

    return JaxRows(resolved, data)


def posterior_by(engine: Engine, target: LogPosterior, data: Dataset) -> LogPosterior:
    """Return the same log posterior of the rows of a data set, gone through by an engine."""
    if engine == "compiled":
        return target
    from bayesgmm.likelihood.jax.rows import JaxPosterior, JaxRows

    none = np.empty((0, target.resolved.n_features))
    return JaxPosterior(target.resolved, none, JaxRows(target.resolved, data))
