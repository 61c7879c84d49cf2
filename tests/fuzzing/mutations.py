"""Small changes to bytes, as accidents and careless editing make them."""

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["mutated"]

Rng = np.random.Generator
_ENDS = (b"\n", b"\r\n", b"\r", b"\0", b"\xef\xbb\xbf", b"\x1a", b" ", b"\t")


def mutated(content: bytes, fragments: Sequence[bytes], rng: Rng) -> bytes:
    """Return the content with one to four changes; `fragments` are what the format is made of."""
    for _ in range(int(rng.integers(1, 5))):
        change = _CHANGES[int(rng.integers(len(_CHANGES)))]
        content = change(content, fragments, rng)
    return content


def _place(content: bytes, rng: Rng) -> int:
    return int(rng.integers(len(content) + 1))


def _span(content: bytes, rng: Rng) -> tuple[int, int]:
    start = _place(content, rng)
    return start, min(len(content), start + int(rng.geometric(0.1)))


def _flip_a_bit(content: bytes, fragments: Sequence[bytes], rng: Rng) -> bytes:
    if not content:
        return content
    at = int(rng.integers(len(content)))
    return content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]


def _delete(content: bytes, fragments: Sequence[bytes], rng: Rng) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + content[end:]


def _cut(content: bytes, fragments: Sequence[bytes], rng: Rng) -> bytes:
    return content[: _place(content, rng)]


def _repeat(content: bytes, fragments: Sequence[bytes], rng: Rng) -> bytes:
    start, end = _span(content, rng)
    return content[:end] + content[start:end] * int(rng.integers(1, 4)) + content[end:]


def _move(content: bytes, fragments: Sequence[bytes], rng: Rng) -> bytes:
    start, end = _span(content, rng)
    rest = content[:start] + content[end:]
    at = _place(rest, rng)
    return rest[:at] + content[start:end] + rest[at:]


def _insert_fragment(content: bytes, fragments: Sequence[bytes], rng: Rng) -> bytes:
    at = _place(content, rng)
    pool = (*fragments, *_ENDS)
    return content[:at] + pool[int(rng.integers(len(pool)))] + content[at:]


def _insert_noise(content: bytes, fragments: Sequence[bytes], rng: Rng) -> bytes:
    at = _place(content, rng)
    return content[:at] + rng.bytes(int(rng.integers(1, 9))) + content[at:]


def _replace_fragment(content: bytes, fragments: Sequence[bytes], rng: Rng) -> bytes:
    start, end = _span(content, rng)
    pool = (*fragments, *_ENDS)
    return content[:start] + pool[int(rng.integers(len(pool)))] + content[end:]


_CHANGES: tuple[Callable[[bytes, Sequence[bytes], Rng], bytes], ...] = (
    _flip_a_bit,
    _delete,
    _cut,
    _repeat,
    _move,
    _insert_fragment,
    _insert_fragment,
    _insert_noise,
    _replace_fragment,
)
