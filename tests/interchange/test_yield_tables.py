"""Tables of yields: what is in them, and that HEPData's validator accepts them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cascadebdt import inference
from cascadebdt.cli import main
from cascadebdt.interchange import write_tables
from cascadebdt.interchange.yield_tables import escaped
from cascadebdt.workspace import Workspace
from interchange.test_combine import model
from interchange.test_hs3 import several_bins


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    write_tables(inference.predictions(model()), folder)
    return folder


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_every_bin_and_every_sum_has_a_row(tables: Path) -> None:
    found = {tuple(row[:3]): row[3:] for row in rows(tables / "yields_postfit.csv")[1:]}
    expected = inference.predictions(model()).postfit.regions["SR"]
    assert float(found["SR", "0", "b"][0]) == pytest.approx(expected.processes["b"][0])
    assert [float(x) for x in found["SR", "sum", "total"]] == pytest.approx(expected.total_sum)
    assert found["SR", "sum", "data"] == ["25.0", ""]
    assert {process for region, _, process in found if region == "CR"} == {"b", "total", "data"}


def test_the_covariance_has_names_on_both_sides(tables: Path) -> None:
    head, *body = rows(tables / "covariance_postfit.csv")
    assert head[1:] == [row[0] for row in body] == ["CR[0]", "SR[0]"]
    found = np.array([[float(cell) for cell in row[1:]] for row in body])
    assert found == pytest.approx(inference.predictions(model()).postfit.covariance)


def test_latex_has_rules_escapes_and_digits_of_the_uncertainty(tmp_path: Path) -> None:
    content = json.loads(json.dumps(model()).replace('"b"', '"b_1 & c%"'))
    write_tables(inference.predictions(content), tmp_path)
    text = (tmp_path / "yields_prefit.tex").read_text()
    assert r"b\_1 \& c\% & $" in text
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert r"Data & $60$ & $25$ \\" in text


def test_blind_data_are_not_in_the_tables(tmp_path: Path) -> None:
    write_tables(inference.predictions(Workspace(model()).blinded("SR")), tmp_path)
    assert "Data & $60$ & blind" in (tmp_path / "yields_postfit.tex").read_text()
    assert ["SR", "sum", "data", "25.0", ""] not in rows(tmp_path / "yields_postfit.csv")


def test_escapes_are_not_escaped_again() -> None:
    assert escaped(r"a\b_{c}~^") == r"a\textbackslash{}b\_\{c\}\textasciitilde{}\textasciicircum{}"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the validator leaves files open
def test_the_validator_of_hepdata_accepts_the_submission(tmp_path: Path) -> None:
    validator = pytest.importorskip("hepdata_validator.full_submission_validator")
    content = json.loads(json.dumps(several_bins()).replace('"A"', json.dumps("A" * 90)))
    write_tables(inference.predictions(content), tmp_path)
    check = validator.FullSubmissionValidator()
    assert check.validate(directory=str(tmp_path / "hepdata")), check.get_messages()
    assert check.get_messages() == {}


def test_the_command_writes_tables_of_a_data_card(tmp_path: Path) -> None:
    card = "imax *\njmax *\nkmax *\nobservation 6\nbin 1 1\nprocess S B\nprocess 0 1\nrate 1 5.5\ne lnN - 1.3\n"
    (tmp_path / "card.txt").write_text(card)
    arguments = ["export", "tables", str(tmp_path / "card.txt"), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "hepdata" / "submission.yaml").exists()
    found = {tuple(row[:3]): row[3:] for row in rows(tmp_path / "out" / "yields_prefit.csv")}
    assert float(found["bin1", "sum", "B"][0]) == 5.5
