"""``python -m bayesgmm`` is the command ``bayesgmm``."""

import sys

from bayesgmm.cli import main

if __name__ == "__main__":
    sys.exit(main())
