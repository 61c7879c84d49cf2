"""The bytes of a model file, and not of a device that never ends."""

from pathlib import Path

from bayesgmm.errors import ConfigError

__all__ = ["bytes_of"]

_MOST = 2**20


def bytes_of(file: Path) -> bytes:
    """Return what a model file holds.

    Raises
    ------
    ConfigError
        When it is longer than a model file can be.
    OSError
        When it cannot be read.
    """
    with file.open("rb") as stream:
        content = stream.read(_MOST + 1)
    if len(content) > _MOST:
        raise ConfigError(
            f"{str(file)!r} is longer than {_MOST >> 20} MiB: it is not a model file.",
            path=str(file),
        )
    return content
