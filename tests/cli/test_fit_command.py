"""`cascadebdt fit WORKSPACE.json`: any HistFactory workspace through the real command line."""

import copy
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cascadebdt import inference
from cascadebdt.cli import main
from small_models import on_off

Change = Callable[[dict[str, Any]], Any]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def model() -> dict[str, Any]:
    content = copy.deepcopy(on_off(on=25, off=60, ratio=5, signal=4))
    tilt = {"name": "tilt", "type": "histosys", "data": {"hi_data": [11.0], "lo_data": [9.0]}}
    background = content["channels"][0]["samples"][1]
    background["modifiers"] = [*background["modifiers"], tilt]
    return content


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("fitted")
    return folder / "out", call("fit", write(folder / "search.json", model()), "--output", folder / "out")


def test_products_and_figures_are_written_and_the_headline_is_said(fitted: tuple[Path, Result]) -> None:
    folder, result = fitted
    assert result.exit_code == 0, result.output
    names = {"fit", "limits", "ranking", "lint", "scan", "breakdown", "summary", "manifest"}
    assert {path.stem for path in folder.glob("*.json")} == names
    assert {path.name for path in (folder / "plots").iterdir()} == {
        f"{name}.{suffix}"
        for name in ("fit", "ranking", "breakdown", "correlations", "scan", "regions_prefit", "regions_postfit")
        for suffix in ("png", "pdf")
    }
    expected = inference.limit(model())
    assert f"observed {expected.observed:.3g}" in result.output
    below, above = inference.breakdown(model()).total
    assert (
        f"mu               {inference.fit(model()).mu[0]:.3g} -{below:.3g} +{above:.3g}: statistical" in result.output
    )
    low, high = (end - 1.2 for end in inference.profile_interval(model(), "norm_b"))
    assert f"norm b            1.200 {low:.3f} +{high:.3f}" in result.output
    assert "second opinion   MINUIT agrees within" in result.output
    assert read(folder, "summary")["fit"]["total"] == pytest.approx([below, above])


def test_products_are_those_of_the_functions(fitted: tuple[Path, Result]) -> None:
    folder, _ = fitted
    assert read(folder, "fit")["mu"] == pytest.approx(inference.fit(model()).mu)
    assert read(folder, "fit")["intervals"]["norm_b"] == pytest.approx(inference.profile_interval(model(), "norm_b"))
    assert read(folder, "limits")["limit"]["observed"] == pytest.approx(inference.limit(model()).observed)
    assert {row["parameter"] for row in read(folder, "ranking")["impacts"]} == {"norm_b", "tilt"}


def test_the_manifest_tells_the_file_what_was_asked_and_every_product(fitted: tuple[Path, Result]) -> None:
    folder, _ = fitted
    manifest = read(folder, "manifest")
    workspace = hashlib.sha256((folder.parent / "search.json").read_bytes()).hexdigest()
    assert manifest["steps"]["fit"]["inputs"] == {"workspace": workspace}
    assert manifest["steps"]["fit"]["parts"]["asked"]["level"] == 0.05
    digests = {name: made["sha256"] for name, made in manifest["products"].items()}
    names = [path.name for path in folder.glob("*.json") if path.name != "manifest.json"]
    assert digests == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_a_patch_a_measurement_and_a_parameter_are_chosen(tmp_path: Path) -> None:
    content = model()
    signal = content["channels"][0]["samples"][0]
    signal["modifiers"].append({"name": "nu", "type": "normfactor", "data": None})
    for poi, constant in (("mu", "nu"), ("nu", "mu")):
        parameters = [{"name": constant, "fixed": True, "inits": [0.5]}]
        content["measurements"].append({"name": f"of {poi}", "config": {"poi": poi, "parameters": parameters}})
    patch = [{"op": "replace", "path": "/observations/0/data/0", "value": 30}]
    workspace = write(tmp_path / "w.json", content)
    arguments = ("--patch", write(tmp_path / "p.json", patch), "--quiet", "--output", tmp_path / "out")
    for choice in (("--measurement", "of mu"), ("--measurement", "of nu"), ("--measurement", "of nu", "--poi", "nu")):
        result = call("fit", workspace, *arguments, *choice)
        assert (result.exit_code, result.output) == (0, "")
        assert read(tmp_path / "out", "fit")["poi"] == choice[-1].removeprefix("of ")
        assert read(tmp_path / "out", "fit")["mu"][0] == pytest.approx((30 - 12) / 4 / 0.5, rel=1e-3)


