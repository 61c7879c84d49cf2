"""Tables of a posterior: numbers, and texts for a paper."""

from bayesgmm.summary._summarize import label_free, summarize
from bayesgmm.summary._write_table import write_table

__all__ = ["label_free", "summarize", "write_table"]
