import numpy as np

from cascadebdt import plots

MATRIX = {"CR_zee": {"zee": 0.9, "wjets": 0.1}, "SR": {"zee": 0.25, "wjets": 0.75}}


def test_every_share_is_a_cell_with_its_number() -> None:
    ax = plots.purity(MATRIX).axes[0]
    np.testing.assert_array_equal(np.asarray(ax.images[0].get_array()), [[0.9, 0.1], [0.25, 0.75]])
    assert [text.get_text() for text in ax.texts] == ["0.900", "0.100", "0.250", "0.750"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["CR_zee", "SR"]
