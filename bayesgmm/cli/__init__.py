"""The command line: ``bayesgmm``, also ``python -m bayesgmm``."""

from bayesgmm.cli.application import main

__all__ = ["main"]
