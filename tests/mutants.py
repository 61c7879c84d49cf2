"""Mutation score: small random wrong versions of a part, and whether its own tests notice.

    python -m tests.mutants PART [--sample 10] [--seed 1]

draws mutations of the part's files (a comparison, an operator, a number or a sign changed), each
planted alone in a copy of package and tests, and prints which survive. A survivor is either
equivalent to the right code or shows what no test of the part sees.
"""

import argparse
import ast
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.planted import ROOT, copied, is_compiled, planted, run_tests

PARTS = {
    "kernels": (
        (
            "likelihood/compiled/block.py",
            "likelihood/compiled/kernels.py",
            "likelihood/compiled/whitening.py",
        ),
        (
            "test_density.py::test_kernels_against_scipy",
            "test_density.py::test_three_hundred_components_do_not_overflow",
            "test_density.py::test_cholesky_against_numpy",
            "test_density.py::test_a_singular_component_has_no_constant",
            "test_density.py::test_singular_point_has_no_density",
        ),
    ),
    "rows": (
        (
            "likelihood/annotated_rows.py",
            "likelihood/compiled/annotations.py",
            "likelihood/compiled/grouped.py",
            "likelihood/compiled/row_groups.py",
        ),
        ("test_annotated_rows.py",),
    ),
    "density": (
        (
            "likelihood/compiled/fused.py",
            "likelihood/compiled/pull_back.py",
            "likelihood/compiled/coordinates.py",
            "likelihood/log_posterior.py",
        ),
        (
            "test_density.py::test_gradient_by_finite_differences",
            "test_density.py::test_expected_objective_touches_the_log_posterior",
            "test_density.py::test_coordinates_go_there_and_back",
            "test_density.py::test_stan_reference_point_term_by_term",
            "test_density.py::test_singular_point_has_no_density",
            *(
                f"test_density_against_pymc.py::test_equals_the_pymc_model[{case}]"
                for case in ("2-2-full-halfnormal-rounded", "2-2-tied-lognormal-exact")
            ),
        ),
    ),
    "em": (
        ("fit/em.py", "likelihood/compiled/m_step.py", "likelihood/rows.py"),
        (
            "test_fit_em.py::test_m_step_matches_the_structure",
            "test_estimator.py::test_the_first_steps_are_scikit_learns",
            "test_estimator.py::test_bounds_and_iterations",
            "test_estimator.py::test_reg_covar_is_relative_to_the_columns_variance",
            "test_fit_streaming.py",
            "test_fit_em.py",
        ),
    ),
    "labels": (
        ("labels/_relabel.py", "labels/stephens.py", "labels/ecr.py", "labels/pivot.py",
         "labels/identification.py", "labels/allocation.py", "labels/modes.py",
         "labels/quantities.py"),
        ("test_labels.py",),
    ),
    "criteria": (
        ("elpd/predictive.py", "elpd/refit.py", "evidence/bridge.py",
         "evidence/proposal.py", "evidence/nobile.py"),
        ("test_waic_loo.py", "test_evidence.py"),
    ),
}  # fmt: skip
SWAPPED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def mutations(source: str) -> Iterator[tuple[str, str]]:
    """Yield what is changed, with its line, and the source changed there; each mutation alone."""
    for i, _ in enumerate(_sites(ast.parse(source))):
        tree = ast.parse(source)
        node = list(_sites(tree))[i]
        before = ast.unparse(node)
        _mutate(node)
        yield f"line {node.lineno}: {before} -> {ast.unparse(node)}", ast.unparse(tree)


def _sites(tree: ast.Module) -> Iterator[ast.AST]:
    """Find what can be mutated inside functions: expressions, but no annotations."""
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef | ast.ClassDef):
            continue
        annotations = {
            id(inner)
            for node in ast.walk(function)
            for field in ("annotation", "returns")
            if getattr(node, field, None) is not None
            for inner in ast.walk(getattr(node, field))
        }
        for node in ast.walk(function):
            if id(node) not in annotations and _mutable(node):
                yield node


def _mutable(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return type(node.ops[0]) in SWAPPED
    if isinstance(node, ast.BinOp | ast.BoolOp):
        return type(node.op) in SWAPPED
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub)
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _mutate(node: ast.AST) -> None:
    match node:
        case ast.Compare():
            node.ops[0] = SWAPPED[type(node.ops[0])]()
        case ast.BinOp() | ast.BoolOp():
            node.op = SWAPPED[type(node.op)]()
        case ast.UnaryOp():
            node.op = ast.UAdd()
        case ast.Constant():
            node.value += 1


def survivors(part: str, size: int, seed: int) -> Iterator[tuple[str, bool]]:
    """Yield each drawn mutation and whether the tests of its part pass all the same."""
    files, tests = PARTS[part]
    drawn = [
        (file, what, source)
        for file in files
        for what, source in mutations((ROOT / "bayesgmm" / file).read_text())
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder)
        if run_tests(folder, tests):
            raise RuntimeError(f"the tests of {part} fail without any mutation")
        chosen = random.Random(seed).sample(drawn, min(size, len(drawn)))
        for file, what, source in sorted(chosen, key=lambda one: is_compiled(one[2])):
            try:
                with planted(folder, file, source):
                    survived = not run_tests(folder, tests, "-x", cpu_seconds=900)
            except RuntimeError:  # hung, crashed or does not import
                survived = False
            yield f"{file} {what}", survived


def main() -> None:
    """Print the survivors and the score."""
    parser = argparse.ArgumentParser(description="Mutation score of a part of the package.")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--sample", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    killed = total = 0
    for what, survived in survivors(arguments.part, arguments.sample, arguments.seed):
        total, killed = total + 1, killed + (not survived)
        print(f"{'survived' if survived else 'killed'}: {what}", flush=True)
    print(f"{arguments.part}: {killed} of {total} killed")


if __name__ == "__main__":
    main()