def test_one_patch_of_a_set_is_chosen_by_name(tmp_path: Path) -> None:
    operations = [{"op": "replace", "path": "/observations/1/data/0", "value": 90}]
    patches = {"patches": [{"metadata": {"name": "many", "values": [1]}, "patch": operations}]}
    workspace, patch = write(tmp_path / "w.json", model()), write(tmp_path / "p.json", patches)
    result = call("fit", workspace, "--patch", f"{patch}:many", "--output", tmp_path / "out")
    assert "norm b            1.800" in result.output
    assert "no patch 'mony'; did you mean 'many'?" in call("fit", workspace, "--patch", f"{patch}:mony").output
    assert f"choose one of them, such as '{patch}:many'" in call("fit", workspace, "--patch", patch).output


def test_the_model_is_changed_and_more_is_asked_of_it(tmp_path: Path) -> None:
    result = call(
        *("fit", write(tmp_path / "w.json", model()), "--output", tmp_path / "out", "--mu", "1", "--mu", "5"),
        *("--cl", "0.9", "--contour", "mu,tilt", "--fix", "norm_b=1.1", "--group", "shapes=t*"),
    )
    assert result.exit_code == 0, result.output
    changed = inference.adjusted(model(), fixed={"norm_b": 1.1})
    limits = read(tmp_path / "out", "limits")
    assert limits["limit"]["observed"] == pytest.approx(inference.limit(changed, level=0.1).observed)
    assert [found["mu"] for found in limits["exclusions"]] == [1.0, 5.0]
    assert limits["exclusions"][1]["observed"]["cls"] == pytest.approx(inference.exclusion(changed, 5.0).observed.cls)  # type: ignore[union-attr]
    assert read(tmp_path / "out", "breakdown")["members"] == {"shapes": ["tilt"]}
    assert read(tmp_path / "out", "contours")["scans"][0]["parameters"] == ["mu", "tilt"]
    assert (tmp_path / "out" / "plots" / "contour_mu_tilt.png").exists()
    assert read(tmp_path / "out", "summary")["changes"] == {"fixed": {"norm_b": 1.1}}
    assert "90 % CLs limit" in result.output
    assert "changed          fixed norm_b = 1.1" in result.output
    assert "CLs at 5" in result.output


def test_pseudo_experiments_are_asked_for_and_kept(tmp_path: Path) -> None:
    arguments = (
        "fit",
        write(tmp_path / "w.json", model()),
        "--output",
        tmp_path / "out",
        "--toys",
        "30",
        "--seed",
        "4",
    )
    result = call(*arguments, "--jobs", "1")
    assert result.exit_code == 0, result.output
    toys = read(tmp_path / "out", "toys")
    assert (toys["n"], toys["seed"]) == (30, 4)
    expected = inference.toy_goodness_of_fit(model(), 30, seed=4)
    assert toys["goodness_of_fit"] == expected.to_json()
    assert "toys             30 of each hypothesis, seed 4" in result.output
    assert (tmp_path / "out" / "plots" / "toys.png").exists()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "toys").iterdir()}
    assert call(*arguments, "--jobs", "1").output == result.output
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_control_regions_alone_predict_the_others(tmp_path: Path) -> None:
    arguments = ("fit", write(tmp_path / "w.json", model()), "--output", tmp_path / "out")
    result = call(*arguments, "--regions", "CR", "--project")
    assert result.exit_code == 0, result.output
    found = read(tmp_path / "out", "projection")["regions"]["SR"]
    assert found["total"] == pytest.approx(60 / 5)
    assert "SR            12          1.96        25\n" in result.output
    assert (tmp_path / "out" / "plots" / "projection.pdf").exists()
    call(*arguments, "--regions", "CR", "--project", "--fix", "mu=1")
    assert read(tmp_path / "out", "projection")["mu"] == [1.0, 0.0]
    assert read(tmp_path / "out", "projection")["regions"]["SR"]["total"] == pytest.approx(60 / 5 + 4)


def test_asimov_data_take_the_place_of_the_data(tmp_path: Path) -> None:
    arguments = ("fit", write(tmp_path / "w.json", model()), "--output", tmp_path / "out")
    result = call(*arguments, "--asimov", "mu=2,norm_b=1.3")
    assert "changed          asimov mu = 2, norm_b = 1.3" in result.output
    assert read(tmp_path / "out", "fit")["mu"][0] == pytest.approx(2, abs=1e-4)


