"""Files from many threads, and from processes forked beside them: no crash, no damage.

netCDF crashed the process that opened files from two threads, so each test runs one of its own.
"""

import subprocess
import sys
import textwrap

import pytest

from tests.support.places import ROOT

WORK = textwrap.dedent("""
    import multiprocessing, sys, tempfile, threading, time
    from pathlib import Path
    sys.path.insert(0, {root!r})
    from bayesgmm.posterior import load, save
    from tests.support.small_tree import small_tree

    tree, folder, faults = small_tree(200), Path(tempfile.mkdtemp()), []
    shared = save(tree, folder / "shared.nc")

    def one(name, saves):
        if saves:
            save(tree, folder / name, overwrite=True)
        read = load(folder / name if saves else shared)
        assert all(read[group].equals(tree[group]) for group in tree.children), name

    def work(number, saves, end):
        while time.monotonic() < end:
            try:
                one(f"{{number}}.nc", saves)
            except BaseException as fault:
                faults.append(repr(fault))

    def together(kinds, seconds):
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=work, args=(i, s, end)) for i, s in enumerate(kinds)]
        for thread in threads:
            thread.start()
        return threads

    for kinds in ([False] * 4, [True] * 4, [False, True] * 2):
        for thread in together(kinds, {seconds}):
            thread.join()
    threads = together([False, True], {seconds})
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=one, args=(f"child{{i}}.nc", i % 2)) for i in range({forks})]
    for child in children:
        child.start()
        child.join()
    for thread in threads:
        thread.join()
    print([child.exitcode for child in children], faults)
""")


def at_work(seconds: float, forks: int) -> None:
    code = WORK.format(root=str(ROOT), seconds=seconds, forks=forks)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=60 + 10 * seconds,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{[0] * forks} []\n"


def test_threads_and_forked_processes_load_and_save() -> None:
    at_work(0.4, 2)


@pytest.mark.slow
def test_four_threads_load_and_save_for_a_minute_each_way() -> None:
    at_work(60, 15)
