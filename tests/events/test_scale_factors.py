"""Scale factors from files of correctionlib, against what correctionlib itself says."""

import json
from pathlib import Path
from typing import Any

import awkward as ak
import correctionlib
import numpy as np
import pytest
import uproot

from cascadebdt import config as configuration
from cascadebdt.errors import CascadeBDTError
from cascadebdt.events import Events
from cascadebdt.events.loading import select
from cascadebdt.pipeline import origins

PT = [[35.0, 12.0], [], [80.0], [250.0]]


def binned(*values: float) -> dict[str, Any]:
    edges = [10.0, 40.0, 100.0, 300.0]
    return {"nodetype": "binning", "input": "pt", "edges": edges, "content": list(values), "flow": "error"}


def write_corrections(path: Path, nominal: float = 0.95) -> Path:
    """Write a correction by the transverse momentum with values up and down."""
    by_text = {"sf": binned(0.9, nominal, 1.1), "systup": binned(1.0, 1.05, 1.2), "systdown": binned(0.8, 0.85, 1.0)}
    content = {"nodetype": "category", "input": "ValType"}
    content["content"] = [{"key": key, "value": value} for key, value in by_text.items()]  # type: ignore[assignment]
    correction = {
        "name": "ID",
        "version": 1,
        "inputs": [
            {"name": "year", "type": "string"},
            {"name": "pt", "type": "real"},
            {"name": "ValType", "type": "string"},
        ],
        "output": {"name": "weight", "type": "real"},
        "data": content,
    }
    path.write_text(json.dumps({"schema_version": 2, "corrections": [correction]}))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_corrections(tmp_path / "muon.json")
    for name in ("signal", "top", "data"):
        jagged = ak.zip({field: ak.Array(PT) for field in ("pt", "eta", "phi")})
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file.mktree("Events", {"event": np.arange(4), "w": np.full(4, 2.0), "Muon": jagged})
    return tmp_path


def raw_config(**changes: Any) -> dict[str, Any]:
    factor = {
        "name": "muon_id",
        "file": "muon.json",
        "correction": "ID",
        "inputs": {"year": "2018", "pt": "muon[0].pt"},
        "varied": {"input": "ValType", "nominal": "sf", "up": "systup", "down": "systdown"},
    }
    stage = {"name": "top", "against": "top", "features": ["pt"], "working_point": 0.9}
    return {
        "analysis": "scaled",
        "luminosity_fb": 1.0,
        "ntuples": {"event_id": ["event"], "weight": "w * muon_id"},
        "samples": [{"name": name, "process": name, "files": f"{name}.root"} for name in ("signal", "top", "data")],
        "objects": {"muon": {"from": "Muon", "order": "-pt"}},
        "scale_factors": [{**factor, **changes}],
        "features": {"pt": "muon[0].pt"},
        "cascade": {"stages": [stage]},
        "systematics": [
            {"name": "id", "kind": "weight", "up": "muon_id_up / muon_id", "down": "muon_id_down / muon_id"}
        ],
    }


def selected(folder: Path, **changes: Any) -> Events:
    return select(configuration.parse(raw_config(**changes), directory=folder))


def test_weights_and_their_variations_are_those_of_correctionlib(folder: Path) -> None:
    events = selected(folder)
    reference = correctionlib.CorrectionSet.from_file(str(folder / "muon.json"))["ID"]
    rows = events.of_process("signal")
    leading = events.columns["pt"][rows].astype(float)
    for variation, text in (("nominal", "sf"), ("id_up", "systup"), ("id_down", "systdown")):
        expected = [2.0 if np.isnan(pt) else 2 * reference.evaluate("2018", pt, text) for pt in leading]
        assert events.weights[variation][rows].tolist() == pytest.approx(expected)


def test_data_have_no_scale_factors(folder: Path) -> None:
    events = selected(folder)
    assert events.weights["nominal"][events.is_data].tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "muo.json"}, r"scale_factors.muon_id.file: .*muo.json: no such file"),
        ({"file": "top.root"}, "top.root: not a file of correctionlib"),
        ({"correction": "IDD"}, "has no correction 'IDD'; did you mean 'ID'"),
        ({"inputs": {"year": "2018"}}, r"muon_id.inputs: 'ID' needs the input 'pt' \(real\)"),
        ({"inputs": {"year": "2018", "pt": "1", "eta": "1"}}, "has no input 'eta'"),
        ({"inputs": {"year": "2018", "pt": "muon[0].ptt"}}, "muon_id.inputs.pt: no branch 'Muon_ptt'"),
        ({"inputs": {"year": "2018", "pt": "muon[0].pt * 100"}}, "scale_factors.muon_id: ID: "),
        ({"name": "w"}, "'w' is a branch or an object"),
        ({"varied": {"input": "pt"}, "inputs": {"year": "1", "ValType": "sf"}}, "'pt' is no input of text"),
    ],
)
def test_what_cannot_be_computed_is_one_sentence(folder: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CascadeBDTError, match=message):
        selected(folder, **changes)


def test_other_values_in_the_file_give_other_keys(folder: Path) -> None:
    def key() -> str:
        return origins.of_steps(configuration.parse(raw_config(), directory=folder), {})["train"].key

    before = key()
    assert key() == before
    write_corrections(folder / "muon.json", nominal=0.96)
    assert key() != before
