"""What Python calls is compiled with all that it calls, and nothing outside sees its parts."""

import math
from typing import Any

import numpy as np
import pytest

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
