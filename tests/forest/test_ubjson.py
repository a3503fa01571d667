import json

import numpy as np
import xgboost as xgb

from cascadebdt.forest import ubjson


def test_a_booster_reads_as_its_json() -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    parameters = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    booster = xgb.train(parameters, xgb.DMatrix(x, x[:, 0] > 0), 3)
    found = ubjson.parse(bytes(booster.save_raw("ubj")))["learner"]
    expected = json.loads(bytes(booster.save_raw("json")))["learner"]
    assert found["learner_model_param"] == expected["learner_model_param"]
    pairs = zip(*(tree["gradient_booster"]["model"]["trees"] for tree in (found, expected)), strict=True)
    for tree, same in pairs:
        for name in ("left_children", "right_children", "split_indices", "default_left", "split_conditions"):
            np.testing.assert_array_equal(np.asarray(tree[name]), np.array(same[name], tree[name].dtype))


def test_plain_values_of_every_kind_are_read() -> None:
    assert ubjson.parse(b"{i\x01a[TFZ]i\x01bI\xff\xfei\x01cSi\x02hi}") == {"a": [True, False, None], "b": -2, "c": "hi"}
