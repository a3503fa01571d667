"""Resolutions, efficiencies and jets of the parametrised detector."""

import numpy as np
import pytest

from cascadebdt.arrays import FloatArray
from cascadebdt.simulation import detector, response
from cascadebdt.simulation.particles import ELECTRON, HADRON, JET, MUON, PHOTON, FinalState


def final_state(kind: list[int], pt: list[float], eta: list[float], phi: list[float]) -> FinalState:
    """Return one event without heavy hadrons."""
    energy = np.array(pt) * np.cosh(eta)
    empty = np.empty(0)
    return FinalState(
        offsets=np.array([0, len(kind)]),
        kind=np.array(kind, np.int8),
        charge=np.zeros(len(kind), np.int8),
        pt=np.array(pt),
        eta=np.array(eta),
        phi=np.array(phi),
        energy=energy,
        heavy_offsets=np.array([0, 0]),
        heavy_flavour=np.empty(0, np.int8),
        heavy_eta=empty,
        heavy_phi=empty,
    )


def full(value: float) -> FloatArray:
    return np.full(200_000, value)


def test_the_calorimeter_resolutions_are_those_of_the_delphes_card() -> None:
    ecal = response.ecal_resolution(energy=np.array([100.0, 100.0]), eta=np.array([0.0, -4.0]))
    np.testing.assert_allclose(ecal, [np.hypot(0.17, 1.01), np.hypot(3.5, 2.85)])
    hcal = response.hcal_resolution(energy=np.array([100.0, 100.0]), eta=np.array([1.0, 2.0]))
    np.testing.assert_allclose(hcal, [np.sqrt(3.02**2 + 5.205**2 + 1.59**2), np.hypot(5.0, 7.06)])


@pytest.mark.parametrize(("eta", "expected"), [(0.2, (0.01, 0.01)), (1.0, (0.015, 0.015)), (-2.0, (0.025, 0.035))])
def test_the_muon_resolution_is_that_of_the_delphes_card(eta: float, expected: tuple[float, float]) -> None:
    found = response.muon_resolution(pt=np.array([100.0]), eta=np.array([eta]))
    np.testing.assert_allclose(found, np.hypot(*expected))


@pytest.mark.parametrize("relative", [0.01, 0.1, 0.4])
def test_log_normal_smearing_has_mean_one_and_the_width_asked_for(relative: float) -> None:
    factor = response.log_normal(full(relative), rng=np.random.default_rng(3))
    # five standard errors of 200000 draws, with room for the tail of the log-normal
    assert factor.mean() == pytest.approx(1.0, abs=5 * relative / 200_000**0.5)
    assert factor.std() == pytest.approx(relative, rel=0.02)
    assert factor.min() > 0


def test_b_tag_scores_pass_one_half_with_the_efficiency() -> None:
    score = response.btag_score(efficiency=full(0.3), rng=np.random.default_rng(4))
    assert np.mean(score > 0.5) == pytest.approx(0.3, abs=0.006)
    assert score.min() >= 0
    assert score.max() <= 1


@pytest.mark.parametrize(("kind", "barrel", "endcap"), [(PHOTON, 0.95, 0.85), (ELECTRON, 0.9025, 0.7055)])
def test_efficiencies_are_those_of_the_delphes_card(kind: int, barrel: float, endcap: float) -> None:
    found = response.find_efficiency(kind=np.array([kind, kind]), eta=np.array([0.5, -2.0]))
    np.testing.assert_allclose(found, [barrel, endcap])


def test_states_of_an_electron_have_probabilities_below_one() -> None:
    kind, pt, eta = np.full(2, ELECTRON), np.full(2, 40.0), np.array([0.0, 2.0])
    lost = 1 - response.find_efficiency(kind=kind, eta=eta) - response.photon_fake_rate(kind=kind, pt=pt, eta=eta)
    assert np.all(lost > 0)


def test_jets_leave_out_leptons_and_take_in_photons_which_are_not_isolated() -> None:
    pytest.importorskip("fastjet", reason="needs the extra 'samples'")
    final = final_state([MUON, PHOTON, HADRON], [50.0, 30.0, 40.0], [0.0, 1.0, 1.1], [0.0, 2.0, 2.0])
    mask, hard = detector.hard_candidates(final)
    jets = detector.jet_candidates(final, outside=~mask)
    assert hard.kind.tolist() == [MUON]
    assert jets.pt == pytest.approx([70.0], abs=0.5)
    assert jets.fraction == pytest.approx([3 / 7], abs=0.01)


def test_missing_momentum_balances_the_measured_objects() -> None:
    pytest.importorskip("fastjet", reason="needs the extra 'samples'")
    final = final_state([MUON, PHOTON], [60.0, 40.0], [0.0, 1.0], [0.0, np.pi])
    met = np.array([detector.measure(final, rng=np.random.default_rng(i)).met_x[0] for i in range(400)])
    expected = np.sqrt(detector.SOFT_NOISE**2 + 0.6**2 + 0.8**2)
    assert met.mean() == pytest.approx(-20.0, abs=5 * expected / 20)
    assert met.std() == pytest.approx(expected, rel=0.15)  # four standard errors of 400 draws


def test_objects_are_ordered_by_falling_pt_within_events() -> None:
    pytest.importorskip("fastjet", reason="needs the extra 'samples'")
    final = final_state([MUON, PHOTON, HADRON], [20.0, 90.0, 50.0], [0.0, 1.0, -1.1], [0.0, 2.0, -2.0])
    measured = detector.measure(final, rng=np.random.default_rng(1))
    assert measured.kind.tolist() == [PHOTON, JET, MUON]
