"""``python -m bayesgmm`` is the command ``bayesgmm``, its process from the first moment on."""

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

__all__ = ["run"]

_SIGNALLED = 128


def run() -> NoReturn:
    """Run the command line in this process, and end the process with its code.

    Ctrl-C, SIGTERM and SIGHUP never show a traceback: not while `main` is loaded, where they are
    not yet taken note of, and not while Python takes itself down. After one the process ends at
    once with 128 and its number as code, without waiting for compiled threads that cannot be
    stopped; all that `main` does on its way out, such as saving the draws made, is done by then.
    """
    stops: list[int] = []
    try:
        from bayesgmm.runtime.interruption import heeded_stops

        with heeded_stops(stops.append):
            from bayesgmm.cli import main
            from bayesgmm.cli.streams import hold_descriptors

            hold_descriptors()
            code = main()
    except KeyboardInterrupt:
        with suppress(OSError, AttributeError):
            print("error: interrupted; no file was left half-written.", file=sys.stderr)
        code = _SIGNALLED + (stops or [signal.SIGINT])[0]
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if code >= _SIGNALLED:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # full, closed, or none
                stream.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    run()
