"""The text of a CSV file block by block, in UTF-8 and without comment lines."""

import codecs
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesgmm.data.dialect import PADDING, Dialect
from bayesgmm.data.sources import codec_of

__all__ = ["BLOCK_BYTES", "Blocks", "Unsure", "pieces_of", "within_quotes"]

BLOCK_BYTES = 2**19
_PIECE_BYTES = 2**17
_NEWLINE = ord("\n")
_BLANKS = PADDING.encode()


class Unsure(Exception):
    """The block may hold what the compiled reader takes otherwise."""


def pieces_of(block: bytes) -> Iterator[NDArray[np.uint8]]:
    """Yield the bytes of a block of lines in pieces that end with a line, small for the caches."""
    text, start = np.frombuffer(block, dtype=np.uint8), 0
    while start < len(block):
        end = block.find(b"\n", start + _PIECE_BYTES) + 1 or len(block)
        yield text[start:end]
        start = end


def within_quotes(text: NDArray[np.uint8]) -> NDArray[np.bool_]:
    r"""Return for each byte whether a quote is open, the opening one included.

    Parameters
    ----------
    text : array of uint8 of shape (byte,)

    Examples
    --------
    >>> within_quotes(np.frombuffer(b'1,"2"\n', dtype=np.uint8)).astype(int).tolist()
    [0, 0, 1, 1, 0, 0]
    """
    packed = np.packbits(text == ord('"'), bitorder="little")
    words = np.zeros(-(-len(text) // 64), dtype="<u8")
    words.view(np.uint8)[: len(packed)] = packed
    for shift in (1, 2, 4, 8, 16, 32):  # each bit becomes the parity of those up to it
        words ^= words << np.uint64(shift)
    odd = np.bitwise_xor.accumulate(words >> np.uint64(63))
    words[1:] ^= np.uint64(0) - odd[:-1]
    return np.unpackbits(words.view(np.uint8), count=len(text), bitorder="little").view(np.bool_)


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
        # what starts with a blank never starts a line whose blanks are off
        self._comment = (dialect.comment or "").encode()
        if self._comment[:1] in (b" ", b"\t"):
            self._comment = b""
        self._n_yielded = 0
        # of each comment line, the number of lines kept before it
        self._comments = array("q")

    def __iter__(self) -> Iterator[bytes]:
        """Yield the blocks."""
        codec = codec_of(self._dialect.encoding)
        decoder = None if codec == "utf-8" else codecs.getincrementaldecoder(codec)()
        rest, mark = b"", codecs.BOM_UTF8
        while chunk := self._stream.read(self._block_bytes) + self._stream.readline():
            new = chunk.removeprefix(mark) if decoder is None else decoder.decode(chunk).encode()
            chunk, mark = rest + new, b""
            end = chunk.rfind(b"\n") + 1
            text = self._kept(chunk[:end])
            stop = _end_of_filled(text)
            rest = text[stop:] + chunk[end:]
            del chunk, new
            if stop:
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
        if b'"' in block:
            for text in pieces_of(block):
                self._check_quotes(text)
        newline = np.frombuffer(block, dtype=np.uint8) == _NEWLINE
        self._n_yielded += int(np.count_nonzero(newline))
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
        newline, pieces, start, line = characters == _NEWLINE, [], 0, 0
        for place in self._may_be_comments(characters).tolist():
            first = text.rfind(b"\n", 0, place) + 1
            if text[first:place].strip(_BLANKS) or not text.startswith(self._comment, place):
                continue
            line += int(np.count_nonzero(newline[start:first]))
            self._comments.append(self._n_yielded + line)
            pieces.append(text[start:first])
            start = text.index(b"\n", place) + 1
        return b"".join([*pieces, text[start:]])

    def _may_be_comments(self, text: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return where a comment's first byte follows a blank or begins a line."""
        places = np.flatnonzero(text == self._comment[0])
        follows = np.isin(text[places - 1], np.frombuffer(_BLANKS + b"\n", dtype=np.uint8))
        return places[follows]  # before the first byte is the last one, a line's end

    def _check_quotes(self, text: NDArray[np.uint8]) -> None:
        """Raise unless quotes mean the same to all readers; none is open at a line's end."""
        within, quote = within_quotes(text), text == ord('"')
        newline = text == _NEWLINE
        edge = newline | (text == ord(self._dialect.sep))
        opening, closing = quote & within, quote & ~within
        if (
            (within & newline).any()
            or (opening[1:] & ~edge[:-1]).any()
            or (closing[:-1] & ~(edge | (text == ord("\r")))[1:]).any()
        ):
            raise Unsure


def _end_of_filled(text: bytes) -> int:
    """Return where the last line ends that is not blank, 0 where all are."""
    stop = len(text)
    while stop:
        start = text.rfind(b"\n", 0, stop - 1) + 1
        if text[start:stop].strip(b"\r\n"):
            break
        stop = start
    return stop
