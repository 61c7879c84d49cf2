"""Where the bytes of a text file come from: a file, packed or not, a pipe, standard input."""

import codecs
import gzip
import io
import os
import re
import sys
import zlib
from pathlib import Path
from typing import Any

from bayesgmm.advice import Advice, Option, shown
from bayesgmm.errors import ConfigError, DataError

__all__ = ["STANDARD_INPUT", "Source", "check_text", "codec_of", "read_bytes", "refuse_address"]

STANDARD_INPUT = "-"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_ADDRESS = re.compile(r"[a-z][a-z0-9+]+:/", re.I)
_OTHER_FORMATS = {
    b"BZh": "compressed by bzip2: unpack it first (bunzip2)",
    b"\xfd7zXZ": "compressed by xz: unpack it first (unxz)",
    b"PK\x03\x04": "a zip archive or an Excel workbook: unpack it, or save its sheet as CSV",
    b"PAR1": "Parquet: give it the ending .parquet, or read it with from_parquet",
}


class Source:
    """The bytes of one text file, unpacked; each `open` starts anew.

    What cannot be read twice, such as a pipe, is kept in memory.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._held: bytes | None = None
        refuse_address(path)
        if path == STANDARD_INPUT:
            self._held = _standard_input()
        elif not os.path.isfile(path):
            self._held = read_bytes(path)

    @property
    def size(self) -> int:
        """Number of bytes, packed."""
        return Path(self.path).stat().st_size if self._held is None else len(self._held)

    def read(self) -> bytes:
        """Return all bytes."""
        raw = read_bytes(self.path) if self._held is None else self._held
        if not raw.startswith((_GZIP, _ZSTD)) or (raw.startswith(_ZSTD) and raw.isascii()):
            return raw
        kind = "gzip" if raw.startswith(_GZIP) else "zstd"
        try:
            with self.open() as stream:
                return stream.read()
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"{self.path!r} is compressed by {kind} and damaged ({error!s:.80}); unpack it "
                f"({'gunzip' if kind == 'gzip' else 'unzstd'}) to see how much of it is left.",
                path=self.path,
                offset=0,
            ) from None

    def open(self) -> io.BufferedReader:
        """Return a stream of the unpacked bytes."""
        held = self._held
        raw: Any = io.BytesIO(held) if held is not None else io.FileIO(self.path)
        plain = io.BufferedReader(raw)
        start = plain.peek(4)
        if start.startswith(_GZIP):
            return _unpacked(gzip.GzipFile(fileobj=plain), plain)
        if start.startswith(_ZSTD):
            import pyarrow

            stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(plain), "zstd")
            return _unpacked(stream, plain)
        return plain


def _unpacked(stream: Any, packed: Any) -> io.BufferedReader:
    return io.BufferedReader(_Packed(stream, packed))


class _Packed(io.RawIOBase):
    """A stream of unpacked bytes that closes the packed one too."""

    def __init__(self, unpacked: Any, packed: Any) -> None:
        self._unpacked, self._packed = unpacked, packed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got = self._unpacked.read(len(buffer))
        buffer[: len(got)] = got
        return len(got)

    def close(self) -> None:
        if not self.closed:
            self._unpacked.close()
            self._packed.close()
        super().close()


def refuse_address(path: str) -> None:
    """Refuse the address of a file on a network."""
    if _ADDRESS.match(path):
        raise DataError(
            f"{shown(re.sub(':/+', '://', path), 90)} is an address: download it first, and give "
            "the path of the file.",
            path=path,
        )


def _standard_input() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise DataError(
            "'-' is standard input, and nothing is piped into it; give the path of a file.",
            path=STANDARD_INPUT,
        )
    return sys.stdin.buffer.read()


def read_bytes(path: str) -> bytes:
    """Return the content of a file, or say why it cannot be read."""
    file = Path(path)
    try:
        if file.exists() and not (file.is_file() or file.is_fifo()):
            raise DataError(f"{path!r} is not a file but a directory or device.", path=path)
        return file.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot read {path!r}: {reason}.", path=path) from None


def codec_of(encoding: str) -> str:
    """Return the name of a text codec; a byte-order mark is taken off before UTF-8 is decoded."""
    try:
        codec = codecs.lookup(encoding).name
        "a".encode(codec)
    except (LookupError, ValueError):
        raise ConfigError(f"unknown encoding {shown(encoding)}.", value=encoding) from None
    return "utf-8" if codec == "utf-8-sig" else codec


def check_text(raw: bytes, encoding: str, path: str) -> tuple[bytes, str]:
    """Return the bytes without byte-order mark and the codec, once all of it decodes."""
    codec = codec_of(encoding)
    wide = codec.startswith(("utf-16", "utf-32"))
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not wide:
        cure = Option("encoding", "utf-16")
        raise DataError(Advice(f"{path!r} is UTF-16 text: pass ", cure, "."), path=path, offset=0)
    for start, what in _OTHER_FORMATS.items():
        if raw.startswith(start) and not raw.isascii():
            raise DataError(f"{path!r} is {what}.", path=path, offset=0)
    if b"\0" in raw and not wide:
        raise DataError(
            f"{path!r} is not a text file: a zero byte at byte offset {raw.index(0)} (it starts "
            f"with {raw[:8]!r}); export the table as CSV.",
            path=path,
            offset=raw.index(0),
        )
    mark = len(codecs.BOM_UTF8) if raw.startswith(codecs.BOM_UTF8) else 0
    if mark and codec != "utf-8":
        cure = Option("encoding", "utf-8")
        raise DataError(Advice(f"{path!r} starts with a UTF-8 mark: pass ", cure, "."), path=path)
    try:
        codecs.getincrementaldecoder(codec)().decode(raw[mark:], final=True)
    except UnicodeError as error:
        offset = mark + getattr(error, "start", 0)
        usual = Option("encoding", "cp1252")
        other = Advice("pass its encoding, for example ", usual, " or 'latin-1'.")
        marked = "it starts with a UTF-8 mark, so this byte is damaged: correct it."
        raise DataError(
            f"{path!r} is not {encoding} text: byte {raw[offset : offset + 1]!r} at byte offset "
            f"{offset} (line {raw.count(b'\n', 0, offset) + 1}); " + (marked if mark else other),
            path=path,
            offset=offset,
        ) from None
    return raw[mark:], codec
