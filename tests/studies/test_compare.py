"""The comparison of strategies, by its command on the tiny analysis, and against other ways to the same numbers."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import cascadebdt as cb
from cascadebdt import config as configuration
from cascadebdt.cli import main
from cascadebdt.config import Config
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.products import Products
from cascadebdt.report.studies import answers
from cascadebdt.studies import compare_tilts, cuts, evaluation
from cascadebdt.studies.compare_bootstrap import BinnedEvents
from cascadebdt.studies.compare_judge import with_samples_of
from cascadebdt.studies.evaluation import Placed
from tiny_analysis import SAMPLES, tiny_config, write_ntuple

T = TypeVar("T")
NAMES = ["one_bdt", "one_bdt_cuts", "multiclass", "parallel", "cascade"]
QUICKLY = ["--toys", "5", "--variable", "met", "--jobs", "1"]


def write(raw: dict[str, Any], ntuples: Path, folder: Path) -> Path:
    for sample in raw["samples"]:
        sample["files"] = str(ntuples / sample["files"])
    path = folder / "config.yaml"
    path.write_text(json.dumps(raw))
    return path


def without_data_files() -> dict[str, Any]:
    """Return the tiny analysis with data that are not there: a comparison must not even look for them."""
    raw = tiny_config()
    raw["samples"][-1]["files"] = "nowhere.root"
    return raw


def compare(config: Path, output: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["compare", str(config), "--output", str(output), *QUICKLY, *options])


def strategies_judged(config: Path, output: Path) -> list[str]:
    """Compare all strategies, and return those that had to be judged."""
    judged: list[str] = []

    def listen(items: Sequence[T], description: str, /) -> Iterable[T]:
        judged.extend(str(item) for item in items if description == "comparing strategies")
        return items

    cb.studies.compare(cb.load_config(config), output, variables=["met"], toys=5, progress=listen)
    return judged


@pytest.fixture(scope="module")
def folder(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the configuration, and in `results` the answers of a command about one strategy."""
    folder = tmp_path_factory.mktemp("compare")
    config = write(without_data_files(), ntuples, folder)
    result = compare(config, folder / "results", "--strategy", "multiclass")
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def judged(folder: Path) -> list[str]:
    """The strategies that had to be judged when all were asked for after that."""
    return strategies_judged(folder / "config.yaml", folder / "results")


@pytest.fixture(scope="module")
def answer(folder: Path, judged: list[str]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "results" / "compare.json").read_text())
    return content


def test_every_strategy_has_every_number(answer: dict[str, Any]) -> None:
    assert list(answer["strategies"]) == NAMES
    assert answer["asimov"].startswith("nominal background")
    assert answer["events"]["trained"] == answer["events"]["judged"] > 5000
    for result in answer["strategies"].values():
        assert sorted(result["limit"]) == result["limit"]
        assert 0 < result["sigma_mu_no_mcstat"] < result["sigma_mu"]
        assert set(result["normalisation"]) == {"zee", "wjets"}
        assert result["bootstrap"]["ratio_to"] == "multiclass"
        assert 0 < result["spurious"]["rms"] <= result["spurious"]["max"]
        assert result["wall_s"] > 0


def test_the_reference_has_the_ratio_one(answer: dict[str, Any]) -> None:
    ratio = answer["strategies"]["multiclass"]["bootstrap"]
    assert (ratio["mean"], ratio["std"]) == (1.0, 0.0)


def test_the_one_bdt_has_the_bins_of_all_regions_of_the_others(answer: dict[str, Any]) -> None:
    bins = answer["strategies"]["one_bdt"]["bins"]
    assert list(bins) == ["SR"]
    assert sum(answer["strategies"]["multiclass"]["bins"].values()) <= 4 + 2 * 3
    assert 4 < bins["SR"] <= 4 + 2 * 3


def test_purities_are_of_every_region(answer: dict[str, Any]) -> None:
    purity = answer["strategies"]["multiclass"]["purity"]
    assert set(purity) == {"CR_zee", "CR_wjets", "SR"}
    assert all(0 < share < 1 for share in purity.values())


def test_only_strategies_that_were_not_judged_before_are_judged(judged: list[str]) -> None:
    assert judged == [name for name in NAMES if name != "multiclass"]


def test_a_comparison_that_is_there_is_not_made_again(folder: Path, answer: dict[str, Any]) -> None:
    assert strategies_judged(folder / "config.yaml", folder / "results") == []
    assert json.loads((folder / "results" / "compare.json").read_text()) == answer


def test_the_cascade_reaches_what_the_steps_of_the_package_say(answer: dict[str, Any], tiny: Config) -> None:
    config = without_data(tiny)
    events = cb.select(config)
    yields = cb.fill(events, cb.train(events, config).score(events), config)
    model = cb.build_workspace(yields, config, with_data=False)
    background = [
        {
            "name": channel["name"],
            "data": np.sum([s["data"] for s in channel["samples"] if s["name"] != "signal"], axis=0).tolist(),
        }
        for channel in model["channels"]
    ]
    observed = cb.Workspace({**model, "observations": background})
    result = answer["strategies"]["cascade"]
    assert result["limit"] == pytest.approx(cb.limit(observed).expected, rel=1e-4)
    assert result["significance"] == pytest.approx(cb.significance(observed).expected, rel=1e-4)