def test_blind_regions_are_not_looked_at(tmp_path: Path) -> None:
    outputs = []
    for events in (25.0, 2500.0):
        content = model()
        content["observations"][0]["data"] = [events]
        result = call("fit", write(tmp_path / "w.json", content), "--blind", "SR", "--output", tmp_path / "out")
        outputs.append(result.output)
    assert outputs[0] == outputs[1]
    assert "(blind)" in outputs[0]
    assert read(tmp_path / "out", "limits")["limit"]["observed"] is None


def test_a_region_without_an_observation_is_blind(tmp_path: Path) -> None:
    content = model()
    del content["observations"][0]
    path = write(tmp_path / "w.json", content)
    assert "(blind)" in call("fit", path, "--output", tmp_path / "out").output
    assert read(tmp_path / "out", "limits")["limit"]["observed"] is None


BROKEN: dict[str, tuple[str | Change, str]] = {
    "not JSON": ("{ not JSON", "not valid JSON"),
    "a list": ("[1, 2]", "expected a JSON object with a HistFactory workspace, got list"),
    "not the schema": (lambda w: w.update(colour="red"), "not valid against the HistFactory schema"),
    "no version": (lambda w: w.pop("version"), "not valid against the HistFactory schema, 'version' is a required"),
    "no poi": (lambda w: w["measurements"][0]["config"].pop("poi"), "names no parameter of interest"),
    "unknown modifier": (
        lambda w: w["channels"][0]["samples"][1]["modifiers"][1].update(type="histosis"),
        "region 'SR', process 'b': modifier 'tilt' has the unknown type 'histosis'; did you mean 'histosys'?",
    ),
    "bins differ": (lambda w: w["observations"][0].update(data=[1, 2]), "region 'SR': expected 1 observed bins, got 2"),
    "negative data": (
        lambda w: w["observations"][0].update(data=[-3]),
        "region 'SR', observed events, bin 0: expected no negative number, got -3",
    ),
    "NaN": (
        lambda w: w["channels"][0]["samples"][1].update(data=[math.nan]),
        "region 'SR', process 'b', bin 0: expected a finite number, got nan",
    ),
    "no observations": (lambda w: w.pop("observations"), "'observations' must be a list of objects"),
    "two names of a region": (
        lambda w: w["observations"][1].update(name="elsewhere"),
        "region 'CR' has no observation and the observation of 'elsewhere' no region",
    ),
    "data are missing": (
        lambda w: w["observations"][1].update(data=[0.0]),
        "region 'CR': no events were observed where 50 are expected, so that data are missing",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_bad_input_is_one_sentence_with_the_file_and_exit_code_2(name: str, tmp_path: Path) -> None:
    broken, message = BROKEN[name]
    content: Any = broken
    if not isinstance(broken, str):
        content = model()
        broken(content)
    result = call("fit", write(tmp_path / "bad.json", content), "--output", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert "bad.json: " in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing.json",), "nothing.json: no such file"),
        (("good.json", "--measurement", "n"), "no measurement 'n'"),
        (("good.json", "--poi", "norm_c"), "no modifier of the parameter of interest 'norm_c'; did you mean 'norm_b'?"),
        (("good.json", "--blind", "SX"), "no region 'SX'"),
        (("good.json", "--patch", "missing.json"), "missing.json: no such file"),
        (("good.json", "--patch", "wrong.json"), "the patch does not fit the workspace"),
        (("good.json", "--unblind", "why"), "--unblind goes with a configuration"),
        (("config.yaml", "--poi", "mu"), "--poi: goes with a workspace"),
        (("config.yaml", "--mu", "1", "--cl", "0.9"), "--mu, --cl: goes with a workspace"),
        (("good.json", "--fix", "mu"), "expected NAME=NUMBER, got 'mu'"),
        (("good.json", "--bound", "mu=1"), "expected NAME=NUMBER,NUMBER, got 'mu=1'"),
        (("good.json", "--contour", "mu"), "expected two names with a comma between, got 'mu'"),
        (("good.json", "--group", "jets"), "expected GROUP=PATTERN,PATTERN, got 'jets'"),
        (("good.json", "--fix", "mu=1"), "mu is the parameter of interest"),
        (("good.json", "--regions", "CX"), "no region 'CX'; did you mean 'CR'"),
        (("good.json", "--project"), "--project goes with --regions"),
        (("good.json", "--cl", "0.3"), "0.5<x<1"),
    ],
)
def test_wrong_choices_are_refused(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "good.json", model())
    write(tmp_path / "wrong.json", [{"op": "replace", "path": "/nowhere/7", "value": 1}])
    result = call("fit", *arguments, "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.output
