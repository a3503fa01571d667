"""Names with markup, quotes, line breaks, parts of paths or signs of LaTeX are refused with line or taken literally."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from cascadebdt import config as configuration
from cascadebdt import plots
from cascadebdt.config import document
from cascadebdt.errors import ConfigError, InputError
from cascadebdt.interchange import read_workspace
from small_models import on_off
from tiny_analysis import tiny_config

HOSTILE = [
    *(
        "<script>alert(1)</script>",
        "a\nb",
        "../../etc/passwd",
        "/etc/passwd",
        "a b",
        "\"'`",
        "_ & % $ # {}",
        "$\\frac{$",
    ),
    *("a\u0000b", "\u001b[31m", "\u202e", "漢字", "", ".", "-rf", "x" * 3000, "{name}", "%s"),
]


def rename_key(content: dict[str, Any], name: str) -> None:
    content[name] = content.pop(next(iter(content)))


PLACES: dict[str, Callable[[dict[str, Any], str], Any]] = {
    "analysis": lambda raw, name: raw.update(analysis=name),
    "sample": lambda raw, name: raw["samples"][0].update(name=name),
    "process": lambda raw, name: raw["samples"][1].update(process=name),
    "object": lambda raw, name: rename_key(raw["objects"], name),
    "feature": lambda raw, name: rename_key(raw["features"], name),
    "stage": lambda raw, name: raw["cascade"]["stages"][0].update(name=name),
    "region": lambda raw, name: raw["regions"].update({f"CR_{name}": {"n_bins": 3}}),
    "systematic": lambda raw, name: raw["systematics"][0].update(name=name),
    "parameter": lambda raw, name: raw["systematics"][0].update(parameter=name),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_in_a_configuration_is_refused_with_file_and_line(tmp_path: Path, place: str, name: str) -> None:
    raw = copy.deepcopy(tiny_config())
    PLACES[place](raw, name)
    path = tmp_path / "analysis.yaml"
    path.write_text(document.write(raw), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"analysis\.yaml:\d+: ") as error:
        configuration.load(path)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 2000


@pytest.mark.parametrize("name", HOSTILE)
def test_an_error_of_a_workspace_with_hostile_names_is_one_line(tmp_path: Path, name: str) -> None:
    content = on_off(on=25, off=60, ratio=5, signal=4)
    content["channels"][0]["name"] = content["observations"][0]["name"] = f"SR{name}"
    content["observations"][0]["data"] = [-1.0]
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="expected no negative number") as error:
        read_workspace(path)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("name", ["$\\frac{$", "$x_$", "_ & % $ # {}", "<b>"])
def test_a_figure_shows_a_hostile_name_as_it_is(tmp_path: Path, name: str) -> None:
    figure = Figure()
    ax = figure.subplots()
    ax.bar([0, 1], [1.0, 1e5], label=f"A{name}")
    ax.set_yscale("log")
    ax.set_xticks([0, 1], [f"x{name}", "y"])
    ax.legend()
    plots.save(figure, tmp_path / "figure")
    assert ax.get_legend_handles_labels()[1] == [f"A{name}"]
