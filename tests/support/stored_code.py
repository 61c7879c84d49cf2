"""A package of two tiny compiled functions with the real cache, and caches damaged on purpose.

Run as a script it serves orders, one JSON object a line: numba is loaded and warm there, and each
use of the functions is a fork of its own, which loads the package anew. A crash is seen, too.
"""

import json
import logging
import os
import pickle
import random
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba

RUNTIME = Path(__file__).parents[2] / "bayesgmm" / "runtime"
# Two functions of the same bytecode: only their constants tell them apart.
TINY = """
from bayesgmm.runtime.compiling import compiled

@compiled
def scaled(x):
    return 3.0 * x

@compiled
def halved(x):
    return 0.5 * x
"""
EXPECTED = [6.0, 12.0, 1.0]
N_LOADED = len(EXPECTED)


def tiny_package(root: Path) -> Path:
    """Write the package into a folder, and return the folder of its compiled code."""
    package = root / "bayesgmm"
    shutil.copytree(RUNTIME, package / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    compiled = package / "likelihood" / "compiled"
    compiled.mkdir(parents=True)
    for folder in (package, compiled.parent, compiled):
        (folder / "__init__.py").touch()
    (compiled / "tiny.py").write_text(TINY)
    return compiled


def used() -> dict[str, Any]:
    """Call the functions; return their numbers, and how many were loaded from the cache."""
    said: list[str] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    for module in ("code_cache", "code_folders"):
        logger = logging.getLogger(f"bayesgmm.runtime.{module}")
        logger.setLevel(logging.INFO)
        logger.addHandler(Recorder())
    from bayesgmm.likelihood.compiled import tiny
    from bayesgmm.runtime.code_folders import kept_in

    numbers = [tiny.scaled(2.0), tiny.scaled(4), tiny.halved(2.0)]
    functions = (tiny.scaled, tiny.halved)
    loaded = sum(sum(f.stats.cache_hits.values()) for f in functions)
    return {"numbers": numbers, "loaded": loaded, "said": said, "folder": str(kept_in())}


def forked(action: Callable[[], Any], times: int = 1) -> list[Any]:
    """Return what an action returns in forks of this process that run at the same time."""
    children = []
    for _ in range(times):
        receive, send = os.pipe()
        child = os.fork()
        if not child:
            try:
                found = action()
            except BaseException:
                found = {"error": traceback.format_exc()}
            with open(send, "w") as answer:
                json.dump(found, answer)
            os._exit(0)
        os.close(send)
        children.append((child, receive))
    results = []
    for child, receive in children:
        with open(receive) as answer:
            text = answer.read()
        _, status = os.waitpid(child, 0)
        results.append(json.loads(text) if text else {"error": f"ended with status {status}"})
    return results


def _flipped(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _cut(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


def _swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x")


def _as_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


class _Runs:
    """A pickle that leaves a trace when it is loaded."""

    def __reduce__(self) -> Any:
        return (os.mkdir, ("executed",))


def _rewritten(index: Path, change: Callable[[list[Any]], None]) -> None:
    """Change an index, and give it the digest that it should have."""
    from bayesgmm.runtime.code_cache import _CheckedFile

    file = _CheckedFile(str(index.parent), index.name.removesuffix(".nbi"), index.parent.name)
    content = list(file._read(str(index)))
    change(content)
    file._write(str(index), tuple(content))


def _exchange_overloads(content: list[Any]) -> None:
    overloads = content[2]
    one, other = overloads
    overloads[one], overloads[other] = overloads[other], overloads[one]


def _set(place: int, value: str) -> Callable[[list[Any]], None]:
    return lambda content: content.__setitem__(place, value)


def damages(folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each damage, and what does it to the good files in the folder."""
    files = sorted(folder.iterdir())
    first, second, index = (path for path in files if ".scaled-" in path.name)
    other, other_index = (path for path in files if ".halved-" in path.name)
    for seed in range(15):
        path = files[seed % len(files)]
        yield f"bit {seed}", lambda p=path, s=seed: _flipped(p, random.Random(s))
    for seed in range(5):
        path = files[seed % len(files)]
        yield f"cut {seed}", lambda p=path, s=seed: _cut(p, random.Random(s))
    for path in (first, index):
        what = path.suffix
        yield f"empty {what}", lambda p=path: p.write_bytes(b"")
        yield f"zeros {what}", lambda p=path: p.write_bytes(bytes(p.stat().st_size))
        yield f"foreign {what}", lambda p=path: p.write_bytes(pickle.dumps({"a": 1}))
        yield f"hostile {what}", lambda p=path: p.write_bytes(pickle.dumps(_Runs()))
        yield f"gone {what}", path.unlink
        yield f"folder {what}", lambda p=path: _as_folder(p)
        yield f"link {what}", lambda p=path: _as_link(p)
    yield "index and data swapped", lambda: _swap(index, first)
    yield "signatures swapped", lambda: _swap(first, second)
    yield "functions swapped", lambda: _swap(first, other)
    yield "indices swapped", lambda: _swap(index, other_index)
    yield "index to wrong file", lambda: _rewritten(index, _exchange_overloads)
    yield "old numba", lambda: _rewritten(index, _set(0, "0.50.0"))
    yield "old sources", lambda: _rewritten(index, _set(1, "bayesgmm-code-old"))


def damaged(folder: Path) -> list[dict[str, Any]]:
    """Return what becomes of each damage: in the first run after it, and in the second."""
    good = {path: path.read_bytes() for path in folder.iterdir()}
    results = []
    for name, damage in damages(folder):
        shutil.rmtree(folder)
        folder.mkdir()
        for path, content in good.items():
            path.write_bytes(content)
        damage()
        first, second = (forked(used)[0] for _ in range(2))
        results.append({"name": name, "first": first, "second": second})
    return results


def _obeyed(root: str, before: str, environment: dict[str, str], damage: str | None) -> Any:
    sys.dont_write_bytecode = True  # sources change faster than time stamps
    sys.path.insert(0, root)
    os.chdir(root)
    os.environ.update(environment)
    numba.core.config.reload_config()
    exec(before, {})
    return damaged(Path(damage)) if damage else used()


def serve() -> None:
    """Obey the orders on stdin: keywords of `_obeyed`, and how many times at once."""
    numba.njit(lambda x: x + 1.0)(1.0)  # what every child would do once more
    for line in sys.stdin:
        order = json.loads(line)
        times = order.pop("times")
        print(json.dumps(forked(lambda given=order: _obeyed(**given), times)), flush=True)


if __name__ == "__main__":
    serve()
