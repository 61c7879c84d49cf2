"""Rows beyond memory: from Parquet, and on one and two workers of Dask; seconds and peak memory.

Each figure is that of a process of its own; its peak is that of all it did, Python and its packages
included (Linux). `python -m tests.benchmarks.many_rows --dask 100000000` times EM alone on so many
rows, which no disk holds: each pass generates them anew.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import bayesgmm as bg
from bayesgmm.data import as_dataset
from bayesgmm.likelihood.log_posterior import LogPosterior
from bayesgmm.likelihood.rows import Rows
from bayesgmm.model.resolving import resolve

OUT_OF_CORE = 10_000_000, 10, 5  # rows, features, clusters
OVERHEAD, ON_WORKERS, N_FEATURES, N_CLUSTERS = 100_000, 10_000_000, 5, 3
PART = 500_000  # rows of a partition, and of a row group
STARTS, REPEATS = 8, 5
CHAINS, DRAWS = 4, 250


def part_of(number: int, size: int, n_features: int, n_clusters: int) -> np.ndarray:
    """Rows (obs, feature) of one part of a mixture of separated Gaussians."""
    centres = 6.0 * np.random.default_rng(1).normal(size=(n_clusters, n_features))
    rng = np.random.default_rng([number, size])
    return centres[rng.integers(n_clusters, size=size)] + rng.normal(size=(size, n_features))


def parts(n_rows: int) -> list[tuple[int, int]]:
    """Numbers and sizes of the parts of so many rows: at least four."""
    size = min(PART, n_rows // 4)
    return [(i, min(size, n_rows - start)) for i, start in enumerate(range(0, n_rows, size))]


def write(path: Path, n_rows: int, n_features: int, n_clusters: int) -> None:
    names = [f"x{j + 1}" for j in range(n_features)]
    with pq.ParquetWriter(path, pa.schema([(name, pa.float64()) for name in names])) as writer:
        for number, size in parts(n_rows):
            rows = part_of(number, size, n_features, n_clusters)
            writer.write_table(pa.table(dict(zip(names, rows.T, strict=True))))


def peak() -> float:
    """GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def timed(call: Any) -> tuple[Any, float, float]:
    """What a call returns, its seconds, and those of all threads of this process."""
    start, before = time.perf_counter(), time.process_time()
    found = call()
    return found, time.perf_counter() - start, time.process_time() - before


def streamed(path: str, n_clusters: int) -> Iterator[dict[str, Any]]:
    """Open a file, fit, and draw with the evidence."""
    data, *spent = timed(lambda: bg.Dataset.from_parquet(path, in_memory=False))
    yield {"what": "open and check", "spent": spent, "peak": peak()}
    fit, *spent = timed(lambda: bg.fit_em(data, n_clusters, seed=1, n_starts=STARTS))
    yield {"what": f"fit_em, {fit.status.name.lower()}", "spent": spent, "peak": peak()}
    options: Any = {"method": "importance", "log_likelihood": False, "seed": 1}
    tree, *spent = timed(lambda: bg.sample(data, n_clusters, draws=DRAWS, chains=CHAINS, **options))
    effective = bg.diagnose(tree).statistics["importance"]["effective"]
    what = f"{CHAINS} x {DRAWS} draws with the evidence ({effective:.0f} effective)"
    yield {"what": what, "spent": spent, "peak": peak()}


def on_workers(n_rows: int, n_workers: int) -> dict[str, Any]:
    """Fit by EM on workers that generate their rows, and here where there is none."""
    import dask.array as da
    import distributed
    from dask import delayed

    chunks = [
        da.from_delayed(
            delayed(part_of)(*part, N_FEATURES, N_CLUSTERS), (part[1], N_FEATURES), float
        )
        for part in parts(n_rows)
    ]
    rows = da.concatenate(chunks)
    fit = lambda data: bg.fit_em(data, N_CLUSTERS, seed=1, n_starts=STARTS)  # noqa: E731
    if not n_workers:
        data = as_dataset(rows.compute())
        found, *spent = timed(lambda: fit(data))
        return {"spent": spent, "value": found.log_likelihood, "peak": peak()}
    cluster: Any = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.Client(n_workers=n_workers, **cluster) as client:
        data, *opened = timed(lambda: bg.Dataset.from_dask(rows))
        client.run(_fit_something)
        found, *spent = timed(lambda: fit(data))
        largest = max(client.run(peak).values())
    return {"opened": opened, "spent": spent, "value": found.log_likelihood, "peak": largest}


def _fit_something() -> None:
    """Load what a worker loads once."""
    bg.fit_em(part_of(0, 1_000, N_FEATURES, N_CLUSTERS), N_CLUSTERS, seed=1, n_starts=1)


def child(*arguments: Any) -> Iterator[dict[str, Any]]:
    """Run this module in a process of its own; yield what it finds, line by line."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.many_rows"]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command += map(str, arguments)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))} ended with {process.returncode}")


def out_of_core_lines(size: tuple[int, int, int] = OUT_OF_CORE) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.parquet")
        write(path, *size)
        for found in child("--file", path, "--clusters", size[2]):
            wall, processor = found["spent"]
            yield (
                f"j. {found['what']}, {size} from Parquet: {wall:.1f} s, {processor:.1f} s of "
                f"processor; peak memory so far {found['peak']:.2f} GiB"
            )


def pass_line(size: int = PART) -> str:
    """Processor time of a partition: to generate its rows, and for a pass of EM."""
    rows = part_of(0, size, N_FEATURES, N_CLUSTERS)
    spec = bg.MixtureSpec(N_CLUSTERS)
    target = LogPosterior(resolve(spec, as_dataset(rows)), rows[:0])
    point = target.em_point(target.unconstrain(bg.fit_em(rows, spec, seed=1).parameters))
    calls = {
        "generated": lambda: part_of(0, size, N_FEATURES, N_CLUSTERS),
        "a pass of EM": lambda: Rows(target.resolved, rows, 1, hold=False).moments(point),
    }
    found = {
        what: min(timed(call)[2] for _ in range(REPEATS)) * 1e3 for what, call in calls.items()
    }
    told = "; ".join(f"{what} {spent:.0f} ms" for what, spent in found.items())
    return f"k. a partition of {size} rows, processor: {told}"


def dask_lines(sizes: tuple[int, int] = (OVERHEAD, ON_WORKERS)) -> Iterator[str]:
    yield pass_line()
    for n_rows in sizes:
        found = {n: next(child("--dask", n_rows, "--workers", n)) for n in (0, 1, 2)}
        here, one, two = (found[n]["spent"][0] for n in (0, 1, 2))
        equal = found[1]["value"] == found[2]["value"]
        yield (
            f"k. fit_em at {(n_rows, N_FEATURES, N_CLUSTERS)} generated by partition: 2 workers "
            f"{one / two:.2f} times as fast as 1 ({two:.1f} s; {one:.1f} s), in memory without "
            f"Dask {here:.1f} s; {'the same bits' if equal else 'DIFFERENT BITS, FAILED'}; largest "
            f"worker {found[2]['peak']:.2f} GiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--file")
    parser.add_argument("--clusters", type=int)
    parser.add_argument("--dask", type=int)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    if given.file is not None:
        for found in streamed(given.file, given.clusters):
            print(json.dumps(found), flush=True)
    else:
        print(json.dumps(on_workers(given.dask, given.workers)), flush=True)


if __name__ == "__main__":
    main()
