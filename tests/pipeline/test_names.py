"""Names of the package load when they are first used."""

import subprocess
import sys

SCRIPT = """
from cascadebdt import pipeline
from cascadebdt.pipeline import Node, nodes
assert all(callable(getattr(pipeline, name)) for name in (*pipeline.__all__, *pipeline.__all__)), pipeline.__all__
assert callable(nodes)
"""


def test_a_function_is_found_where_a_module_has_its_name() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