def without_data(tiny: Config) -> Config:
    raw = tiny_config()
    raw["samples"] = raw["samples"][:-1]
    return configuration.parse(raw, directory=tiny.directory)


def test_a_strategy_of_ones_own_takes_part(folder: Path, tmp_path: Path) -> None:
    code = tmp_path / "mine.py"
    code.write_text(
        "import cascadebdt as cb\n"
        "def two_cuts(events):\n"
        "    masks = {'CR_zee': events.columns['met'] < 25, 'CR_wjets': events.columns['photon_pt'] < 45}\n"
        "    return cb.Scores.in_regions(masks, final=events.columns['met'] / 100)\n"
    )
    options = ("--strategy", "multiclass", "--own", f"{code}:two_cuts")
    result = compare(folder / "config.yaml", tmp_path / "results", *options)
    assert result.exit_code == 0, result.output
    strategies = json.loads((tmp_path / "results" / "compare.json").read_text())["strategies"]
    assert set(strategies) == {"multiclass", "two_cuts"}
    assert strategies["two_cuts"]["bootstrap"]["mean"] > 1
    kept = {path.name.rpartition("_")[0] for path in (tmp_path / "results" / ".compare").iterdir()}
    assert kept == {"multiclass", "two_cuts"}
    for path in (tmp_path / "results" / ".compare").iterdir():
        content = json.loads(path.read_text())
        content["result"]["sigma_mu"] *= 2
        path.write_text(json.dumps(content))
    assert compare(folder / "config.yaml", tmp_path / "results", *options).exit_code == 0
    again = json.loads((tmp_path / "results" / "compare.json").read_text())["strategies"]
    assert {name: answer["sigma_mu"] for name, answer in again.items()} == {
        name: answer["sigma_mu"] for name, answer in strategies.items()
    }


@pytest.mark.parametrize("own", ["nowhere.py:function", "function"])
def test_a_strategy_that_is_not_there_is_named(folder: Path, tmp_path: Path, own: str) -> None:
    result = compare(folder / "config.yaml", tmp_path, "--own", own)
    assert result.exit_code == 2
    assert "expected FILE.py:FUNCTION" in result.output


def test_an_unknown_strategy_is_an_error_with_the_closest(folder: Path, tmp_path: Path) -> None:
    result = compare(folder / "config.yaml", tmp_path, "--strategy", "multiclas")
    assert result.exit_code == 2
    assert "no strategy 'multiclas'; did you mean 'multiclass'" in result.output


def test_an_unknown_variable_is_an_error(folder: Path, tmp_path: Path) -> None:
    result = compare(folder / "config.yaml", tmp_path, "--strategy", "multiclass", "--variable", "mett")
    assert result.exit_code == 2
    assert "no feature 'mett' to tilt along; did you mean 'met'" in result.output


def test_events_of_other_files_judge(folder: Path, tmp_path: Path, answer: dict[str, Any]) -> None:
    for index, (process, (n_events, *_)) in enumerate(SAMPLES.items()):
        for part in range(2):
            name = f"{process}_{part}.root"
            write_ntuple(tmp_path / name, process, n_events // 3, 100 + 10 * index + part, first=part * n_events // 3)
    result = compare(folder / "config.yaml", tmp_path / "results", "--strategy", "multiclass", "--judge", str(tmp_path))
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "results" / "compare.json").read_text())
    assert found["events"]["how"].startswith("independent")
    assert found["events"]["judged"] < found["events"]["trained"] == answer["events"]["trained"]
    # Equal cross sections, but fewer events: the statistics of simulation are worse.
    ours, theirs = (one["strategies"]["multiclass"] for one in (answer, found))
    assert theirs["sigma_mu"] / theirs["sigma_mu_no_mcstat"] > ours["sigma_mu"] / ours["sigma_mu_no_mcstat"]


def test_only_the_samples_of_another_configuration_judge(tiny: Config, ntuples: Path, tmp_path: Path) -> None:
    raw = tiny_config()
    raw["luminosity_fb"], raw["samples"][0]["files"] = 7.0, "signal_1.root"
    other = with_samples_of(tiny, write(raw, ntuples, tmp_path))
    assert other.luminosity_fb == tiny.luminosity_fb
    assert other.samples[0].files == (str(ntuples / "signal_1.root"),)


def test_a_systematic_with_a_sample_needs_one_to_judge_on(ntuples: Path, tmp_path: Path) -> None:
    raw = tiny_config()
    alternative = {"name": "generator", "kind": "sample", "process": "zee", "files": "zee_0.root"}
    ours = configuration.parse({**raw, "systematics": [{**alternative, "cross_section_pb": 1.0}]}, directory=ntuples)
    with pytest.raises(InputError, match="no systematic 'generator' with an alternative sample to judge on"):
        with_samples_of(ours, write(tiny_config(), ntuples, tmp_path))


