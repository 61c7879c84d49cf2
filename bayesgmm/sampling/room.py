"""Whether what sampling makes fits in memory, before it starts."""

from typing import Any

from bayesgmm.advice import Advice, Option
from bayesgmm.data import Dataset
from bayesgmm.errors import ResourceError
from bayesgmm.likelihood.streamed import is_streamed, n_kept
from bayesgmm.posterior.size import result_bytes
from bayesgmm.runtime.memory import require_bytes

__all__ = ["needs_memory", "require_room", "require_streamed"]

_STREAMED = ("auto", "importance")
_COPIES = 3  # of the rows: as read, laid out in blocks, and as compiled code reads them


def require_room(
    data: Dataset,
    n_components: int,
    *,
    draws: int,
    tune: int,
    chains: int,
    log_likelihood: bool = True,
) -> None:
    """Refuse draws that would not fit: as the sampler keeps them, as parameters, and relabelled.

    Parameters
    ----------
    data : Dataset
    n_components : int
    draws, tune, chains : int
        Draws and draws of warm-up of each chain.
    log_likelihood : bool
        Whether the log likelihood of every row and draw is kept.

    Raises
    ------
    ResourceError
    """
    kept, warm_up = draws * chains, tune * chains
    sizes = data.n_features, n_components
    by_draw = result_bytes(0, *sizes, kept + warm_up, log_likelihood=False)
    rows = f" with their log likelihood at {kept} draws" if log_likelihood else ""
    left = data.n_obs - n_kept(data)  # in the file
    require_bytes(
        result_bytes(data.n_obs, *sizes, kept, log_likelihood)
        + by_draw
        - 8 * left * data.n_features,
        f"sampling {data.n_obs} rows{rows}, with {kept} draws and {warm_up} of warm-up in "
        f"{chains} chains,",
        ("pass log_likelihood=False, keep" if log_likelihood else "keep")
        + " fewer draws, tune less, take fewer chains, or sample a part of the rows",
    )


def require_streamed(method: Any, data: Dataset, *, own_model: bool) -> None:
    """Refuse to sample many rows that were left in a file by what needs them in memory.

    Raises
    ------
    ResourceError
    """
    if own_model and not data.in_memory or is_streamed(data) and method not in _STREAMED:
        what = "a user's own model" if own_model else f"method {method!r}"
        raise needs_memory(f"{what} evaluates all rows for every draw", data)


def needs_memory(why: str, data: Dataset) -> ResourceError:
    """Return the error of what cannot be done with rows that were left in a file.

    Parameters
    ----------
    why : str
        What is wrong, the beginning of a sentence.
    data : Dataset
    """
    gigabytes = _COPIES * 8 * data.n_obs * data.n_features / 2**30
    return ResourceError(
        Advice(
            f"{why}, which needs the {data.n_obs} rows of {data.source} in memory: "
            f"{gigabytes:.3g} GiB. Sample with ",
            Option("method", "importance"),
            ", or read the file with ",
            Option("in_memory", True),
            ".",
        ),
        gigabytes=gigabytes,
    )
