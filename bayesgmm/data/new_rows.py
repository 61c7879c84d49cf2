"""Rows that nothing is fitted to."""

from typing import ClassVar

from bayesgmm.data.dataset import Dataset

__all__ = ["NewRows"]


class NewRows(Dataset):
    """Rows to predict for, read as strictly: one is enough, they need not vary, none is suspected.

    Their spread is unknown, so that nothing can be fitted to them.
    """

    to_fit: ClassVar[bool] = False
