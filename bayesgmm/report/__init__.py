"""The report of a comparison or a posterior, as one file."""

from bayesgmm.report._write_report import write_report

__all__ = ["write_report"]
