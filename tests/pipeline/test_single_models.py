"""A cascade trained model by model, each by its own command line, is that of one training, bit for bit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cascadebdt import config as configuration
from cascadebdt.cli import main
from cascadebdt.pipeline import Node, nodes
from cascadebdt.products import Products
from tiny_analysis import tiny_config

Write = Callable[[dict[str, Any]], Path]
FOLDS = 3


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def planned(config: Path, output: Path) -> tuple[Node, ...]:
    return nodes(configuration.load(config), Products(output))


def do(node: Node, config: Path, output: Path) -> None:
    result = call(*node.arguments, config, "--output", output, "--jobs", 1, "--quiet")
    assert result.exit_code == 0, result.output


def bits(output: Path) -> dict[str, bytes]:
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in (output / "cascade").rglob("*.ubj")}


def cascade(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / "cascade" / "cascade.json").read_text())
    return content


SEVERAL = ["binary", "multiclass"]


@pytest.mark.parametrize(
    ("mode", "final", "assign", "n_bdts"),
    [
        ("cross_fit", {"repeats": 2, "kind": SEVERAL, "train_on": "all"}, "sorter", 7),
        ("nested", {}, "stage", 3),
    ],
)
def test_models_trained_one_by_one_are_those_of_one_training(
    write_config: Write, tmp_path: Path, mode: str, final: dict[str, Any], assign: str, n_bdts: int
) -> None:
    raw = tiny_config()
    raw["cascade"] |= {"mode": mode, "control": {"assign": assign}}
    raw["cascade"]["bdt"] |= {"n_estimators": 8, "early_stopping_rounds": None}
    raw["cascade"]["final"] |= final
    config, parts, whole = write_config(raw), tmp_path / "parts", tmp_path / "whole"
    result = call("train", config, "--output", whole, "--jobs", 1)
    assert result.exit_code == 0, result.output
    models = [node for node in planned(config, parts) if node.category == "model"]
    assert len(models) == FOLDS * n_bdts
    for node in sorted(models, key=lambda node: (models.index(node) // FOLDS, -models.index(node))):
        do(node, config, parts)
    left = [node.name for node in planned(config, parts) if not node.is_done and node.category != "select"]
    assert left[0] == "train"
    assert call("train", config, "--output", parts, "--jobs", 1).exit_code == 0
    assert bits(parts) == bits(whole)
    assert cascade(parts) == cascade(whole)


def test_a_model_needs_all_models_of_the_stages_before(write_config: Write, tmp_path: Path) -> None:
    config = write_config(tiny_config())
    do(next(node for node in planned(config, tmp_path) if node.category == "model"), config, tmp_path)
    result = call("train", config, "--output", tmp_path, "--stage", "wjets", "--fold", 0)
    assert result.exit_code == 2
    assert "the model of stage 'zee', fold 1, is missing" in result.output
    assert "--stage zee --fold 1" in result.output


@pytest.mark.parametrize(
    ("stage", "fold", "sentence"),
    [("zea", 0, "unknown stage 'zea'; did you mean 'zee'?"), ("zee", 3, "no model of fold 3, expected 0 to 2")],
)
def test_a_model_that_does_not_exist_is_an_error(
    write_config: Write, tmp_path: Path, stage: str, fold: int, sentence: str
) -> None:
    result = call("train", write_config(tiny_config()), "--output", tmp_path, "--stage", stage, "--fold", fold)
    assert result.exit_code == 2
    assert sentence in result.output


def test_a_changed_sorter_is_trained_anew_and_a_kept_model_of_several_classes_is_not(
    write_config: Write, tmp_path: Path
) -> None:
    raw = tiny_config()
    raw["cascade"] |= {"control": {"assign": "sorter"}}
    raw["cascade"]["final"] |= {"kind": SEVERAL, "train_on": "all"}
    assert call("train", write_config(raw), "--output", tmp_path, "--jobs", 1).exit_code == 0
    raw["cascade"]["control"] |= {"bdt": {"max_depth": 2}}
    models = [node for node in planned(write_config(raw), tmp_path) if node.category == "model"]
    assert [node.name for node in models if not node.is_done] == [f"train_sorter_{fold}" for fold in range(FOLDS)]
