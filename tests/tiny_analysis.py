"""A tiny analysis on generated ntuples: two backgrounds, two stages, jagged photons and leptons, signed weights."""

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from cascadebdt.config import CascadeConfig
from cascadebdt.events import Events, identify

SAMPLES = {  # process: (events, mean photon pt, mean MET, fraction of negative weights, cross section in pb)
    "signal": (3000, 60.0, 60.0, 0.0, 0.02),
    "zee": (4000, 50.0, 20.0, 0.0, 1.0),
    "wjets": (4000, 30.0, 45.0, 0.1, 0.5),
}


def write_ntuple(path: Path, process: str, n_events: int, seed: int, *, is_data: bool = False, first: int = 0) -> Path:
    """Write a toy ntuple with NanoAOD names; simulation has genWeight and a Runs tree, data have neither."""
    _, photon_pt, met, negative, _ = SAMPLES[process]
    rng = np.random.default_rng(seed)
    n_photon, n_electron = rng.integers(0, 3, n_events), rng.integers(1, 3, n_events)

    def jagged(counts: Any, values: Any) -> ak.Array:
        return ak.unflatten(values.astype(np.float32), counts)

    def objects(counts: Any, mean: float) -> dict[str, ak.Array]:
        total = int(counts.sum())
        pt, eta, phi = 20 + rng.exponential(mean, total), rng.uniform(-2.5, 2.5, total), rng.uniform(-3.14, 3.14, total)
        return {"pt": jagged(counts, pt), "eta": jagged(counts, eta), "phi": jagged(counts, phi)}

    columns = {
        "run": np.full(n_events, 1, np.uint32),
        "luminosityBlock": (np.arange(n_events) // 100 + 1).astype(np.uint32),
        "event": np.arange(first, first + n_events, dtype=np.uint64),
        "Photon": ak.zip(objects(n_photon, photon_pt)),
        "Electron": ak.zip(objects(n_electron, 40.0)),
        "MET_pt": rng.exponential(met, n_events).astype(np.float32),
        "MET_phi": rng.uniform(-3.14, 3.14, n_events).astype(np.float32),
    }
    weights = np.where(rng.random(n_events) < negative, -1.0, 1.0)
    if not is_data:
        columns |= {"genWeight": weights, "weight_up": rng.uniform(1.0, 1.2, n_events)}
    with uproot.recreate(path) as file:
        file.mktree("Events", columns)
        if not is_data:
            file.mktree("Runs", {"run": np.array([1]), "genEventSumw": np.array([weights.sum()])})
    return path


def tiny_config() -> dict[str, Any]:
    """Return the raw configuration of the tiny analysis; change it freely."""
    bdt = {"n_estimators": 20, "max_depth": 3, "learning_rate": 0.3, "early_stopping_rounds": 5}
    samples = [
        {"name": process, "process": process, "files": f"{process}_*.root", "cross_section_pb": cross_section}
        for process, (*_, cross_section) in SAMPLES.items()
    ]
    return {
        "analysis": "tiny",
        "luminosity_fb": 1.0,
        "ntuples": {"sum_of_weights": "Runs:genEventSumw", "weight": "genWeight", "chunk_entries": 1500},
        "samples": [*samples, {"name": "data", "process": "data", "files": "data.root"}],
        "objects": {
            "photon": {"from": "Photon", "where": "pt > 30 and abs(eta) < 2.4", "order": "-pt"},
            "electron": {"from": "Electron", "where": "pt > 25", "order": "-pt", "away_from": {"photon": 0.4}},
        },
        "selection": [
            {"name": "photon", "cut": "count(photon) >= 1"},
            {"name": "electron", "cut": "count(electron) >= 1"},
        ],
        "features": {
            "photon_pt": "photon[0].pt",
            "met": "MET_pt",
            "m_eg": "mass(electron[0], photon[0])",
            "second_pt": "photon[1].pt",
        },
        "cascade": {
            "folds": 3,
            "bdt": bdt,
            "min_effective_events": 20,
            "stages": [
                {
                    "name": "zee",
                    "against": "zee",
                    "features": ["met", "m_eg"],
                    "working_point": {"signal_efficiency": 0.9},
                },
                {
                    "name": "wjets",
                    "against": "wjets",
                    "features": ["photon_pt", "met", "second_pt"],
                    "working_point": {"signal_efficiency": 0.8},
                },
            ],
            "final": {"features": ["photon_pt", "met", "m_eg"]},
        },
        "regions": {"control": {"n_bins": 3}, "signal": {"observable": "final", "n_bins": 4}},
        "systematics": [
            {"name": "lumi", "kind": "normalisation", "size": 0.02},
            {"name": "pileup", "kind": "weight", "up": "weight_up", "down": "2 - weight_up", "processes": ["zee"]},
            {
                "name": "photon_scale",
                "kind": "kinematic",
                "up": {"Photon_pt": "Photon_pt * 1.05"},
                "down": {"Photon_pt": "Photon_pt * 0.95"},
            },
        ],
        "fit": {"free": ["zee", "wjets"]},
    }


def toy_events(n_events: int = 6000, seed: int = 3) -> Events:
    """Return selected events of a signal, two backgrounds and data, without any file."""
    rng = np.random.default_rng(seed)
    process = np.repeat(np.arange(4), [n_events // 4] * 4).astype(np.int16)
    centre = np.array([[2.0, 2.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])[process]
    values = rng.normal(centre, 1.0).astype(np.float32)
    values[::17, 1] = np.nan
    weight = np.where(rng.random(n_events) < 0.1, -0.5, 1.0)
    weight[process == 3] = 1.0
    return Events(
        columns={"x": values[:, 0], "y": values[:, 1]},
        weights={"nominal": weight, "pileup_up": weight * 1.1, "pileup_down": weight * 0.9},
        event_id=identify([np.arange(n_events)], salt=""),
        process=process,
        sample=process,
        variation=np.zeros(n_events, np.int16),
        processes=("signal", "zee", "wjets", "data"),
        samples=("signal", "zee", "wjets", "data"),
    )


def toy_cascade(**changes: Any) -> CascadeConfig:
    """Return the configuration of a cascade for `toy_events`."""
    stage = {"features": ["x", "y"], "working_point": {"signal_efficiency": 0.9}}
    raw = {
        "folds": 3,
        "bdt": {"n_estimators": 15, "max_depth": 3, "learning_rate": 0.3, "early_stopping_rounds": 4},
        "min_effective_events": 20,
        "device": "cpu",
        "stages": [{**stage, "name": "zee", "against": "zee"}, {**stage, "name": "wjets", "against": "wjets"}],
        "final": {"features": ["x", "y"]},
    }
    return CascadeConfig.model_validate({**raw, **changes})
