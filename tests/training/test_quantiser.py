"""Borders of bins: what they are, and that XGBoost takes them as they are."""

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given

from cascadebdt.arrays import FeatureArray
from cascadebdt.training import quantiser
from cascadebdt.training.feature_rows import FeatureRows
from cascadebdt.training.quantiser import BEYOND, Quantiser, bin_borders

COLUMN = hnp.arrays(np.float32, st.integers(0, 60), elements=st.floats(-1e6, 1e6, width=32) | st.just(np.nan))


def rows_of(**columns: FeatureArray) -> FeatureRows:
    return FeatureRows(columns, tuple(columns), np.arange(len(next(iter(columns.values())))))


@given(COLUMN, st.integers(2, 20), st.randoms(use_true_random=False))
def test_borders_increase_and_do_not_depend_on_the_order(values: FeatureArray, max_bin: int, random: object) -> None:
    found = bin_borders(values, max_bin)
    assert len(found) <= max_bin
    assert (np.diff(found) > 0).all()
    np.testing.assert_array_equal(found, bin_borders(values[::-1], max_bin))


@given(COLUMN)
def test_few_values_have_a_bin_each(values: FeatureArray) -> None:
    distinct = np.unique(values[~np.isnan(values)])
    np.testing.assert_array_equal(bin_borders(values, 256), np.append(distinct, BEYOND))


def test_bins_of_a_continuous_feature_hold_equally_many_rows() -> None:
    values = np.random.default_rng(0).normal(size=25500).astype(np.float32)
    counts = np.histogram(values, bin_borders(values, 256))[0]
    assert len(counts) == 255
    assert counts.min() >= 99
    assert counts.max() <= 101


def test_a_value_that_fills_many_bins_leaves_the_others_to_the_rest() -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random(10000) < 0.75, 0, rng.exponential(50, 10000)).astype(np.float32)
    assert len(bin_borders(values, 256)) > 245


def test_xgboost_bins_by_these_borders_however_the_rows_come(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=3000).astype(np.float32)
    x[::7] = np.nan
    features = rows_of(x=x, n=rng.integers(0, 5, 3000).astype(np.float32))
    rows = np.arange(0, 3000, 2)
    binning = Quantiser.of(features, 64)
    wanted = [np.append(bin_borders(features.column(name), 64)[1:], 2 * BEYOND) for name in features.names]

    def booster() -> tuple[list[FeatureArray], bytes]:
        data = binning.binned(rows)
        data.set_info(label=(x[rows] > 0.3).astype(np.float32))
        start, values = data.get_quantile_cut()
        first = start.astype(int)  # real numbers in XGBoost 3.0
        found = [values[first[k] + 1 : first[k + 1]] for k in range(2)]  # the first is below every value
        return found, bytes(xgb.train({"max_depth": 3, "max_bin": 64, "nthread": 1}, data, 5).save_raw("ubj"))

    at_once, model = booster()
    for found, expected in zip(at_once, wanted, strict=True):
        np.testing.assert_array_equal(found, expected)
    monkeypatch.setattr(quantiser, "BATCH", 101)
    assert booster()[1] == model
