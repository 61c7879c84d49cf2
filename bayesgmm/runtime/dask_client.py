"""The client through which workers of Dask are asked."""

import logging
from functools import cache
from importlib.util import find_spec
from typing import Any

from bayesgmm.advice import Advice, Option
from bayesgmm.errors import ConfigError
from bayesgmm.runtime.parallel import available_cores

__all__ = ["client_at_hand", "connect", "require_dask"]

_PATIENCE = 30  # seconds


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
