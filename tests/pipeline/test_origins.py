"""What models are made from: the stages before them in their order."""

from cascadebdt.config import Config
from cascadebdt.pipeline import origins


def exchanged(config: Config) -> Config:
    return config.replace("cascade.stages", list(reversed(config.content["cascade"]["stages"])))


def test_a_model_after_stages_that_were_exchanged_is_another(tiny: Config) -> None:
    before, after = (origins.of_models(config, {}) for config in (tiny, exchanged(tiny)))
    for name in ("zee", "wjets", "final"):
        assert before[name].key != after[name].key


def test_a_cascade_of_stages_that_were_exchanged_is_another(tiny: Config) -> None:
    before, after = (origins.of_steps(config, {})["train"] for config in (tiny, exchanged(tiny)))
    assert "position of" in str(after.change_since(before))


def test_the_first_stage_does_not_depend_on_its_working_point(tiny: Config) -> None:
    changed = tiny.replace("cascade.stages.zee.working_point", 0.7)
    before, after = (origins.of_models(config, {}) for config in (tiny, changed))
    assert before["zee"].key == after["zee"].key
    assert before["wjets"].key != after["wjets"].key


def test_how_figures_look_changes_the_report_alone(tiny: Config) -> None:
    changed = tiny.replace("plots", {"style": "cms", "labels": {"zee": "mass of sum"}})
    before, after = (origins.of_steps(config, {}) for config in (tiny, changed))
    assert [step for step in before if before[step].key != after[step].key] == ["report"]
    assert changed.hash == tiny.hash
