"""What a run may be found to be worth."""

from enum import Enum
from typing import NamedTuple

__all__ = ["Finding", "RunStatus"]


class RunStatus(Enum):
    """What a run is worth, the gravest first; the value is the message.

    Examples
    --------
    >>> RunStatus.TOO_FEW_DRAWS.value
    'not converged: too few draws'
    """

    INTERRUPTED = "interrupted"
    MODES_LEFT_OUT = "not converged: modes left out"
    CHAINS_DISAGREE = "not converged: chains disagree"
    SAMPLER_TROUBLE = "not converged: the sampler had trouble"
    TOO_FEW_DRAWS = "not converged: too few draws"
    LABELS_SWITCH = "not relabelled: labels switch between draws"
    NOT_IDENTIFIED = "not identified"
    CONVERGED = "converged"

    @property
    def labels_hold(self) -> bool:
        """Whether clusters may be shown one by one under their numbers."""
        unnamed = (RunStatus.NOT_IDENTIFIED, RunStatus.LABELS_SWITCH, RunStatus.CHAINS_DISAGREE)
        return self not in unnamed


class Finding(NamedTuple):
    """What is wrong with a run, and the sentence that says so with its figure and its cure."""

    status: RunStatus
    sentence: str
