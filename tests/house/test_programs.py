"""What Python calls is compiled with all that it calls, and nothing outside sees its parts."""

import gc
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from numba.core.runtime import _nrt_python, rtsys

import bayesgmm as bg
from bayesgmm.runtime.programs import Program

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def root(x: float) -> float:
    return math.sqrt(x) if x > 1.0 else x


def checked(x: float) -> float:
    if x < 0.0:
        raise ValueError("it is negative")
    return x


@pytest.fixture
def programs() -> tuple[Program, Program, Program]:
    """Return a program, one that calls it, and one that calls both."""
    leaf = Program(root, OPTIONS)
    check = Program(checked, OPTIONS)

    def total(values: Any) -> float:
        sums = np.zeros(1)
        for value in values:
            sums[0] += leaf(check(value))
        return sums[0]

    def mean(values: Any) -> float:
        return leaf(whole(values)) / values.shape[0]

    whole = Program(total, OPTIONS)
    return leaf, whole, Program(mean, OPTIONS)


def exported(program: Program) -> set[str]:
    (overload,) = program.overloads.values()
    functions = overload.library.get_defined_functions()
    return {f.name for f in functions if f.linkage.name == "external"}


def test_programs_give_what_python_gives(programs: tuple[Program, Program, Program]) -> None:
    leaf, whole, mean = programs
    values = np.array([4.0, 0.5, 9.0])
    assert whole(values) == 5.5
    assert mean(values) == math.sqrt(5.5) / 3.0
    assert leaf(16.0) == 4.0 and leaf(16) == 4.0
    with pytest.raises(ValueError, match="it is negative"):
        mean(np.array([-1.0]))


def test_parts_are_neither_seen_nor_made_machine_code(
    programs: tuple[Program, Program, Program],
) -> None:
    leaf, whole, mean = programs
    mean(np.array([4.0, 0.5]))
    names = exported(mean)
    assert len(names) == 2 and all("mean" in name for name in names)
    assert not leaf.overloads and not whole.overloads
    for part in (leaf._part, whole._part):
        (overload,) = part.overloads.values()
        assert not overload.library._codegen._engine.is_symbol_defined(
            overload.fndesc.llvm_func_name
        )


def test_one_part_serves_all_programs(programs: tuple[Program, Program, Program]) -> None:
    leaf, whole, mean = programs
    mean(np.array([4.0]))
    (before,) = leaf._part.overloads.values()
    whole(np.array([4.0]))
    (after,) = leaf._part.overloads.values()
    assert before is after


@pytest.fixture
def allocations() -> Iterator[Callable[[], int]]:
    """Count the arrays of compiled code that are not given back."""
    _nrt_python.memsys_enable_stats()

    def held() -> int:
        found = rtsys.get_allocation_stats()
        return found.mi_alloc - found.mi_free

    yield held
    _nrt_python.memsys_disable_stats()


class Pair(NamedTuple):
    values: Any
    out: Any


def write(pair: Pair) -> None:
    for i in range(pair.out.shape[0]):
        row = pair.values[i]
        pair.out[i : i + 1] = row[:1]


def summed(values: Any, places: Any) -> Any:
    chosen = values[places]
    return chosen.sum()


def test_arrays_are_counted_where_they_are_made_and_only_there(
    allocations: Callable[[], int],
) -> None:
    writes, sums = Program(write, OPTIONS), Program(summed, OPTIONS)

    def total(values: Any) -> float:
        pair = Pair(values.copy(), np.empty(len(values)))
        writes(pair)
        return sums(pair.out, np.arange(2))

    program = Program(total, OPTIONS)
    values = np.arange(6.0).reshape(3, 2)
    assert program(values) == 2.0
    before = allocations()
    for _ in range(100):
        program(values)
    assert allocations() == before
    (lent,), (counted,) = (p._part.overloads.values() for p in (writes, sums))
    assert "NRT_incref" not in lent.library.get_llvm_str()
    assert "NRT_" in counted.library.get_llvm_str()


def test_kernels_give_back_what_they_take(allocations: Callable[[], int]) -> None:
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.normal(size=(20, 2)), rng.normal(6.0, 1.0, (20, 2))])
    rows[::4, 1] = np.nan
    data = bg.Dataset.from_frame(pd.DataFrame(rows, columns=["a", "b"]), missing="mar")
    options: dict[str, Any] = {"draws": 20, "tune": 20, "chains": 1, "seed": 1}

    def use() -> None:
        for known in (data, rows[1::2]):
            bg.fit_em(known, 2, seed=1, n_starts=1)
            bg.membership(bg.sample(known, 2, **options))

    use()
    gc.collect()
    before = allocations()
    use()
    gc.collect()
    assert allocations() == before
