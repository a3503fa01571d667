from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cascadebdt import config
from cascadebdt.errors import ConfigError
from tiny_analysis import tiny_config

CONFIGS = Path(__file__).parents[2] / "configs"
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
        (
            lambda raw: raw.update(plots={"labels": {"zeee": "Z"}}),
            "config.plots.labels.zeee: unknown process, region or feature 'zeee'; did you mean 'zee'?",
        ),
        (
            lambda raw: raw.update(plots={"order": ["signal"]}),
            "config.plots.order[0]: unknown background process 'signal'",
        ),
        (
            lambda raw: raw.update(plots={"labels": {"zee": "wjets"}}),
            "config.plots.labels.zee: 'wjets' stands for something else in legends",
        ),
        (lambda raw: raw.update(plots={"colours": {"zee": "blue"}}), "config.plots.colours.zee: "),
        (lambda raw: raw.pop("luminosity_fb"), "config: missing key 'luminosity_fb'"),
        (lambda raw: raw.update(luminosity_fb=-1), "config.luminosity_fb: input should be greater than 0, got -1"),
        (
            lambda raw: raw["regions"]["control"].update(bins=[0, 2, 1]),
            "config.regions.control: bins must increase, got [0.0, 2.0, 1.0]",
        ),
        (
            lambda raw: raw["cascade"]["stages"][0].update(against="ze"),
            "config.cascade.stages[0].against: unknown background process 'ze'; did you mean 'zee'?",
        ),
        (
            lambda raw: raw["cascade"]["stages"][0].update(features=["m_ge"]),
            "config.cascade.stages[0].features[0]: unknown feature 'm_ge'; did you mean 'm_eg'?",
        ),
        (
            lambda raw: raw["cascade"]["stages"][0].update(decorrelate={"spectator": "m_ge"}),
            "config.cascade.stages[0].decorrelate.spectator: unknown feature 'm_ge'; did you mean 'm_eg'?",
        ),
        (
            lambda raw: raw.update(pass_through=["m_ge"]),
            "config.pass_through[0]: unknown feature 'm_ge'; did you mean 'm_eg'?",
        ),
        (
            lambda raw: raw["ntuples"].pop("sum_of_weights"),
            "config.samples[0]: 'signal' has a cross_section_pb but ntuples.sum_of_weights is not set",
        ),
        (lambda raw: raw["cascade"].update(folds=2), "config.cascade: early stopping needs a fold of its own"),
        (
            lambda raw: raw["cascade"]["stages"][0].update(working_point={}),
            "config.cascade.stages[0].working_point: give exactly one of signal_efficiency, threshold",
        ),
        (
            lambda raw: raw["samples"][1].update(name="signal"),
            "config.samples[1]: the name 'signal' appears twice, first at [0]",
        ),
        (
            lambda raw: raw["samples"][3].update(weight="w"),
            "config.samples[3]: data have no cross_section_pb and no weight",
        ),
        (lambda raw: raw.update(luminosity_fb=True), "config.luminosity_fb: input should be a valid number, got true"),
        (lambda raw: raw.update(luminosity_fb="5"), "config.luminosity_fb: input should be a valid number, got '5'"),
        (lambda raw: raw.update(luminosity_fb=1e300), "config.luminosity_fb: input should be less than or equal to"),
        (
            lambda raw: raw["cascade"].update(folds=True),
            "config.cascade.folds: input should be a valid integer, got tr",
        ),
        (
            lambda raw: raw["samples"][0].update(cross_section_pb=float("inf")),
            "config.samples[0].cross_section_pb: input should be",
        ),
        (
            lambda raw: raw["features"].update(long="1 + " * 30_000 + "1"),
            "config.features.long: string should have at most 100000 characters, got '1 + 1 + ",
        ),
        (
            lambda raw: raw["samples"][1].pop("cross_section_pb"),
            "config.samples[1]: 'zee' has no cross_section_pb, but 'signal' has one; give it, or write",
        ),
        (
            lambda raw: raw["fit"].update(free=["zee", "wjets", "zee"]),
            "config.fit.free[2]: the process 'zee' appears twice, first at [0]; remove one",
        ),
        (
            lambda raw: raw["cascade"]["stages"][0].update(features=["met", "met"]),
            "config.cascade.stages[0].features[1]: the feature 'met' appears twice",
        ),
        (
            lambda raw: raw["cascade"]["stages"][0].update(against=["zee", "zee"]),
            "config.cascade.stages[0].against[1]: the process 'zee' appears twice",
        ),
        *(
            (
                lambda raw, name=name: raw["cascade"]["stages"][0].update(name=name),
                f"config.cascade.stages[0].name: '{name}' is a reserved word; give the stage another name",
            )
            for name in ("final", "sorter", "score", "SR", "CR_zee", "VR_zee")
        ),
        (
            lambda raw: raw["features"].update(score="MET_pt"),
            "config.features.score: 'score' is a reserved word; give the feature another name",
        ),
        (
            lambda raw: raw["systematics"].append(
                {"name": "zee", "kind": "sample", "process": "zee", "files": "x.root", "cross_section_pb": 1.0}
            ),
            "config.systematics[3].name: 'zee' is the name of a sample; give the systematic another name",
        ),
        (lambda raw: raw["fit"].update(unblind="No"), "config.fit.unblind: 'No' is no reason; expected false, or why"),
        (
            lambda raw: raw["cascade"]["bdt"].update(max_depht=3),
            "config.cascade.bdt: unknown key 'max_depht'; did you mean 'max_depth'?",
        ),
        (
            lambda raw: raw["systematics"][1].update(weight=3),
            "config.systematics[1]: unknown key 'weight'",
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


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yaml: cannot read the configuration: No such file"):
        config.load(tmp_path / "nowhere.yaml")


def test_the_hash_tells_analyses_apart_but_not_how_they_run() -> None:
    reference = config.parse(tiny_config())
    raw = tiny_config()
    raw["ntuples"] |= {"chunk_entries": 7, "replicas": {"root://near//": ["root://far//"]}}
    raw["cascade"]["device"] = "cpu"
    assert config.parse(raw, directory=Path("/elsewhere")).hash == reference.hash
    assert reference.with_options(unblind="approved").hash == reference.hash
    raw["selection"][0]["cut"] = "count(photon) >= 2"
    assert config.parse(raw).hash != reference.hash


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_shipped_configurations_are_valid(path: Path) -> None:
    assert config.load(path).analysis == path.stem


def test_a_message_names_the_file_and_the_line(tmp_path: Path) -> None:
    text = (CONFIGS / "quick.yaml").read_text()
    line = text[: text.index("lepton_iso, is_muon")].count("\n") + 1
    path = tmp_path / "quick.yaml"
    path.write_text(text.replace("lepton_iso, is_muon", "lepton_isol, is_muon"))
    with pytest.raises(ConfigError) as error:
        config.load(path)
    assert str(error.value) == (
        f"{path}:{line}: cascade.stages[0].features[6]: unknown feature 'lepton_isol'; did you mean 'lepton_iso'?"
    )


def test_an_error_of_another_room_gets_the_line_of_its_path() -> None:
    quick = config.load(CONFIGS / "quick.yaml")
    text = (CONFIGS / "quick.yaml").read_text()
    line = text[: text.index("  met: ")].count("\n") + 1
    located = quick.locate(ConfigError("features.met: no branch 'MET'"))
    assert str(located) == f"{CONFIGS / 'quick.yaml'}:{line}: features.met: no branch 'MET'"
    assert quick.locate(located) is located


def test_simulation_that_is_normalised_already_says_so_with_null() -> None:
    raw = tiny_config()
    raw["samples"][1]["cross_section_pb"] = None
    assert config.parse(raw).samples[1].cross_section_pb is None


def test_a_number_is_a_working_point() -> None:
    raw = tiny_config()
    raw["cascade"]["stages"][0]["working_point"] = 0.9
    assert config.parse(raw).cascade == config.parse(tiny_config()).cascade
