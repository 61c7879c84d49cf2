"""Gaussian mixtures with honest uncertainty: one model for the ML fit, the MAP fit, the posterior.

The public names stand in the stub beside this file, and are imported from their modules when they
are first used, so that importing the package costs next to nothing.
"""

import lazy_loader

from bayesgmm.runtime.renaming import names_before

_find, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = names_before(
    __name__, {"tempered_evidence": "bayesgmm.smc_evidence"}, public=__all__, find=_find
)

__version__ = "0.1.0"
