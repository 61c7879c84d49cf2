"""The loop: change a file, read it, judge the answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayesgmm.errors import BayesGMMError
from tests.fuzzing.mutations import mutated
from tests.fuzzing.targets import Target

__all__ = ["Outcome", "fuzz", "is_sentence"]

LONGEST = 2_000


class Outcome(NamedTuple):
    """What became of one changed file; ``fault`` is empty where all is as promised."""

    number: int
    name: str
    fault: str
    content: bytes


def fuzz(target: Target, seed: int, folder: Path) -> Iterator[Outcome]:
    """Yield the outcomes of changed files without end; the same seed gives the same files."""
    rng = np.random.default_rng(seed)
    files = target.files(folder)
    path = folder / f"changed{target.suffix}"
    number = 0
    while True:
        before = files[int(rng.integers(len(files)))]
        content = mutated(before, target.fragments, rng)
        path.write_bytes(content)
        name, fault = _judge(target, path, content, before)
        yield Outcome(number, name, fault, content)
        number += 1


def is_sentence(message: str) -> bool:
    """Whether a message is one line of readable length that ends as a sentence does."""
    return "\n" not in message and len(message) < LONGEST and message.endswith((".", "?"))


def _judge(target: Target, path: Path, content: bytes, before: bytes) -> tuple[str, str]:
    try:
        answer = target.read(path)
    except BayesGMMError as error:
        good = is_sentence(str(error))
        return type(error).__name__, "" if good else f"no sentence: {error!s:.300}"
    except Exception as error:
        return type(error).__name__, f"raw {type(error).__name__}: {error!s:.200}"
    try:
        target.check(answer, content, before)
    except Exception as error:
        return "accepted", f"accepted, but {type(error).__name__}: {error!s:.200}"
    return "accepted", ""
