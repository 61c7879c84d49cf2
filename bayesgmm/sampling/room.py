"""Whether what sampling makes fits in memory, before it starts."""

from bayesgmm.data import Dataset
from bayesgmm.posterior.size import result_bytes
from bayesgmm.runtime.memory import require_bytes

__all__ = ["require_room"]


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
    require_bytes(
        result_bytes(data.n_obs, *sizes, kept, log_likelihood) + by_draw,
        f"sampling {data.n_obs} rows{rows}, with {kept} draws and {warm_up} of warm-up in "
        f"{chains} chains,",
        ("pass log_likelihood=False, keep" if log_likelihood else "keep")
        + " fewer draws, tune less, take fewer chains, or sample a part of the rows",
    )
