"""The report of a comparison or a posterior, as one file."""

from bayesgmm.report.writing import write_report

__all__ = ["write_report"]
