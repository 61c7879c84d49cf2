"""The examples in the docstrings run, and every public name has one."""

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import pytest

import bayesgmm as bg
from tests.support.places import ROOT

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules() -> Iterator[str]:
    """Every module of the package by its real name, but the one that runs the command line."""
    found = pkgutil.walk_packages(bg.__path__, "bayesgmm.")
    return (module.name for module in found if module.name != "bayesgmm.__main__")


def own_examples(module: ModuleType) -> list[doctest.DocTest]:
    """The doctests of what a module defines itself."""
    return [test for test in doctest.DocTestFinder().find(module) if test.examples]


def public() -> dict[str, object]:
    """The public functions and classes, those of `bg.plots` among them; not the exceptions."""
    named = {f"bg.{name}": getattr(bg, name) for name in bg.__all__}
    named |= {f"bg.plots.{name}": getattr(bg.plots, name) for name in bg.plots.__all__}
    return {
        name: value
        for name, value in named.items()
        if inspect.isfunction(value)
        or (inspect.isclass(value) and not issubclass(value, BaseException))
    }


@pytest.mark.parametrize("name", list(modules()))
def test_examples_of_a_module_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    report: list[str] = []
    for test in own_examples(importlib.import_module(name)):
        runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)


@pytest.mark.parametrize("name", list(public()))
def test_every_public_name_has_an_example(name: str) -> None:
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(public()[name]) or "")
    assert examples, f"{name} has no example"
    assert not any(doctest.SKIP in example.options for example in examples)
