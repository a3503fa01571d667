"""The examples of functions that are not part of the flat public interface run, too."""

import doctest
import inspect

import pytest

import cascadebdt as cb
from cascadebdt import inference, workspace
from small_analysis import small_config, small_yields

NAMES = ["adjusted", "breakdown", "exclusion", "project", "scan_2d", "toy_goodness_of_fit"]


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_function_runs(name: str) -> None:
    values = {"cb": cb, "workspace": workspace.build(small_yields(), small_config(unblind="test"))}
    text = inspect.getdoc(getattr(inference, name)) or ""
    example = doctest.DocTestParser().get_doctest(text, values, name, None, None)
    assert example.examples
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example).failed == 0
