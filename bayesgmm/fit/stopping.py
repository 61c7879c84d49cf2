"""What further starts can still find, from how often the optima found were reached again."""

from collections.abc import Sequence

__all__ = ["unseen"]


def unseen(counts: Sequence[int]) -> float:
    """Estimate the chance that one more start ends in an optimum that none has reached.

    With w optima reached by m starts it is w (w + 1) / (m (m - 1)): the posterior mean of the
    share of all starts that lead elsewhere, where before any start each number of optima is as
    probable as another, and so are all ways to share the starts out among them. It is 1 where
    nothing was reached twice. That such an optimum is a better one has a smaller chance.

    Parameters
    ----------
    counts : sequence of int
        How many starts reached each optimum.

    References
    ----------
    Boender and Rinnooy Kan (1987), Mathematical Programming 37:59, theorem 4. Good (1953),
    Biometrika 40:237, counts what was reached once alone, and is 0 where nothing was.

    Examples
    --------
    >>> unseen([10]), round(unseen([5, 3, 2]), 3), unseen([1, 1])
    (0.022222222222222223, 0.133, 1.0)
    """
    m, w = sum(counts), sum(count > 0 for count in counts)
    return 1.0 if m < 2 else min(1.0, w * (w + 1.0) / (m * (m - 1.0)))
