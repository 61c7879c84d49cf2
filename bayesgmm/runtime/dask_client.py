"""The client through which workers of Dask are asked."""

import logging
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

from bayesgmm.advice import Advice, Option
from bayesgmm.errors import ConfigError
from bayesgmm.runtime.parallel import available_cores

__all__ = ["client_at_hand", "connect", "placed_on_workers", "require_dask"]

_PATIENCE = 30  # seconds
_ANY_SIZE = "1 PiB"  # of what is sent; by default Dask warns above 10 MB


def require_dask() -> None:
    """Raise ConfigError where Dask is not installed."""
    if any(find_spec(name) is None for name in ("dask", "distributed")):
        raise ConfigError(
            Advice(
                "Dask is not installed; install bayesgmm[dask], or read Parquet with ",
                Option("in_memory", False),
                " in this process.",
            )
        )


def client_at_hand() -> Any:
    """Return the client of this process; None where there is none."""
    from distributed import default_client

    try:
        return default_client()
    except ValueError:
        return None


def placed_on_workers(values: Sequence[Any], client: Any) -> Sequence[Any]:
    """Return values that go to the workers here, once, as tasks take them.

    They are results of tasks and not scattered, so that the scheduler makes those anew that a dying
    worker held.

    Parameters
    ----------
    values : sequence
    client : distributed.Client or None
        None is this process, which has them.
    """
    if client is None:
        return values
    from dask import config, delayed

    task = delayed(_itself, pure=False)
    with config.set({"distributed.admin.large-graph-warning-threshold": _ANY_SIZE}):
        found: Sequence[Any] = client.persist([task(value) for value in values])
    return found


def _itself(value: Any) -> Any:
    return value


@cache
def connect(address: str) -> Any:
    """Return the client of a scheduler, or of workers of this machine, which it starts.

    It is the client at hand from then on, and ends with the process.

    Parameters
    ----------
    address : str
        Of a scheduler, or "local" for one worker a core.

    Raises
    ------
    ConfigError
        Where Dask is not installed, or the scheduler does not answer.
    """
    require_dask()
    from distributed import Client

    if address == "local":
        return Client(
            n_workers=available_cores(),
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs=logging.ERROR,
        )
    try:
        return Client(address, timeout=_PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigError(
            Advice(
                Option("dask", address),
                f": no Dask scheduler answers there: {error!s:.200}; give the address of one, such "
                "as tcp://10.0.0.1:8786, or local.",
            ),
            key="dask",
            value=address,
        ) from error
