"""Ways to score a cascade: each is a function of columns to regions. Libraries that are not installed are left out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xgboost as xgb
from toy import Columns

from cascadebdt.cascade import Cascade
from cascadebdt.forest import target
from cascadebdt.kernels import cpu

Way = Callable[[Columns], Any]
Score = Callable[[np.ndarray], np.ndarray]


def all_ways(cascade: Cascade) -> dict[str, tuple[Way, int]]:
    """Return the ways by name, each with the divisor of the number of events it is measured on."""
    models = [stage.classifier.boosters[0] for stage in cascade.stages]
    ways: dict[str, tuple[Way, int]] = {
        "XGBoost predict_proba, all stages": (everywhere(cascade, [_proba(model) for model in models]), 4),
        "XGBoost inplace_predict, survivors": (on_survivors(cascade, [m.inplace_predict for m in models]), 2),
    }
    for name, convert in (("daal4py", _daal4py), ("ONNX Runtime", _onnx), ("Treelite", _treelite)):
        try:
            ways[f"{name}, survivors"] = on_survivors(cascade, [convert(model) for model in models]), 20
        except ImportError:
            print(f"({name} is not installed)")
    ways["cascadebdt, plain"] = compiled(cascade, target.plain), 1
    if cpu.instructions():
        ways[f"cascadebdt, {cpu.instructions()}"] = compiled(cascade, None), 1
    return ways


def compiled(cascade: Cascade, choose_target: Any) -> Way:
    """Score with the kernels of a target."""
    ready = cascade.compiled(choose_target)

    def regions(columns: Columns) -> np.ndarray:
        identity = np.zeros(len(columns["c0"]), np.uint64)
        return ready.score(columns, identity).region

    return regions


def everywhere(cascade: Cascade, scores: list[Score]) -> Way:
    """Score all stages on all events."""

    def regions(columns: Columns) -> np.ndarray:
        region = np.full(len(columns["c0"]), len(scores), np.int8)
        for index in reversed(range(len(scores))):
            stage = cascade.stages[index]
            table = np.stack([columns[name] for name in stage.classifier.features], axis=1)
            region[~(scores[index](table) >= stage.working_point.threshold)] = index
        return region

    return regions


def on_survivors(cascade: Cascade, scores: list[Score]) -> Way:
    """Score each stage on the events that reach it."""

    def regions(columns: Columns) -> np.ndarray:
        region = np.full(len(columns["c0"]), len(scores), np.int8)
        alive = np.arange(len(region))
        for index, (stage, score) in enumerate(zip(cascade.stages, scores, strict=True)):
            table = np.stack([columns[name][alive] for name in stage.classifier.features], axis=1)
            passed = score(table) >= stage.working_point.threshold
            region[alive[~passed]] = index
            alive = alive[passed]
        return region

    return regions


def _proba(model: xgb.Booster) -> Score:
    classifier = xgb.XGBClassifier(n_jobs=1)
    classifier.load_model(bytearray(model.save_raw("ubj")))
    classifier.get_booster().feature_names = None
    return lambda table: classifier.predict_proba(table)[:, 1]


def _daal4py(model: xgb.Booster) -> Score:
    import daal4py

    read = daal4py.get_gbt_model_from_xgboost

    def read_score(booster: xgb.Booster, parameters: dict[str, Any]) -> Any:
        """Read the base score as XGBoost has written it since 3.1, "[5E-1]"."""
        learner = parameters["learner"]["learner_model_param"]
        learner["base_score"] = learner["base_score"].strip("[]")
        return read(booster, parameters)

    daal4py.daalinit(1)
    daal4py.mb.model_builders.d4p.get_gbt_model_from_xgboost = read_score
    converted = daal4py.mb.convert_model(model)
    daal4py.mb.model_builders.d4p.get_gbt_model_from_xgboost = read
    return lambda table: converted.predict_proba(table)[:, 1]


def _onnx(model: xgb.Booster) -> Score:
    import onnxruntime
    from onnxmltools.convert import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    copy = xgb.XGBClassifier()
    copy.load_model(bytearray(model.save_raw("ubj")))
    n_features = copy.get_booster().num_features()
    copy.get_booster().feature_names = [f"f{j}" for j in range(n_features)]
    converted = convert_xgboost(copy, initial_types=[("x", FloatTensorType([None, n_features]))])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(converted.SerializeToString(), options)
    return lambda table: session.run(["probabilities"], {"x": table})[0][:, 1]


def _treelite(model: xgb.Booster) -> Score:
    import treelite

    converted = treelite.frontend.from_xgboost(model)
    return lambda table: treelite.gtil.predict(converted, table, nthread=1).ravel()
