"""Hypotheses: their probabilities add up, and what they do to the collections."""

from dataclasses import replace

import numpy as np
import pytest

from cascadebdt.simulation import hypotheses, response, rows
from cascadebdt.simulation.detector import Objects
from cascadebdt.simulation.hypotheses import Hypotheses
from cascadebdt.simulation.particles import ELECTRON, JET, MUON, PHOTON
from cascadebdt.simulation.processes import PROCESSES, Process

PROCESS = {process.name: process for process in PROCESSES}


def objects(kind: list[int], pt: list[float] | None = None) -> Objects:
    """Return one event with well separated objects in the barrel."""
    n = len(kind)
    kinds = np.array(kind, np.int8)
    momenta = np.array(pt if pt is not None else [60.0 - i for i in range(n)])
    eta = np.linspace(-1.2, 1.2, n)
    return Objects(
        offsets=np.array([0, n]),
        kind=kinds,
        pt=momenta,
        eta=eta,
        phi=np.linspace(-3, 2, n),
        mass=np.zeros(n),
        charge=np.ones(n, np.int8),
        flavour=np.zeros(n, np.int8),
        isolation=np.full(n, 0.1),
        btag=np.full(n, 0.1),
        efficiency=response.find_efficiency(kind=kinds, eta=eta),
        as_photon=response.photon_fake_rate(kind=kinds, pt=momenta, eta=eta),
        as_lepton=response.lepton_fake_rate(kind=kinds, pt=momenta),
        met_x=np.array([40.0]),
        met_y=np.array([0.0]),
        covariance=np.array([[100.0, 0.0, 100.0]]),
    )


def found(measured: Objects, name: str) -> Hypotheses:
    return hypotheses.hypotheses(measured, PROCESS[name])


def build(measured: Objects, name: str) -> rows.Columns:
    columns, _ = rows.build(measured, found(measured, name), rng=np.random.default_rng(1))
    return columns


def test_a_photon_and_a_lepton_give_one_row_with_both_efficiencies() -> None:
    h = found(objects([PHOTON, ELECTRON]), "wgamma")
    np.testing.assert_allclose(h.weight, [0.95 * 0.9025])


def test_each_electron_of_a_pair_is_the_photon_once() -> None:
    h = found(objects([ELECTRON, ELECTRON]), "zee")
    assert h.photon.tolist() == [0, 1]
    np.testing.assert_allclose(h.weight, 2 * [0.015 * 0.9025])


def test_found_and_lost_leptons_are_all_enumerated_with_probabilities_that_add_up() -> None:
    measured = objects([PHOTON, MUON, MUON])
    h = found(measured, "zgamma")
    lost_both = np.prod(1 - measured.efficiency[1:])
    assert sorted(h.found.tolist()) == [1, 2, 3]
    assert h.weight.sum() == pytest.approx(0.95 * (1 - lost_both))


def test_every_jet_is_a_weighted_photon_candidate() -> None:
    measured = objects([JET, JET, MUON])
    h = found(measured, "wjets")
    np.testing.assert_allclose(h.weight, measured.as_photon[:2] * measured.efficiency[2])


def test_every_jet_is_a_weighted_lepton_candidate() -> None:
    measured = objects([PHOTON, JET, JET])
    h = found(measured, "gammajet")
    assert h.fake.tolist() == [1, 2]
    np.testing.assert_allclose(h.weight, 0.95 * measured.as_lepton[1:])


@pytest.mark.parametrize("name", ["wjets", "zee", "ttbar"])
def test_events_with_a_prompt_photon_are_left_to_the_process_with_a_photon(name: str) -> None:
    assert len(found(objects([PHOTON, ELECTRON, JET, ELECTRON]), name)) == 0


def test_hypotheses_are_numbered_within_their_event() -> None:
    assert found(objects([JET, JET, JET, MUON]), "wjets").number.tolist() == [0, 1, 2]


def test_compiled_and_plain_enumeration_are_equal() -> None:
    o = objects([PHOTON, JET, MUON, ELECTRON])
    arguments = (o.offsets, o.kind, o.pt, o.eta, o.phi, o.efficiency, o.as_photon, o.as_lepton)
    results = []
    for function in (hypotheses.enumerate_hypotheses, hypotheses.enumerate_hypotheses.py_func):  # type: ignore[attr-defined]
        table, weight = np.zeros((9, 5), np.int64), np.zeros(9)
        n = function(*arguments, o.kind == PHOTON, False, table, weight)
        results.append((n, table.tolist(), weight.tolist()))
    assert results[0] == results[1]


def test_thinning_keeps_the_sum_of_weights() -> None:
    n = 100_000
    index, weight = np.zeros(n, np.int64), np.random.default_rng(5).exponential(1.0, n)
    h = hypotheses.thin(
        Hypotheses(index, index, index, index, index, weight), least_weight=2.0, rng=np.random.default_rng(6)
    )
    assert h.weight.min() == 2.0
    assert len(h) < 0.6 * n
    assert h.weight.sum() == pytest.approx(weight.sum(), rel=0.02)  # five standard errors


def test_the_jet_that_is_taken_for_a_photon_leaves_the_jets() -> None:
    columns = build(objects([JET, MUON, JET]), "wjets")
    assert columns["nJet"].tolist() == [1, 1]
    np.testing.assert_allclose(columns["Jet_pt"], [58.0, 60.0])
    assert columns["Photon_genPartFlav"].tolist() == [0, 0]


def test_the_electron_that_is_taken_for_a_photon_leaves_the_electrons() -> None:
    columns = build(objects([ELECTRON, ELECTRON]), "zee")
    np.testing.assert_allclose(columns["Photon_pt"], [60.0, 59.0])
    np.testing.assert_allclose(columns["Electron_pt"], [59.0, 60.0])
    assert columns["Photon_genPartFlav"].tolist() == [11, 11]


def test_a_lost_electron_is_a_jet_and_a_lost_muon_missing_momentum() -> None:
    electron = build(objects([PHOTON, MUON, ELECTRON]), "zgamma")
    lost = electron["nElectron"] == 0
    assert electron["nJet"].tolist() == lost.astype(int).tolist()
    measured = objects([PHOTON, ELECTRON, MUON])
    columns = build(measured, "zgamma")
    x = 40.0 + np.where(columns["nMuon"] == 0, 58.0 * np.cos(measured.phi[2]), 0.0)
    y = np.where(columns["nMuon"] == 0, 58.0 * np.sin(measured.phi[2]), 0.0)
    np.testing.assert_allclose(columns["MET_pt"], np.hypot(x, y))


def test_the_skim_drops_soft_photons_soft_leptons_and_small_missing_momentum() -> None:
    def passes(measured: Objects, process: Process = PROCESS["wgamma"]) -> list[bool]:
        h = hypotheses.hypotheses(measured, process)
        _, mask = rows.build(measured, h, rng=np.random.default_rng(1))
        return [bool(value) for value in mask]

    good = objects([PHOTON, MUON])
    assert passes(good) == [True]
    assert passes(replace(good, met_x=np.array([14.0]))) == [False]
    assert passes(objects([PHOTON, MUON], pt=[32.0, 30.0])) == []
    assert passes(objects([PHOTON, MUON], pt=[40.0, 21.0])) == []
