"""Patch sets as a whole: against one fit at a time, resumed, in processes, with failures."""

import copy
import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cascadebdt import inference
from cascadebdt.cli import main
from cascadebdt.errors import InputError
from cascadebdt.interchange import read_workspace
from cascadebdt.pipeline.fits import Question
from cascadebdt.pipeline.patch_sets import Task, fit_patches
from cascadebdt.products import Products, sealed
from small_models import on_off

MASSES = {"light": (300, 100, 9.0), "medium": (400, 100, 5.0), "heavy": (500, 200, 1.0), "odd name/1": (300, 200, 7.0)}


def patch_set() -> dict[str, Any]:
    """Return signals of different masses and yields."""
    patches = [
        {
            "metadata": {"name": name, "values": [first, second]},
            "patch": [{"op": "replace", "path": "/channels/0/samples/0/data/0", "value": events}],
        }
        for name, (first, second, events) in MASSES.items()
    ]
    about = {"name": "set", "labels": ["m_1", "m_2"], "description": "", "digests": {}, "references": {}}
    return {"metadata": about, "patches": patches, "version": "1.0.0"}


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "w.json").write_text(json.dumps(on_off(on=9, off=40, ratio=5, signal=4)))
    (tmp_path / "patches.json").write_text(json.dumps(patch_set()))
    return Task(tmp_path / "w.json", tmp_path / "patches.json")


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "patches.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_points_are_those_of_one_fit_at_a_time(task: Task, tmp_path: Path) -> None:
    fit_patches(task, Products(tmp_path / "out"))
    for row in table(tmp_path / "out"):
        model = read_workspace(task.workspace, patch=f"{task.patches}:{row['patch']}")
        limit, test = inference.limit(model), inference.exclusion(model, 1.0)
        assert float(row["limit_observed"]) == pytest.approx(limit.observed)
        assert [float(row[f"limit_{side}"]) for side in ("-2", "0", "+2")] == pytest.approx(limit.expected[::2])
        assert test.observed is not None
        assert float(row["cls_observed"]) == pytest.approx(test.observed.cls)
        assert float(row["cls_0"]) == pytest.approx(test.expected[2])
        assert (float(row["m_1"]), float(row["m_2"])) == MASSES[row["patch"]][:2]
    assert (tmp_path / "out" / "plots" / "exclusion.png").exists()


def test_points_that_are_done_are_not_fitted_again(task: Task, tmp_path: Path) -> None:
    products = Products(tmp_path / "out")
    points = fit_patches(task, products)
    path = products.directory / "patches" / "light.json"
    sealed.write(path, replace(points[0], observed=123.0))
    (products.directory / "patches" / "heavy.json").unlink()
    again = fit_patches(task, products)
    assert again[0].observed == 123.0
    assert again[1:] == points[1:]
    path.write_text(path.read_text().replace("123.0", "124.0"))
    assert fit_patches(task, products) == points  # an altered point is none


def test_points_of_another_workspace_are_fitted_again(task: Task, tmp_path: Path) -> None:
    products = Products(tmp_path / "out")
    first = fit_patches(task, products)
    task.workspace.write_text(json.dumps(on_off(on=12, off=40, ratio=5, signal=4)))
    second = fit_patches(task, products)
    assert all(a.observed != b.observed for a, b in zip(first, second, strict=True))
    other = Task(task.workspace, task.patches, Question(fixed={"norm_b": 1.0}))
    assert all(a.observed != b.observed for a, b in zip(second, fit_patches(other, products), strict=True))


def test_processes_give_the_same_points(task: Task, tmp_path: Path) -> None:
    alone = fit_patches(task, Products(tmp_path / "one"))
    assert fit_patches(task, Products(tmp_path / "two"), jobs=2) == alone


def test_a_point_that_cannot_be_fitted_is_a_sentence(task: Task, tmp_path: Path) -> None:
    broken = copy.deepcopy(patch_set())
    broken["patches"][1]["patch"][0]["path"] = "/channels/7/samples"
    task.patches.write_text(json.dumps(broken))
    points = fit_patches(task, Products(tmp_path / "out"))
    assert [point.failure is None for point in points] == [True, False, True, True]
    assert "the patch does not fit the workspace" in table(tmp_path / "out")[1]["failure"]


def test_a_single_patch_is_no_set(task: Task, tmp_path: Path) -> None:
    task.patches.write_text(json.dumps(patch_set()["patches"][0]["patch"]))
    with pytest.raises(InputError, match="neither a JSON patch, which is a list, nor a patch set"):
        fit_patches(task, Products(tmp_path / "out"))


def test_the_command_fits_all_patches(task: Task, tmp_path: Path) -> None:
    arguments = ["fit", task.workspace, "--patch", task.patches, "--all", "--jobs", 1, "--output", tmp_path / "out"]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "of 4 signals are excluded at strength 1; 0 failed" in result.output
    assert len(table(tmp_path / "out")) == 4
    assert CliRunner().invoke(main, ["fit", str(task.workspace), "--all"]).exit_code == 2
