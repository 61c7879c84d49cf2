"""The text of a CSV file block by block, in UTF-8 and without comment lines."""

import codecs
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import numpy as np

from bayesgmm.data.dialect import PADDING, Dialect
from bayesgmm.data.sources import codec_of

__all__ = ["BLOCK_BYTES", "Blocks", "Unsure"]

BLOCK_BYTES = 2**19
_NEWLINE = ord("\n")


class Unsure(Exception):
    """The block may hold what the compiled reader takes otherwise."""


class Blocks:
    r"""Checked UTF-8 text in blocks that end with a line, never with a blank one.

    Comment lines are left out, so that lines are counted twice: in the file, and among the lines
    that are kept. Both count from 1.

    Parameters
    ----------
    stream : binary stream
    dialect : Dialect
    block_bytes : int
        How much is read at a time.

    Examples
    --------
    >>> import io
    >>> stream = io.BytesIO(b"# logger\na,b\n1,2\n # paused\n3,4\n\n")
    >>> blocks = Blocks(stream, Dialect(comment="#"))
    >>> list(blocks)
    [b'a,b\n1,2\n3,4\n']
    >>> blocks.line_of(3), blocks.kept_before(5)
    (5, 2)
    """

    def __init__(self, stream: Any, dialect: Dialect, block_bytes: int = BLOCK_BYTES) -> None:
        self._stream, self._dialect, self._block_bytes = stream, dialect, block_bytes
        self._comment = (dialect.comment or "").encode()
        self._n_yielded = 0
        # of each comment line, the number of lines kept before it
        self._comments = array("q")

    def __iter__(self) -> Iterator[bytes]:
        """Yield the blocks."""
        codec = codec_of(self._dialect.encoding)
        decoder = None if codec == "utf-8" else codecs.getincrementaldecoder(codec)()
        rest, mark = b"", codecs.BOM_UTF8
        while chunk := self._stream.read(self._block_bytes):
            new = chunk.removeprefix(mark) if decoder is None else decoder.decode(chunk).encode()
            chunk, mark = rest + new, b""
            end = chunk.rfind(b"\n") + 1
            text = self._kept(chunk[:end])
            body = text.rstrip(b"\r\n")
            stop = len(body) + (2 if text[len(body) :].startswith(b"\r\n") else 1)
            rest = text[stop if body else 0 :] + chunk[end:]
            if body:
                yield self._counted(text[:stop])
        if decoder is not None:
            rest += decoder.decode(b"", final=True).encode()
        if rest and (last := self._kept(rest.rstrip(b"\r\n") + b"\n").rstrip(b"\r\n")):
            yield self._counted(last + b"\n")

    def line_of(self, kept: int) -> int:
        """Return the line of the file that is this one of those kept."""
        return kept + bisect_right(self._comments, kept - 1)

    def kept_before(self, line: int) -> int:
        """Return how many lines are kept before a line of the file."""
        before = (kept + i + 1 < line for i, kept in enumerate(self._comments))
        return line - 1 - sum(before)

    def _counted(self, block: bytes) -> bytes:
        self._n_yielded += block.count(b"\n")
        self._check_quotes(block)
        return block

    def _kept(self, text: bytes) -> bytes:
        """Return the text, all of it lines, without comments; note where they were."""
        if not text.isascii():
            text.decode()
        if b"\0" in text or (b"\r" in text and text.count(b"\r") != text.count(b"\r\n")):
            raise Unsure
        if not self._comment or self._comment not in text:
            return text
        characters = np.frombuffer(text, dtype=np.uint8)
        ends = np.flatnonzero(characters == _NEWLINE) + 1
        starts = np.concatenate([[0], ends[:-1]])
        may_start = np.frombuffer(PADDING.encode() + self._comment[:1], dtype=np.uint8)
        pieces, start = [], 0
        n_here = len(self._comments)
        for i in np.flatnonzero(np.isin(characters[starts], may_start)).tolist():
            line = text[starts[i] : ends[i]].lstrip(PADDING.encode())
            if line.startswith(self._comment):
                self._comments.append(self._n_yielded + i - (len(self._comments) - n_here))
                pieces.append(text[start : starts[i]])
                start = ends[i]
        return b"".join([*pieces, text[start:]])

    def _check_quotes(self, block: bytes) -> None:
        """Raise unless quotes mean the same to all readers."""
        if b'"' not in block:
            return
        text = np.frombuffer(block, dtype=np.uint8)
        quotes, ends = np.flatnonzero(text == ord('"')), np.flatnonzero(text == _NEWLINE)
        opening, closing = quotes[::2], quotes[1::2]
        if len(opening) != len(closing):
            raise Unsure
        sep = ord(self._dialect.sep)
        before, after = text[opening - 1], text[closing + 1]  # a block ends with a line
        if not (
            np.isin(before, (sep, _NEWLINE)).all()
            and np.isin(after, (sep, _NEWLINE, ord("\r"))).all()
            and not (np.searchsorted(quotes, ends) % 2).any()  # none is open at a line's end
        ):
            raise Unsure
