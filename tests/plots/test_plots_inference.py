import pytest
from matplotlib.container import ErrorbarContainer

from cascadebdt import plots
from cascadebdt.inference import FitResult


def test_normalisations_are_drawn_with_their_uncertainties(open_fit: FitResult) -> None:
    left, _ = plots.fit(open_fit).axes
    (container,) = [item for item in left.containers if isinstance(item, ErrorbarContainer)]
    assert container.lines[0].get_xdata() == pytest.approx([1.1, 1.2])
    assert [text.get_text() for text in left.texts] == ["1.100 ± 0.050", "1.20 ± 0.10"]


def test_pulls_leave_out_the_statistics_of_simulation(open_fit: FitResult) -> None:
    _, right = plots.fit(open_fit).axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["lumi", "photon_scale"]


def test_the_title_has_the_signal_strength(open_fit: FitResult) -> None:
    assert plots.fit(open_fit).get_suptitle() == "Signal strength: 2 ± 1.5"


def test_the_title_of_a_blind_fit_has_only_the_expected_uncertainty(blind_fit: FitResult) -> None:
    assert plots.fit(blind_fit).get_suptitle() == "Expected uncertainty of the signal strength: ± 1.5"
