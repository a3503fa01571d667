"""A public table: the cross-fitted BDT separates as well as plain XGBoost does in folds of its own."""

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_breast_cancer

from cascadebdt import BDTClassifier
from cascadebdt.training.quality import roc_auc


def test_the_area_on_a_public_table_is_within_the_fold_spread_of_plain_xgboost() -> None:
    table, labels = load_breast_cancer(return_X_y=True)
    features, is_signal = table.astype(np.float32), labels == 1
    weights = np.random.default_rng(1).uniform(0.5, 1.5, len(labels))
    classifier = BDTClassifier(folds=5, n_estimators=60, max_depth=3, learning_rate=0.2)
    classifier.fit(features, labels, sample_weight=weights)
    ours = classifier.predict_proba(features)[:, 1].astype(np.float32)
    folds = np.random.default_rng(2).permutation(len(labels)) % 5
    parameters = {"objective": "binary:logistic", "max_depth": 3, "learning_rate": 0.2, "nthread": 1}
    areas, plain = [], []
    for fold in range(5):
        train, test = folds != fold, folds == fold
        data = xgb.DMatrix(features[train], label=labels[train], weight=weights[train], nthread=1)
        booster = xgb.train(parameters, data, 60)
        plain.append(roc_auc(booster.inplace_predict(features[test]), weights[test], is_signal[test]))
        areas.append(roc_auc(ours[test], weights[test], is_signal[test]))
    assert abs(np.mean(areas) - np.mean(plain)) < np.std(plain, ddof=1)
    assert np.mean(areas) > 0.98
