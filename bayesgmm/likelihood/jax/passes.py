"""Passes over plain rows of Gaussians in JAX: the sums of the compiled passes, in float64.

A component enters by its whitening, as in `bayesgmm.likelihood.compiled.kernels`. Each function
goes through one part of the rows; parts have one shape, so that each is translated once. JAX counts
in float64 within these functions only: its own setting is left alone.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import numpy as jnp
from jax.scipy.special import logsumexp

from bayesgmm.typing import Array

__all__ = ["Components", "Placed", "device_bytes", "log_likelihoods", "place", "sums"]

_WRITTEN_OUT = 20  # features up to which products are written out, and fuse with what follows


class Components(NamedTuple):
    """Whitened components, one set or one at each point (point, ...); see `compiled.kernels`.

    Parameters
    ----------
    whitening : array of shape (cluster, feature, feature)
    shift : array of shape (cluster, feature)
    constant : array of shape (cluster,)
    """

    whitening: Array
    shift: Array
    constant: Array


class Placed(NamedTuple):
    """Rows on the device of JAX, fitting coordinates.

    Parameters
    ----------
    rows : array of shape (feature, row)
    counted : array of shape (row,)
        1, or 0 for what only fills the shape up.
    """

    rows: Any
    counted: Any


def _in_float64[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def called(*arguments: P.args, **options: P.kwargs) -> R:
        with jax.enable_x64(True):
            return function(*arguments, **options)

    return called


def device_bytes() -> int | None:
    """Return the free memory of the device that JAX computes on; None where it does not say."""
    found = jax.devices()[0].memory_stats()
    return None if found is None else int(found["bytes_limit"] - found["bytes_in_use"])


@_in_float64
def place(rows: Array, width: int) -> Placed:
    """Return rows (row, feature), fitting coordinates, on the device, filled up to a width."""
    padded, counted = np.zeros((rows.shape[1], width)), np.zeros(width)
    padded[:, : len(rows)], counted[: len(rows)] = rows.T, 1.0
    return Placed(jax.device_put(padded), jax.device_put(counted))


@_in_float64
def sums(placed: Placed, components: Components) -> tuple[Any, Any, Any, Any]:
    """Return what the E-step's pass adds up: log likelihood, mass, first and second.

    Shapes (), (cluster,), (cluster, feature) and (cluster, feature, feature): what
    `compiled.kernels.sum_blocks` adds to, `second` with both triangles. They are on the device, and
    perhaps not computed yet.
    """
    found: tuple[Any, Any, Any, Any] = _sums(placed, components)
    return found


@_in_float64
def log_likelihoods(placed: Placed, components: Components) -> Any:
    """Return the log likelihood at each point (point,), nats; on the device, perhaps not yet."""
    return _log_likelihoods(placed, components)


@jax.jit
def _sums(placed: Placed, components: Components) -> tuple[Any, Any, Any, Any]:
    z = _whitened(placed.rows, components)
    joint = _log_joint(z, components)
    by_row = logsumexp(joint, axis=0)
    shares = jnp.exp(joint - by_row) * placed.counted
    weighted = [shares * each for each in z]
    first, stacked = jnp.stack([each.sum(axis=1) for each in weighted], 1), jnp.stack(z, 1)
    second = jnp.einsum("kin,kjn->kij", jnp.stack(weighted, 1), stacked)
    return by_row @ placed.counted, shares.sum(axis=1), first, second


@jax.jit
def _log_likelihoods(placed: Placed, components: Components) -> Any:
    def at_point(point: Components) -> Any:
        joint = _log_joint(_whitened(placed.rows, point), point)
        return logsumexp(joint, axis=0) @ placed.counted

    return jax.lax.map(at_point, components)


def _whitened(rows: Any, components: Components) -> list[Any]:
    """Return the whitened rows, for each feature an array of shape (cluster, row)."""
    whitening, shift, _ = components
    n_features = len(rows)
    if n_features > _WRITTEN_OUT:
        return list(jnp.einsum("kie,en->ikn", whitening, rows) - shift.T[:, :, None])
    return [
        sum(
            (whitening[:, i, e, None] * rows[e] for e in range(i + 1)),
            start=-shift[:, i, None],
        )
        for i in range(n_features)
    ]


def _log_joint(z: list[Any], components: Components) -> Any:
    """Return log w_k N(x) of whitened rows: (cluster, row)."""
    return components.constant[:, None] - 0.5 * sum(each * each for each in z)
