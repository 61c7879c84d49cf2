"""The grid of all fourteen structures, K = 1 to 9, against mclust's, both from rows in memory."""

import math
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from statistics import mean

import numpy as np
import pandas as pd

from bayesgmm.fit import bic_grid
from bayesgmm.model.components import STRUCTURES
from tests.benchmarks.timing import ratio_within, seconds
from tests.support.mclust_grid import NAMES, ROWS, highest_of, is_believed
from tests.support.places import DATA

DATA_SETS = ("faithful", "iris")
FOURTEEN = [s.name for s in STRUCTURES.values() if s.mclust]
_SIZES = range(1, 10)
_SERVER = """
suppressMessages(library(mclust))
read <- function(f) { X <- read.csv(f); as.matrix(X[sapply(X, is.numeric)]) }
rows <- lapply(commandArgs(TRUE), read)
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) == 1) {
  Y <- rows[[as.integer(line)]]
  spent <- system.time(mclustBIC(Y, G = 1:9, verbose = FALSE))
  cat(spent[["elapsed"]], spent[["user.self"]] + spent[["sys.self"]], "\\n")
  flush(stdout())
}
"""


def rows_of(name):
    return pd.read_csv(DATA / f"{name}.csv").select_dtypes("number")


def ours(rows):
    return bic_grid(rows, _SIZES, FOURTEEN, resolution=0.0, seed=1)


def below_mclust(name):
    """Return the cells in which mclust is higher by more than 0.01, and the number of all.

    Counting all solutions, and counting those that are believed, here and there.
    """
    rows = rows_of(name)
    table = ours(rows).set_index("covariance", append=True)
    highest = np.fmax(table["log_likelihood"], table["set_aside"])
    believed = table["log_likelihood"].where(~table["flagged"], -math.inf)
    cells = [row for row in ROWS if row["data"] == name]

    def lower(found):
        short = [found[row["G"], NAMES[row["model"]]] <= highest_of(row) - 0.01 for row in cells]
        return [row for row, is_short in zip(cells, short, strict=True) if is_short]

    doubted = lower(believed)
    return lower(highest), [row for row in doubted if is_believed(rows, row)], doubted, len(cells)


def ratios(rounds=15):
    """Yield the name, and seconds of ours and of mclust in turn: on the clock, of processors."""
    files = [str(DATA / f"{name}.csv") for name in DATA_SETS]
    command = ["Rscript", "-e", _SERVER, *files]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as server:

        def theirs(number):
            server.stdin.write(f"{number}\n")
            server.stdin.flush()
            return tuple(map(float, server.stdout.readline().split()))

        for number, name in enumerate(DATA_SETS, start=1):
            rows = rows_of(name)
            ours(rows)
            theirs(number)
            pairs = []
            for i in range(rounds):  # whoever is first changes from pair to pair
                first = theirs(number) if i % 2 else None
                busy = time.process_time()
                mine = seconds(partial(ours, rows)), time.process_time() - busy
                pairs.append((mine, theirs(number) if first is None else first))
            yield name, pairs
        server.stdin.close()


def lines(rounds=15) -> Iterator[str]:
    if shutil.which("Rscript") is None:
        yield "m. mclust: no Rscript found, not measured"
        return
    for name, pairs in ratios(rounds):
        lower, believed, doubted, n_cells = below_mclust(name)
        yield (
            f"m. grid of {name}: below mclust in {len(lower)} of {n_cells} cells; of what is "
            f"believed in {len(believed)}, and in {len(doubted) - len(believed)} where mclust's is "
            f"set aside: {[(row['model'], row['G']) for row in doubted]}"
        )
        for which, what in enumerate(("time", "processor time")):
            mine, others = ([each[which] for each in side] for side in zip(*pairs, strict=True))
            low, ratio, high = ratio_within(mine, others)
            yield (
                f"m. grid of {name}: {ratio:.2f} of mclust's {what}, 95 % {low:.2f} to {high:.2f} "
                f"({rounds} pairs in turn; {mean(mine):.2f} s, {mean(others):.2f} s)"
            )


if __name__ == "__main__":
    for each in lines(int(sys.argv[1]) if len(sys.argv) > 1 else 15):
        print(each, flush=True)
