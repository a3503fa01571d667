"""Values that hold arrays are not compared: `==` of arrays is an array, and a comparison of the fields would raise."""

import dataclasses
import importlib
import inspect
import pkgutil

import cascadebdt

NEEDS_EXTRAS = ("cascadebdt.simulation", "cascadebdt.__main__")  # Pythia 8; runs the command line


def dataclasses_of_arrays() -> list[type]:
    modules = [found.name for found in pkgutil.walk_packages(cascadebdt.__path__, "cascadebdt.")]
    members = [
        member
        for module in modules
        if not module.startswith(NEEDS_EXTRAS)
        for member in vars(importlib.import_module(module)).values()
        if inspect.isclass(member) and member.__module__ == module and dataclasses.is_dataclass(member)
    ]
    return [
        member
        for member in members
        if any(word in str(field.type) for field in dataclasses.fields(member) for word in ("ndarray", "Array"))
    ]


def test_dataclasses_of_arrays_have_no_comparison_of_fields() -> None:
    found = dataclasses_of_arrays()
    assert len(found) > 20
    assert [f"{item.__module__}.{item.__name__}" for item in found if "__eq__" in vars(item)] == []
