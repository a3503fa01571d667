"""`cascadebdt fit CARD.txt`: a Combine data card through the real command line."""

import json
from pathlib import Path

from click.testing import CliRunner

from cascadebdt.cli import main

CARD = "imax *\njmax *\nkmax *\nobservation 6\nbin 1 1\nprocess S B\nprocess 0 1\nrate 1 5.5\ne lnN - 1.3\n"


def test_a_data_card_is_fitted(tmp_path: Path) -> None:
    (tmp_path / "card.txt").write_text(CARD)
    result = CliRunner().invoke(main, ["fit", str(tmp_path / "card.txt"), "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    limits = json.loads((tmp_path / "out" / "limits.json").read_text())
    assert abs(limits["limit"]["observed"] - 6.9076) < 0.02  # published by Combine


def test_a_card_that_cannot_be_expressed_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "card.txt").write_text(CARD.replace("e lnN - 1.3", "e trG 0.1 0.3"))
    result = CliRunner().invoke(main, ["fit", str(tmp_path / "card.txt")])
    assert result.exit_code == 2
    assert "card.txt, line 9: the sizes 0.1, 0.3 of one trG have no counterpart in HistFactory" in result.output
