"""Planted bugs: wrong versions of the package, and the tests that must catch each of them.

    python -m tests.planted [NAME ...]

plants each bug in a copy of the package, runs the tests named here against the copy and prints
which of them fail; it ends with an error when a bug passes them all. The same tests must pass on a
copy without a bug first.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.places import ROOT

DENSITY = "test_density_against_pymc.py::test_equals_the_pymc_model"
ENUMERATION = "test_evidence.py::test_two_components_agree_with_the_sum_over_all_allocations"


@dataclass(frozen=True)
class Bug:
    """Text of one file that is replaced, and the tests that should see it."""

    name: str
    path: str
    right: str
    wrong: str
    tests: tuple[str, ...]

    def applied(self, source: str) -> str:
        """Return the wrong source; the right text must be there exactly once."""
        count = source.count(self.right)
        if count != 1:
            raise LookupError(f"{self.name}: found {count} times in {self.path}: {self.right!r}")
        return source.replace(self.right, self.wrong)


def _density(case: str) -> tuple[str, ...]:
    return (f"{DENSITY}[{case}]",)


BUGS = (
    Bug(
        "Jacobian dropped",
        "likelihood/compiled/fused.py",
        "gradient[o] = gradient[o] + slope + jacobian",
        "gradient[o] = gradient[o] + slope",
        _density("2-2-full-lognormal-exact"),
    ),
    Bug(
        "a shared set collects one cluster's gradient",
        "likelihood/compiled/pull_back.py",
        "first, stop = (0, n_groups) if problem.n_scale_sets == 1 else (s, s + 1)",
        "first, stop = (0, 1) if problem.n_scale_sets == 1 else (s, s + 1)",
        _density("5-2-shared_scales-halfnormal-rounded"),
    ),
    Bug(
        "Jacobian of the weights dropped, value and gradient alike",
        "likelihood/compiled/fused.py",
        "total += sums.rows[k] + problem.concentration[k] - 1.0 + jacobian\n",
        "jacobian = 0.0\n        total += sums.rows[k] + problem.concentration[k] - 1.0\n"
        "        terms[5] -= point.log_weights[k]\n",
        _density("2-2-full-lognormal-exact"),
    ),
    Bug(
        "sd for variance",
        "likelihood/compiled/coordinates.py",
        "point.factors[g, i, i] += problem.resolution[i] * problem.resolution[i]",
        "point.factors[g, i, i] += problem.resolution[i]",
        _density("2-2-full-lognormal-rounded"),
    ),
    Bug(
        "wrong alpha",
        "likelihood/compiled/fused.py",
        "terms[1] += (problem.concentration[k] - 1.0) * point.log_weights[k]",
        "terms[1] += problem.concentration[k] * point.log_weights[k]",
        _density("2-2-full-lognormal-exact"),
    ),
    Bug(
        "wrong alpha in model and density alike",
        "model/resolving.py",
        'concentration=_per(priors.concentration, k, "concentration", "cluster"),',
        'concentration=_per(priors.concentration, k, "concentration", "cluster") + 1.0,',
        (ENUMERATION,),
    ),
    Bug(
        "transposed factor",
        "likelihood/compiled/coordinates.py",
        "root = point.scales[s, i] * point.correlation_factors[p, i, j]",
        "root = point.scales[s, j] * point.correlation_factors[p, i, j]",
        _density("2-2-full-lognormal-exact"),
    ),
    Bug(
        "eta ignored",
        "likelihood/problem.py",
        "eta=resolved.eta,",
        "eta=2.0,",
        _density("2-2-full-lognormal-exact"),
    ),
    Bug(
        "prior in the wrong units",
        "model/resolving.py",
        "scale = scale * (structure.unit(spread)[:width] if relative else 1.0)",
        "scale = scale * 1.0",
        ("test_fit_map.py::test_affine_equivariance",),
    ),
    Bug(
        "permuted labels not carried",
        "posterior/tree.py",
        'for n, v in posterior.data_vars.items() if "cluster" in v.dims}',
        'for n, v in posterior.data_vars.items() if "cluster" in v.dims and n != "covariances"}',
        ("test_labels.py::test_a_switch_moves_all_that_belongs_to_a_cluster",),
    ),
    Bug(
        "n - 1 for n",
        "likelihood/compiled/m_step.py",
        "out[k, i, j] = scatters[k, i, j] / mass[k]",
        "out[k, i, j] = scatters[k, i, j] / (mass[k] - 1.0)",
        ("test_fit_em.py::test_one_component_is_the_sample_moments",),
    ),
    Bug(
        "constant missing",
        "likelihood/prior_constants.py",
        "means = -np.log(resolved.mean_rows[1] / resolved.unit).sum() - k * d * half_log_2pi",
        "means = -np.log(resolved.mean_rows[1] / resolved.unit).sum()",
        _density("2-2-full-lognormal-exact"),
    ),
    Bug(
        "K! missing from the evidence",
        "evidence/proposal.py",
        "np.array(constants) - groups.log_order,",
        "np.array(constants),",
        ("test_evidence.py::test_the_proposal_is_normalised_and_symmetric",),
    ),
    Bug(
        "draws left out beside those that are fitted",
        "evidence/shrinkage.py",
        "np.minimum(position * _BLOCKS, _BLOCKS - 1).astype(np.int64) % _FOLDS",
        "np.arange(len(u)) % _FOLDS",
        ("test_high_dimensions.py::test_the_share_is_nearly_the_best_of_all",),
    ),
    Bug(
        "covariances of the draws not shrunk",
        "evidence/shrinkage.py",
        "correlations *= 1.0 - share",
        "correlations *= 1.0",
        ("test_high_dimensions.py::test_few_draws_in_many_coordinates_have_a_small_error",),
    ),
    Bug(
        "one bridge for posteriors that hardly overlap",
        "elpd/refit.py",
        "if joint[1] <= JOINT_BRIDGE_ERROR:",
        "if math.isfinite(joint[1]):",
        ("test_refits.py::test_a_row_that_leaves_the_posteriors_nothing_in_common_is_mended",),
    ),
    Bug(
        "weights off by one",
        "likelihood/compiled/whitening.py",
        "constant[k] = log_weights[k] - log_det",
        "constant[k] = log_weights[k - 1] - log_det",
        _density("2-2-full-lognormal-exact"),
    ),
    Bug(
        "log-normal for half-normal",
        "likelihood/problem.py",
        "scale_family=_FAMILIES[resolved.spec.priors.scale_family],",
        "scale_family=LOG_NORMAL,",
        _density("2-2-full-halfnormal-exact"),
    ),
    Bug(
        "labels of an own model taken for exchangeable though its priors tell them apart",
        "labels/exchangeability.py",
        "if not _close(self.base.log_prior, after.log_prior):",
        "if not len(after.log_prior):",
        ("test_own_models.py::test_what_is_shown_of_models_as_people_write_them[named_clusters]",),
    ),
    Bug(
        "components taken for Gaussian whatever the log likelihood",
        "posterior/gaussian.py",
        "agrees = gap <= close * np.maximum(1.0, np.abs(expected))",
        "agrees = gap < np.inf",
        ("test_own_models.py::test_what_is_shown_of_models_as_people_write_them[t_components]",),
    ),
    Bug(
        "tempering exponent",
        "likelihood/compiled/fused.py",
        "            sums.first[k, i] *= inverse_temperature\n",
        "",
        ("test_density.py::test_gradient_by_finite_differences[False-0.3-full]",),
    ),
    Bug(
        "M-step bounded by variances alone",
        "likelihood/compiled/m_step.py",
        "s += max(1.0 - values[m], 0.0) * axes[i, m] * axes[j, m]",
        "s += max(1.0 - values[m], 0.0) * axes[i, m] * axes[j, m] * (i == j)",
        (
            "test_recording_error.py::test_eigenvalues_in_units_of_the_error_are_raised_to_one_to_the_last_digits",
        ),
    ),
    Bug(
        "saddles kept",
        "fit/saddles.py",
        "if len(fewer[0]) == n_clusters:",
        "if True:",
        ("test_recording_error.py::test_components_that_coincide_are_led_on",),
    ),
    Bug(
        "log of a weight of 0",
        "model/parameters.py",
        "return np.log(np.maximum(weights, np.finfo(float).tiny))",
        "return np.log(weights)",
        (
            "test_empty_weights.py::test_log_likelihood_and_responsibilities_are_those_of_the_other_component",
        ),
    ),
    Bug(
        "starts filtered by what is believed",
        "sampling/mode_search.py",
        "return [optimum.parameters for optimum in fit.optima]",
        "return [o.parameters for o in fit.optima[:1] if not o.flagged]",
        ("test_posterior_modes.py::test_climbs_start_from_every_optimum_believed_or_not",),
    ),
    Bug(
        "mass of missed modes ignored",
        "evidence/missed_modes.py",
        "return self.share > VISIBLE",
        "return False",
        ("test_missed_modes.py::test_chains_in_the_lesser_mode_are_found_out",),
    ),
    Bug(
        "labellings of a missed mode not counted",
        "evidence/missed_modes.py",
        "math.log(weights.mean() * inside * mode.multiplicity)",
        "math.log(weights.mean() * inside)",
        ("test_missed_modes.py::test_masses_of_basins_add_up_to_the_evidence",),
    ),
    Bug(
        "a mode counts as visited wherever draws climb",
        "evidence/missed_modes.py",
        "if labelling.is_at(mode, *ends[i]):",
        "if np.isfinite(ends[i][1]):",
        ("test_missed_modes.py::test_chains_in_the_lesser_mode_are_found_out",),
    ),
    Bug(
        "contradicting evidences ignored",
        "comparison/_compare.py",
        "if sentence is None:",
        "if sentence is None or verdict.ok:",
        ("test_incomplete_comparisons.py::test_two_routes_that_contradict_make_the_run_bad",),
    ),
)


def main() -> None:
    """Plant the bugs one after another."""
    wanted = sys.argv[1:] or [bug.name for bug in BUGS]
    bugs = [bug for bug in BUGS if bug.name in wanted]
    sources = {bug.name: (ROOT / "bayesgmm" / bug.path).read_text() for bug in bugs}
    caught = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copied(folder)
        if failed := run_tests(folder, tuple(sorted({test for bug in bugs for test in bug.tests}))):
            sys.exit(f"fail without a bug: {', '.join(failed)}")
        for bug in sorted(bugs, key=lambda bug: is_compiled(sources[bug.name])):
            with planted(folder, bug.path, bug.applied(sources[bug.name])):
                failed = run_tests(folder, bug.tests)
            caught += bool(failed)
            print(f"{bug.name} ({bug.path}): {', '.join(failed) or 'NOT CAUGHT'}", flush=True)
    print(f"{caught} of {len(bugs)} caught")
    sys.exit(caught < len(bugs))


def is_compiled(source: str) -> bool:
    """Tell files with compiled functions, to be planted after all others.

    While no wrong version has been compiled, what the package has compiled serves all.
    """
    return "@compiled" in source


@contextmanager
def planted(folder: Path, path: str, source: str) -> Iterator[None]:
    """Put wrong source in the place of one file of the package in a folder, for a while."""
    package = folder / "bayesgmm"
    right = (package / path).read_text()
    (package / path).write_text(source)
    try:
        yield
    finally:
        (package / path).write_text(right)


def copied(folder: Path) -> None:
    """Copy package, tests and data, without compiled code."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("bayesgmm", "tests", "models"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy2(ROOT / "pyproject.toml", folder)


def found(test: str, folder: Path = ROOT) -> str:
    """Return a test, named by its file alone, with the path of that file from the root."""
    file, *name = test.split("::")
    (path,) = (folder / "tests").rglob(file)
    return "::".join([str(path.relative_to(folder)), *name])


def run_tests(
    folder: Path, tests: tuple[str, ...], *options: str, cpu_seconds: int = 3600
) -> list[str]:
    """Run tests in a folder that holds package and tests; return the names of those that fail.

    Whatever hangs is ended by its processor time, which a busy machine does not stretch.
    """
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-rfE", "-o", "timeout=0", *options]
        + [found(test, folder) for test in tests],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds)),
    )
    if run.returncode not in (0, 1):
        raise RuntimeError(f"pytest could not run {tests}:\n{run.stdout}\n{run.stderr}")
    names = re.findall(r"^(?:FAILED|ERROR) tests/\S*?(test_\w+)(?:\[|\s|$)", run.stdout, re.M)
    return sorted(set(names))


if __name__ == "__main__":
    main()
