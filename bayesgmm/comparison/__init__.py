"""Compare the number of components: every criterion side by side, for one model."""

from bayesgmm.comparison._compare import compare
from bayesgmm.comparison.choosing import Choice, Criterion
from bayesgmm.comparison.outcome import Comparison

__all__ = ["Choice", "Comparison", "Criterion", "compare"]
