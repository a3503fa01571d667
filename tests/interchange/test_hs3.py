"""HS3 documents: against pyhs3, which evaluates them, and as models again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest
from click.testing import CliRunner

from cascadebdt.cli import main
from cascadebdt.errors import FitError, InputError
from cascadebdt.inference.likelihood import objective
from cascadebdt.interchange import from_hs3, named_for_pyhf, read_workspace, to_hs3
from cascadebdt.workspace import Workspace
from inference.published import COMBINE
from interchange.test_cards import point, same_likelihood
from interchange.test_combine import model
from small_models import workspace

published = pytest.mark.skipif(not COMBINE.is_dir(), reason="the folder of published models is absent")
PARAMETERS = ("gamma_A_bin_0", "gamma_A_bin_1")


def several_bins() -> dict[str, Any]:
    """Return a model of two regions that share all that can be shared."""
    tilt = {"name": "tilt", "type": "histosys", "data": {"hi_data": [13.0, 9.0], "lo_data": [11.0, 8.0]}}
    statistics = {"name": "stat_A", "type": "staterror", "data": [1.0, 0.0]}
    shared = {"name": "free", "type": "shapefactor", "data": None}
    own = {"name": "own", "type": "shapesys", "data": [2.0, 0.0]}
    signal = {"name": "s", "data": [2.0, 4.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]}
    background = {"name": "b", "data": [12.0, 8.0], "modifiers": [tilt, statistics, shared]}
    other = {"name": "c", "data": [5.0, 3.0], "modifiers": [own, {**statistics, "data": [0.5, 0.0]}]}
    control = {
        "name": "b",
        "data": [50.0, 70.0],
        "modifiers": [shared, {**statistics, "name": "stat_B", "data": [3.0, 4.0]}],
    }
    channels = [{"name": "A", "samples": [signal, background, other]}, {"name": "B", "samples": [control]}]
    return workspace(channels, {"A": [20.0, 14.0], "B": [52.0, 66.0]})


def document(**changes: Any) -> dict[str, Any]:
    """Return a document as ROOT writes it, two processes with simulation statistics, changed."""
    statistics = {"name": "staterror", "type": "staterror", "parameters": list(PARAMETERS), "constraint": "Gauss"}
    statistics |= changes
    luminosity = {"name": "Lumi", "type": "normfactor", "parameter": "Lumi", "constraint_name": "lumiConstraint"}
    signal = [{"name": "mu", "type": "normfactor", "parameter": "mu"}, luminosity, statistics]
    axes = [{"name": "obs_x_A", "min": 0.0, "max": 2.0, "nbins": 2}]
    return {
        "metadata": {"hs3_version": "0.2"},
        "distributions": [
            {"name": "A", "type": "histfactory_dist", "axes": axes, "samples": [
                {"name": "s", "data": {"contents": [5.0, 8.0], "errors": [0.0, 1.0]}, "modifiers": signal},
                {"name": "b", "data": {"contents": [50.0, 40.0], "errors": [5.0, 3.0]}, "modifiers": [statistics]},
            ]},
            {"name": "lumiConstraint", "type": "gaussian_dist", "x": "nom_Lumi", "mean": "Lumi", "sigma": "lumi_sigma"},
        ],
        "data": [{"name": "obs", "type": "binned", "contents": [58.0, 43.0], "axes": axes}],
        "likelihoods": [
            {"name": "L", "distributions": ["A"], "data": ["obs"], "aux_distributions": ["lumiConstraint"]},
        ],
        "domains": [{"name": "d", "type": "product_domain", "axes": [{"name": "mu", "min": -5.0, "max": 5.0}]}],
        "parameter_points": [{"name": "default_values", "parameters": [
            {"name": "nom_Lumi", "value": 1.0, "const": True}, {"name": "lumi_sigma", "value": 0.1, "const": True},
            {"name": "Lumi", "value": 1.0}, {"name": "mu", "value": 1.0},
        ]}],
        "analyses": [{"name": "m", "likelihood": "L", "parameters_of_interest": ["mu"], "domains": ["d"],
                      "init": "default_values"}],
    }  # fmt: skip


@pytest.mark.parametrize("content", [model(), several_bins()], ids=["one bin", "several bins"])
def test_a_document_of_a_workspace_has_its_likelihood(content: dict[str, Any]) -> None:
    again = from_hs3(to_hs3(content))
    pyhf.schema.validate(again, "workspace.json")
    same_likelihood(content, again)


@published
@pytest.mark.parametrize("name", ["longex_part3_cr", "realistic_counting", "multi_signal"])
def test_a_document_of_a_published_workspace_has_its_likelihood(name: str) -> None:
    content = json.loads((COMBINE / f"pyhf_{name}.json").read_text())
    same_likelihood(content, from_hs3(to_hs3(content)))


def test_start_values_bounds_and_constants_come_back() -> None:
    content = model()
    content["measurements"][0]["config"]["parameters"].append({"name": "norm_b", "inits": [1.3], "fixed": True})
    ours, again = objective(content).likelihood, objective(from_hs3(to_hs3(content))).likelihood
    assert again.names == ours.names
    for values in ("start", "lower", "upper", "fixed"):
        assert getattr(again, values) == pytest.approx(getattr(ours, values))


def test_pyhs3_has_the_likelihood_of_pyhf() -> None:
    pyhs3 = pytest.importorskip("pyhs3", reason="pyhs3 is not installed")
    pytensor = pytest.importorskip("pytensor")
    traversal = pytest.importorskip("pytensor.graph.traversal")
    content = several_bins()
    theirs = pyhs3.Workspace(**to_hs3(content)).model("m", progress=False)
    inputs = list(traversal.explicit_graph_inputs([theirs.log_prob]))
    function = pytensor.function(inputs, theirs.log_prob, on_unused_input="ignore")
    workspace = pyhf.Workspace(content)
    ours = workspace.model()
    target, differences = objective(content), []
    for seed in range(4):
        chosen = point(target, seed)
        values: dict[str, Any] = {name.replace("[", "_bin_").replace("]", ""): x for name, x in chosen.items()}
        values |= theirs.data
        arguments = [np.asarray(values[v.name], v.dtype).reshape((1,) * v.ndim if np.ndim(values[v.name]) == 0 else -1)
                     for v in inputs]  # fmt: skip
        expected = ours.logpdf([chosen[name] for name in ours.config.par_names], workspace.data(ours))[0]
        differences.append(float(np.ravel(function(*arguments))[0]) - float(expected))
    assert np.ptp(differences) < 1e-7


def test_a_document_of_root_is_the_model_that_it_means() -> None:
    content = from_hs3(document())
    likelihood = objective(content).likelihood
    assert set(likelihood.names) == {"mu", "Lumi", "gamma_A[0]", "gamma_A[1]"}
    widths = dict(zip(likelihood.names, likelihood.width, strict=True))
    assert widths["Lumi"] == pytest.approx(0.1)
    assert widths["gamma_A[0]"] == pytest.approx(5 / 55)
    assert widths["gamma_A[1]"] == pytest.approx(np.hypot(1, 3) / 48)
    assert (likelihood.lower[likelihood.poi], likelihood.upper[likelihood.poi]) == (-5.0, 5.0)


def test_poisson_constraints_of_shared_parameters_are_a_region_that_counts() -> None:
    content = from_hs3(document(constraint="Poisson"))
    target = objective(content)
    likelihood = target.likelihood
    counts = likelihood.regions["gamma_A_counts"]
    assert target.events[counts] == pytest.approx([(55 / 5) ** 2, 48**2 / 10])
    theta = likelihood.start.copy()
    theta[likelihood.index("gamma_A[0]")] = 1.2
    assert likelihood.totals(theta)[counts] == pytest.approx([1.2 * 121, 230.4])
    assert likelihood.totals(theta)[likelihood.regions["A"]] == pytest.approx([1.2 * 55, 48])


def test_constant_parameters_of_bins_are_bins_without_errors() -> None:
    content = document()
    content["parameter_points"][0]["parameters"].append({"name": PARAMETERS[0], "value": 1.0, "const": True})
    likelihood = objective(from_hs3(content)).likelihood
    assert likelihood.fixed[likelihood.index("gamma_A[0]")]
    assert likelihood.width[likelihood.index("gamma_A[1]")] == pytest.approx(np.hypot(1, 3) / 48)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "shapesys"}, "programs differ in what the 'vals' of a shapesys are"),
        ({"constraint": None}, "expected the constraint 'Gauss' or 'Poisson', got None"),
        ({"parameters": ["gamma"]}, "expected 2 parameters, one per bin, got 1"),
        ({"type": "special"}, "HistFactory has no modifier of type 'special'"),
    ],
)
def test_modifiers_that_cannot_be_read_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_hs3(document(**changes), where="w.json")


def test_distributions_that_histfactory_lacks_are_refused() -> None:
    content = document()
    content["distributions"][1]["type"] = "crystalball_dist"
    with pytest.raises(InputError, match="distribution 'lumiConstraint': HistFactory has no 'crystalball_dist'"):
        from_hs3(content, where="w.json")


def test_the_expected_background_stands_for_the_data_of_a_blind_region() -> None:
    content = to_hs3(Workspace(model()).blinded("SR"))
    assert content["metadata"]["description"].endswith("stands for the data of SR")
    observed = {item["name"]: item["contents"] for item in content["data"]}
    assert observed["observed_SR"] == pytest.approx([20.0], rel=0.1)
    assert observed["observed_CR"] == [60.0]


def test_names_that_become_equal_are_refused() -> None:
    content = json.loads(json.dumps(model()).replace('"scale"', '"mcstat_SR_bin_0"'))
    with pytest.raises(FitError, match="'mcstat_SR_bin_0' in HS3; rename one"):
        to_hs3(content)


def test_the_command_writes_a_document_that_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps(several_bins()))
    for kind, name in (("hs3", "h.json"), ("pyhf", "p.json")):
        arguments = ["export", kind, str(tmp_path / "w.json"), "--output", str(tmp_path / name)]
        assert CliRunner().invoke(main, arguments).exit_code == 0
        content = read_workspace(tmp_path / name)
        assert [channel["name"] for channel in content["channels"]] == ["A", "B"]


def test_a_factor_with_a_gaussian_constraint_is_read_under_any_name_and_is_lumi_to_pyhf(tmp_path: Path) -> None:
    (tmp_path / "root.json").write_text(json.dumps(document()))
    content = read_workspace(tmp_path / "root.json")
    result = CliRunner().invoke(
        main, ["export", "pyhf", str(tmp_path / "root.json"), "--output", str(tmp_path / "p.json")]
    )
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "p.json").read_text())
    pyhf.Workspace(written)
    same_likelihood(content, written, {"Lumi": "lumi"})


def test_several_factors_with_gaussian_constraints_are_refused_for_pyhf() -> None:
    content = from_hs3(document())
    signal = content["channels"][0]["samples"][0]["modifiers"]
    signal.append({"name": "other", "type": "lumi", "data": None})
    with pytest.raises(FitError, match=r"pyhf has one factor .* the workspace has 'Lumi', 'other'"):
        named_for_pyhf(content)


@pytest.mark.parametrize("part", ["distributions", "data", "likelihoods"])
@pytest.mark.parametrize("value", [None, "x", [None], [{"name": "A"}]], ids=str)
def test_parts_of_the_wrong_type_are_one_sentence(part: str, value: Any) -> None:
    with pytest.raises(InputError, match=r"^w\.json: "):
        from_hs3({**document(), part: value}, where="w.json")
