import copy

import pytest

from cascadebdt import config
from cascadebdt.errors import ConfigError
from tiny_analysis import tiny_config


@pytest.mark.parametrize(
    "path", ["cascade.stages.wjets.working_point", "cascade.stages[1].working_point", "cascade.stages.1.working_point"]
)
def test_a_path_of_names_or_indices_leads_to_the_value(path: str) -> None:
    original = config.parse(tiny_config())
    changed = original.replace(path, 0.98)
    assert [stage.working_point.signal_efficiency for stage in changed.cascade.stages] == [0.9, 0.98]
    assert [stage.working_point.signal_efficiency for stage in original.cascade.stages] == [0.9, 0.8]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("luminosity_fb", 2.0),
        ("regions.CR_zee.n_bins", 2),
        ("fit.prune.shape", 0.01),
        ("samples.zee.cross_section_pb", 3.0),
        ("systematics.photon_scale.up.Photon_pt", "Photon_pt * 1.1"),
        ("cascade.bdt.max_depth", 2),
        ("selection", []),
    ],
)
def test_a_replaced_configuration_is_the_one_that_says_so_itself(path: str, value: object) -> None:
    raw = tiny_config()
    inner: object = raw
    *parts, last = path.split(".")
    for part in parts:
        if isinstance(inner, list):
            inner = next(item for item in inner if item["name"] == part)
        else:
            assert isinstance(inner, dict)
            inner = inner.setdefault(part, {})
    assert isinstance(inner, dict)
    inner[last] = value
    assert config.parse(tiny_config()).replace(path, value).hash == config.parse(raw).hash


def test_stages_follow_a_common_hyperparameter_that_they_do_not_set() -> None:
    raw = tiny_config()
    raw["cascade"]["stages"][0]["bdt"] = {"max_depth": 5}
    changed = config.parse(raw).replace("cascade.bdt.max_depth", 2)
    assert [stage.bdt.max_depth for stage in changed.cascade.stages] == [5, 2]


def test_the_raw_values_stay_as_they_are() -> None:
    raw = tiny_config()
    before = copy.deepcopy(raw)
    config.parse(raw).replace("samples.zee.files", "other.root").replace("cascade.folds", 4)
    assert raw == before


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "cascade.stages.zeee.working_point",
            0.9,
            "'cascade.stages.zeee.working_point': no 'zeee'; did you mean 'zee'?",
        ),
        ("cascade.stages.7", {}, "'cascade.stages.7': no '7'; expected one of zee, wjets"),
        ("analysis.name", "x", "'analysis.name': analysis is 'tiny', which has no 'name'"),
        ("cascade..folds", 3, "'cascade..folds' is no path"),
        (
            "cascade.stages.zee.working_point",
            1.5,
            "config.cascade.stages[0].working_point: input should be less than 1, got 1.5",
        ),
        ("cascade.fold", 3, "config.cascade: unknown key 'fold'; did you mean 'folds'?"),
        ("cascade.stages.zee.features", ["m_ge"], "config.cascade.stages[0].features[0]: unknown feature 'm_ge'"),
    ],
)
def test_a_wrong_path_or_value_is_an_error_that_names_the_path(path: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.parse(tiny_config()).replace(path, value)
    assert message in str(error.value)


def test_options_of_the_command_line_survive_a_replacement() -> None:
    changed = config.parse(tiny_config()).with_options(device="cpu", unblind="approved").replace("cascade.folds", 4)
    assert (changed.cascade.device, changed.fit.unblind, changed.cascade.folds) == ("cpu", "approved", 4)
