"""scikit-learn's own tests of its mixture, with ours in its place.

Run as ``python -m tests.sklearn_drop_in``; with SCIPY_ARRAY_API=1 tests of array dispatch run too.

The installed test files are run as they are; nothing is copied. A test may fail only for a reason
listed here, and a listed one must fail.
"""

import os
import sys
import warnings
from collections import defaultdict
from collections.abc import Sequence
from importlib.metadata import version

import pytest
import sklearn.mixture

from bayesgmm import GaussianMixture
from bayesgmm.errors import DataWarning, DegeneracyWarning

MODULES = ("sklearn.mixture.tests.test_gaussian_mixture", "sklearn.mixture.tests.test_mixture")
_PRIVATE = "asks for private functions"
_WORDING = "wording of an error or warning; its class is as asked"
REASONS = {
    "test_check_means": _WORDING,
    "test_check_precisions": _WORDING,
    "test_check_weights": _WORDING,
    "test_gaussian_mixture_all_init_does_not_estimate_gaussian_parameters": _PRIVATE,
    "test_gaussian_mixture_fit_convergence_warning": _WORDING,
    "test_gaussian_mixture_precisions_init": _PRIVATE,
    "test_gaussian_mixture_raises_where_array_api_not_implemented": (
        "asks for an error where scikit-learn's own code does not yet take some arrays"
    ),
    "test_gaussian_mixture_setting_best_params": (
        "a component on one row without reg_covar has an unbounded likelihood: DegenerateFitError, "
        "where scikit-learn returns the last step before it fails"
    ),
    "test_monotonic_likelihood": (
        "tol bounds what is still to be gained; scikit-learn stops with weights 0.64 and 0.36 on "
        "the way to 0.67 and 0.33"
    ),
    "test_regularisation": "collinear columns are refused",
    "test_sample": _WORDING,
}


class Outcomes:
    """A plugin that notes how each test function ended."""

    def __init__(self) -> None:
        self.ended: dict[str, list[str]] = defaultdict(list)
        self.said: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.rpartition("::")[2].partition("[")[0]
        if report.when == "call" or (report.when == "setup" and not report.passed):
            self.ended[name].append(report.outcome)
            if report.failed and name not in self.said:
                crash = getattr(report.longrepr, "reprcrash", None)
                message = str(crash.message if crash else report.longrepr)
                self.said[name] = " ".join(message.split())[:160]


def run(*options: str) -> Outcomes:
    """Run the tests; scikit-learn's own class is put back afterwards."""
    outcomes, own = Outcomes(), sklearn.mixture.GaussianMixture
    os.environ["SKLEARN_RUN_FLOAT32_TESTS"] = "1"
    sklearn.mixture.GaussianMixture = GaussianMixture
    try:
        with warnings.catch_warnings():
            for ours in (DataWarning, DegeneracyWarning):
                warnings.simplefilter("ignore", ours)
            pytest.main(
                ["--pyargs", *MODULES, "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider",
                 "-p", "no:xdist", "-c", "/dev/null", "-W", "ignore::bayesgmm.errors.DataWarning",
                 *options],
                plugins=[outcomes],
            )  # fmt: skip
    finally:
        sklearn.mixture.GaussianMixture = own
    return outcomes


def table(outcomes: Outcomes) -> list[str]:
    """Return the lines of the table in tests/README.md."""
    lines = ["| test | passed | skipped | failed | reason |", "|---|---|---|---|---|"]
    for name, ended in sorted(outcomes.ended.items()):
        if failed := ended.count("failed"):
            reason = REASONS.get(name, f"NOT LISTED: {outcomes.said[name]}")
            passed, skipped = ended.count("passed"), ended.count("skipped")
            lines.append(f"| {name} | {passed} | {skipped} | {failed} | {reason} |")
    whole = [ended for ended in outcomes.ended.values() if "failed" not in ended]
    passed, skipped = (sum(one.count(how) for one in whole) for how in ("passed", "skipped"))
    lines.append(f"| {len(whole)} others | {passed} | {skipped} | 0 | |")
    return lines


def unexpected(outcomes: Outcomes) -> list[str]:
    """Return tests that fail without a listed reason, and listed ones that pass."""
    run = {name for name, ended in outcomes.ended.items() if set(ended) != {"skipped"}}
    listed = set(REASONS) & run
    failed = {name for name, ended in outcomes.ended.items() if "failed" in ended}
    return sorted(failed ^ listed)


def main(options: Sequence[str] = ()) -> int:
    """Print the table; return 1 where it is not as listed."""
    outcomes = run(*options)
    print(f"\nscikit-learn {version('scikit-learn')}\n")
    print("\n".join(table(outcomes)))
    if wrong := unexpected(outcomes):
        print(f"not as listed: {', '.join(wrong)}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