def test_files_that_train_do_not_judge(folder: Path, ntuples: Path, tmp_path: Path) -> None:
    result = compare(folder / "config.yaml", tmp_path, "--judge", str(ntuples))
    assert result.exit_code == 2
    assert "which trains; judge on other files" in result.output


def test_a_strategy_that_cannot_be_fitted_is_named(folder: Path, tmp_path: Path) -> None:
    code = tmp_path / "mine.py"
    code.write_text(
        "import numpy as np\nimport cascadebdt as cb\n"
        "def nowhere(events):\n"
        "    return cb.Scores.in_regions({}, final=np.full(len(events), np.nan))\n"
    )
    result = compare(
        folder / "config.yaml", tmp_path / "results", "--strategy", "multiclass", "--own", f"{code}:nowhere"
    )
    assert result.exit_code == 2
    assert "strategy 'nowhere': region 'SR': the observable 'final' has no value" in result.output


def test_a_holdout_judges_its_fold(ntuples: Path, tmp_path: Path, answer: dict[str, Any]) -> None:
    raw = tiny_config()
    raw["cascade"]["mode"] = "holdout"
    raw["cascade"]["bdt"]["early_stopping_rounds"] = None
    config = configuration.parse(raw, directory=ntuples)
    held_out = cb.studies.compare(config, tmp_path, strategies=["one_bdt_cuts", "cascade"], variables=["met"], toys=2)
    assert held_out.events["judged"] == pytest.approx(held_out.events["trained"] / 3, rel=0.1)
    assert held_out.strategies["cascade"].sigma_mu > answer["strategies"]["cascade"]["sigma_mu"]


def test_the_report_shows_the_comparison_of_its_configuration(folder: Path, answer: dict[str, Any]) -> None:
    assert answer
    products = Products(folder / "results")
    (shown,) = answers(products, cb.load_config(folder / "config.yaml").hash)
    assert [row[0] for row in shown.tables[0].rows] == NAMES
    assert [figure["source"][:14] for figure in shown.pictures] == ["data:image/png"]
    assert answers(products, "another configuration") == ()


@pytest.fixture(scope="module")
def placed(tiny_events: Events) -> Placed:
    events = evaluation.simulation(tiny_events)
    masks = {"CR_zee": events.columns["met"] < 25, "CR_wjets": events.columns["photon_pt"] < 45}
    scores = cb.Scores.in_regions(masks, final=events.columns["met"] / 100)
    regions = {"control": {"n_bins": 3}, "signal": {"observable": "final", "n_bins": 4}}
    return Placed.of(events, scores, configuration.RegionsConfig.model_validate(regions))


def test_the_fisher_information_gives_the_uncertainty_of_the_fit(placed: Placed, tiny: Config) -> None:
    edges = placed.edges()
    fitted = evaluation.sigma_mu(evaluation.asimov(evaluation.model(placed.fill(edges), tiny)))
    binned = BinnedEvents.of(placed, edges, tiny)
    assert binned.sigma_mu(np.ones(len(binned.rows))) == pytest.approx(fitted, rel=0.05)


def test_a_tilt_that_changes_no_bin_makes_no_signal(placed: Placed, tiny: Config) -> None:
    one = cb.Scores.in_regions({}, final=placed.events.columns["met"])
    alone = Placed.of(placed.events, one, placed.regions)
    edges = {"SR": np.array([0.0, 1.0])}
    model = evaluation.model(alone.fill(edges), tiny.replace("fit.free", []))
    found = compare_tilts.spurious(model, alone, edges, variables=["met", "photon_pt"], tilt=0.2)
    assert list(found) == ["zee.met", "zee.photon_pt", "wjets.met", "wjets.photon_pt"]
    assert np.abs(list(found.values())).max() < 1e-3


def test_a_background_tilted_towards_the_signal_looks_like_signal(placed: Placed, tiny: Config) -> None:
    edges = placed.edges()
    model = evaluation.model(placed.fill(edges), tiny.replace("fit.free", []))
    up, down = (
        compare_tilts.spurious(model, placed, edges, variables=["met"], tilt=tilt)["zee.met"] for tilt in (0.2, -0.2)
    )
    assert up > 0 > down


@given(st.lists(st.floats(-10, 10), min_size=3, max_size=30), st.floats(0.05, 0.5))
def test_a_tilt_keeps_the_yield_and_its_size(values: list[float], tilt: float) -> None:
    weights = np.ones(len(values))
    changed = compare_tilts.tilted(np.array(values), weights, tilt)
    assert changed.sum() == pytest.approx(len(values))
    assert changed.max() / changed.min() <= (1 + tilt) / (1 - tilt) + 1e-9


def test_cuts_of_a_fold_do_not_know_its_events(placed: Placed, tiny: Config) -> None:
    events = placed.events
    folds = fold_of(events.event_id, tiny.cascade.folds)
    before = cuts.train(events, tiny.cascade, seed=1).most_like(events, folds)
    others = {name: np.where(folds == 0, np.float32(7), column) for name, column in events.columns.items()}
    changed = Events(**{**vars(events), "columns": others})
    after = cuts.train(changed, tiny.cascade, seed=1).most_like(events, folds)
    assert (before == after)[folds == 0].all()
    assert not (before == after).all()
