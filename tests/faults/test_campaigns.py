"""Small parts of the campaigns in ``benchmarks/faults`` that need processes of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGNS = Path(__file__).parents[2] / "benchmarks" / "faults"


@pytest.mark.parametrize(
    "arguments",
    [
        ("workspaces.py", "--number", "60", "--seed", "7"),
        ("products.py", "--number", "11", "--commands", "1", "--seed", "7"),
        ("writes.py", "--every", "120", "--first", "80"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_campaign_finds_no_wrong_number_no_traceback_and_no_hang(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, str(CAMPAIGNS / arguments[0]), *arguments[1:]]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
