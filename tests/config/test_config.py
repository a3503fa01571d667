from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cascadebdt import config
from cascadebdt.errors import ConfigError
from tiny_analysis import tiny_config

Change = Callable[[dict[str, Any]], Any]


def test_a_stage_inherits_the_common_hyperparameters_and_keeps_its_own() -> None:
    raw = tiny_config()
    raw["cascade"]["stages"][0]["bdt"] = {"max_depth": 2}
    stages = config.parse(raw).cascade.stages
    assert (stages[0].bdt.max_depth, stages[0].bdt.n_estimators) == (2, 20)
    assert (stages[1].bdt.max_depth, stages[1].bdt.n_estimators) == (3, 20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.update(regoins={}), "config: unknown key 'regoins'; did you mean 'regions'?"),
        (
            lambda raw: raw["objects"]["photon"].update(wehre="pt > 1"),
            "config.objects.photon: unknown key 'wehre'; did you mean 'where'?",
        ),
        (
            lambda raw: raw["cascade"]["stages"][1].update(fetures=[]),
            "config.cascade.stages[1]: unknown key 'fetures'; did you mean 'features'?",
        ),
        (lambda raw: raw.pop("luminosity_fb"), "config: missing key 'luminosity_fb'"),
        (lambda raw: raw.update(luminosity_fb=-1), "config.luminosity_fb: input should be greater than 0, got -1"),
        (
            lambda raw: raw["regions"]["control"].update(bins=[0, 2, 1]),
            "config.regions.control: bins must increase, got [0.0, 2.0, 1.0]",
        ),
        (
            lambda raw: raw["cascade"]["stages"][0].update(against="ze"),
            "cascade.stages[0].against: unknown background process 'ze'; did you mean 'zee'?",
        ),
        (
            lambda raw: raw["cascade"]["stages"][0].update(features=["m_ge"]),
            "cascade.stages[0].features: unknown feature 'm_ge'; did you mean 'm_eg'?",
        ),
        (
            lambda raw: raw["cascade"]["stages"][0].update(decorrelate={"spectator": "m_ge"}),
            "cascade.stages[0].decorrelate.spectator: unknown feature 'm_ge'; did you mean 'm_eg'?",
        ),
        (lambda raw: raw.update(pass_through=["m_ge"]), "pass_through: unknown feature 'm_ge'; did you mean 'm_eg'?"),
        (
            lambda raw: raw["ntuples"].pop("sum_of_weights"),
            "samples[0]: 'signal' has a cross_section_pb but ntuples.sum_of_weights is not set",
        ),
        (lambda raw: raw["cascade"].update(folds=2), "config.cascade: early stopping needs a fold of its own"),
        (
            lambda raw: raw["cascade"]["stages"][0].update(working_point={}),
            "config.cascade.stages[0].working_point: give exactly one of signal_efficiency, threshold",
        ),
        (lambda raw: raw["samples"][1].update(name="signal"), "samples: names must be unique, got ['signal']"),
        (
            lambda raw: raw["samples"][3].update(weight="w"),
            "config.samples[3]: data have no cross_section_pb and no weight",
        ),
        (lambda raw: raw.update(directory="/"), "config: unknown key 'directory'"),
    ],
)
def test_a_wrong_configuration_is_one_sentence_that_names_the_place(change: Change, message: str) -> None:
    raw = tiny_config()
    change(raw)
    with pytest.raises(ConfigError) as error:
        config.parse(raw)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1", "not valid YAML"), ("- 1", "expected keys and values at the top level, got list")],
)
def test_a_file_that_is_no_configuration_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        config.load(tmp_path / "config.yaml")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yaml: cannot read the configuration: No such file"):
        config.load(tmp_path / "nowhere.yaml")


def test_the_hash_tells_analyses_apart_but_not_how_they_run() -> None:
    reference = config.parse(tiny_config())
    raw = tiny_config()
    raw["ntuples"]["chunk_entries"] = 7
    raw["cascade"]["device"] = "cpu"
    assert config.parse(raw, directory=Path("/elsewhere")).hash == reference.hash
    assert reference.with_options(unblind="approved").hash == reference.hash
    raw["selection"][0]["cut"] = "count(photon) >= 2"
    assert config.parse(raw).hash != reference.hash


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "configs").glob("*.yaml")), ids=lambda path: path.name
)
def test_the_shipped_configurations_are_valid(path: Path) -> None:
    assert config.load(path).analysis == yaml.safe_load(path.read_text())["analysis"]
