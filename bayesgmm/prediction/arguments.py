"""Checks of the arguments that predictions share."""

from numbers import Real
from typing import Any

from bayesgmm.errors import ConfigError

__all__ = ["check_count", "check_prob"]


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Refuse what is not an integer of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise ConfigError(
            f"{name} must be an integer >= {least}, got {value!r:.80}.", name=name, value=value
        )


def check_prob(prob: Any) -> None:
    """Refuse what is not a probability strictly between 0 and 1."""
    if not isinstance(prob, Real) or not 0.0 < float(prob) < 1.0:
        raise ConfigError(
            f"prob must be a number between 0 and 1, got {prob!r:.80}.", name="prob", value=prob
        )
