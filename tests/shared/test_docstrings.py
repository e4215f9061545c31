"""The examples in the docstrings of `shared` run and tell the truth."""

import doctest
import importlib
import pkgutil

import pytest

import shared

MODULES = sorted(module.name for module in pkgutil.walk_packages(shared.__path__, "shared."))


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    result = doctest.testmod(importlib.import_module(name), verbose=False)
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(examples) >= 8
