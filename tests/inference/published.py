"""Published answers and ours: `python tests/inference/published.py` prints the table of docs/fitting.md."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonpatch
import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from cascadebdt import config as configuration
from cascadebdt import inference
from cascadebdt.events import loading
from cascadebdt.inference.likelihood import objective
from cascadebdt.workspace import Workspace
from small_models import workspace

STATISTICS = Path(__file__).parents[2] / ".." / "shared" / "data" / "stat"
COMBINE = STATISTICS / "combine"
CARDS = [
    f"counting-B5p5-Obs{observed}-{errors}"
    for observed in (1, 6, 11)
    for errors in ("StatOnly", "Syst30B", "Syst30C", "Syst30S", "Syst30U")
]
BINS = [200, 300, 400, 500, 600]


@dataclass(frozen=True)
class Row:
    """Numbers of a model: theirs, ours, and by how much they may differ, relative and absolute."""

    quantity: str
    theirs: tuple[float, ...]
    ours: tuple[float, ...]
    relative: tuple[float, ...]
    absolute: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether all numbers are within their tolerance."""
        differences = np.abs(np.array(self.ours) - self.theirs)
        return bool((differences <= np.array(self.relative) * np.abs(self.theirs) + self.absolute).all())


def row(
    quantity: str,
    theirs: Sequence[float],
    ours: Sequence[float],
    relative: float | Sequence[float] = 0.0,
    absolute: float = 0.0,
) -> Row:
    tolerances = (relative,) * len(theirs) if isinstance(relative, float) else tuple(relative)
    return Row(quantity, tuple(theirs), tuple(float(value) for value in ours), tolerances, absolute)


def read(name: str) -> Any:
    return json.loads((STATISTICS / name).read_text())


def tutorial_workspace() -> dict[str, Any]:
    """Make the workspace of cabinetry's tutorial from its ntuples, read by this package, with cabinetry's conventions.

    Variations are split into normalisation and shape; a one-sided one is mirrored, 2 - up and 2 nominal - up.
    """
    trees = {
        "data": ("data.root", "pseudodata", None),
        "signal": ("prediction.root", "signal", "weight"),
        "background": ("prediction.root", "background", "weight"),
        "varied": ("prediction.root", "background_varied", "weight"),
        "reweighted": ("prediction.root", "background", "weight_up"),
    }
    raw = {
        "analysis": "tutorial",
        "luminosity_fb": 1.0,
        "ntuples": {"event_id": "entry"},
        "samples": [
            {"name": name, "process": name, "files": file, "tree": tree, **({"weight": weight} if weight else {})}
            for name, (file, tree, weight) in trees.items()
        ],
        "selection": [{"name": "charge", "cut": "lep_charge > 0"}],
        "features": {"jet_pt": "jet_pt"},
        "cascade": {
            "stages": [
                {"name": "a", "against": "background", "features": ["jet_pt"], "working_point": {"threshold": 0.5}}
            ]
        },
    }
    events = loading.select(configuration.parse(raw, directory=STATISTICS / "cabinetry_tutorial"))
    sums, squares = {}, {}
    for name in trees:
        rows = events.of_process(name)
        weights = events.weights["nominal"][rows]
        sums[name] = np.histogram(events.columns["jet_pt"][rows], BINS, weights=weights)[0]
        squares[name] = np.histogram(events.columns["jet_pt"][rows], BINS, weights=weights**2)[0]
    return _tutorial_model(sums, np.sqrt(squares["background"]))


def _tutorial_model(sums: dict[str, Any], errors: Any) -> dict[str, Any]:
    nominal = sums["background"]

    def split(name: str, up: Any, down: Any, low: float) -> list[dict[str, Any]]:
        high = up.sum() / nominal.sum()
        shape = (up / high).tolist()
        opposite = (2 * nominal - up / high if down is None else down / low).tolist()
        return [
            {"name": name, "type": "normsys", "data": {"hi": high, "lo": 2 - high if down is None else low}},
            {"name": name, "type": "histosys", "data": {"hi_data": shape, "lo_data": opposite}},
        ]

    luminosity = {"name": "Luminosity", "type": "normsys", "data": {"hi": 1.05, "lo": 0.95}}
    signal = [{"name": "Signal_norm", "type": "normfactor", "data": None}, luminosity]
    background = [
        luminosity,
        {"name": "staterror_Signal_region", "type": "staterror", "data": errors.tolist()},
        *split("Modeling", sums["varied"], None, 1.0),
        *split("WeightBasedModeling", sums["reweighted"], 0.7 * nominal, 0.7),
    ]
    samples = [
        {"name": "Signal", "data": sums["signal"].tolist(), "modifiers": signal},
        {"name": "Background", "data": nominal.tolist(), "modifiers": background},
    ]
    content = workspace([{"name": "Signal_region", "samples": samples}], {"Signal_region": sums["data"].tolist()})
    parameters = [{"name": "Signal_norm", "bounds": [[0, 10]], "inits": [1.0]}]
    content["measurements"][0]["config"] = {"poi": "Signal_norm", "parameters": parameters}
    return content


def tutorial() -> Iterator[Row]:
    content = tutorial_workspace()
    result, significance = inference.fit(content), inference.significance(content)
    limit = inference.limit(content)
    published = {
        "Signal_norm": (1.5938, 0.9757),
        "Modeling": (-0.2753, 0.5683),
        "WeightBasedModeling": (-0.5277, 0.6477),
        "Luminosity": (-0.0794, 0.9910),
    }
    for name, theirs in published.items():
        index = result.parameters.index(name)
        # MINUIT stops within 0.001 of an uncertainty here, and its numerical Hessian is 1 % off
        yield row(name, theirs[:1], [result.values[index]], absolute=1e-3)
        yield row(f"{name}, uncertainty", theirs[1:], [result.uncertainties[index]], 0.013)
    assert significance.observed is not None
    assert limit.observed is not None
    found = (significance.observed, significance.expected)
    yield row("significance, observed and expected", (1.656, 1.040), found, absolute=5e-4)
    yield row("limit, observed", (3.1099,), [limit.observed], 1e-3)
    yield row("limit, expected", (1.0162, 1.4079, 1.9849, 2.7087, 3.5215), limit.expected, [2.5e-3, *[1e-3] * 4])


def sbottom_workspace() -> dict[str, Any]:
    patch = jsonpatch.JsonPatch(read("sbottom_regionC/patch.sbottom_600_280_150.json"))
    patched: dict[str, Any] = patch.apply(read("sbottom_regionC/BkgOnly.json"))
    return patched


def sbottom() -> Iterator[Row]:
    result = inference.fit_background(sbottom_workspace())
    yield row("mu_z", (1.0428, 0.1717), result.normalisation["mu_z"], 2e-3)
    yield row("mu_ttbar", (0.7992, 0.0958), result.normalisation["mu_ttbar"], 2e-3)
    published = {"CRtt": (11.9316,), "CRz": (8.219,), "SR": (3.1752, 1.8404, 0.8833, 0.5963)}
    for (name, theirs), region in zip(published.items(), sorted(result.total), strict=True):
        yield row(f"{name}, post-fit uncertainty", theirs, result.total_uncertainty[region].tolist(), 0.01)


def sbottom_from_control_regions() -> Iterator[Row]:
    content = sbottom_workspace()
    region = next(name for name in objective(content).likelihood.regions if name.startswith("SR"))
    blind = Workspace(content).blinded(region)
    result = inference.fit_background(blind)
    # A numerical Hessian gave the published 0.094; the profile rises by 1 at +0.098 and -0.107
    yield row("mu_ttbar", (0.781, 0.094), result.normalisation["mu_ttbar"], absolute=2e-3)
    yield row("mu_z", (0.968, 0.183), result.normalisation["mu_z"], absolute=1e-3)
    found = inference.validate(Workspace(content), (region,)).regions[region]
    yield row("SRC, sum of bins", (37.5, 6.1), (found.total, found.total_uncertainty), absolute=0.15)
    yield row("SRC, observed", (47,), [found.data.sum()])


def from_card(card: str) -> dict[str, Any]:
    """Translate a data card of one bin, one signal and one background with log-normal uncertainties."""
    lines = [line.split() for line in (COMBINE / "simple-counting" / f"{card}.txt").read_text().splitlines() if line]
    observed = next(float(words[1]) for words in lines if words[0] == "Observation")
    rates = next(words[1:] for words in lines if words[0] == "rate")
    lognormals = [(words[0], words[2:]) for words in lines if words[1:2] == ["lnN"]]
    samples = []
    for column, process in enumerate(("s", "b")):
        modifiers: list[dict[str, Any]] = [{"name": "mu", "type": "normfactor", "data": None}] if column == 0 else []
        for name, factors in lognormals:
            if (factor := float(factors[column])) != 1:
                modifiers.append({"name": f"e{name}", "type": "normsys", "data": {"hi": factor, "lo": 1 / factor}})
        samples.append({"name": process, "data": [float(rates[column])], "modifiers": modifiers})
    return workspace([{"name": "SR", "samples": samples}], {"SR": [observed]})


# Combine scales one sigma to the whole band, and stops its search for the median at 0.5 %
BAND = (0.025, 0.015, 0.005, 0.015, 0.025)


def counting_cards() -> Iterator[Row]:
    published = read("combine/reference.json")["Counting_Asymptotic"]["results"]
    for card in CARDS:
        result = inference.limit(from_card(card))
        assert result.observed is not None
        theirs = [published[f"{card}.txt {key}"]["limit"] for key in ("Obs", "E025", "E159", "E500", "E839", "E975")]
        yield row(f"{card}, observed", theirs[:1], [result.observed], 2e-3)
        yield row(f"{card}, expected", theirs[1:], result.expected, BAND)


def significances_of_counting_cards() -> Iterator[Row]:
    published = read("combine/reference.json")["Counting_Sig_ProfileLikelihood"]["results"]
    for name, theirs in published.items():
        result = inference.significance(from_card(name.removesuffix(".txt")))
        assert result.observed is not None
        yield row(f"{name.removesuffix('.txt')}, significance", (theirs["limit"],), [result.observed], 1e-3)


def no_events() -> Iterator[Row]:
    result = inference.limit(read("combine/pyhf_realistic_counting.json"))
    assert result.observed is not None
    yield row("limit, observed", (1.6281,), [result.observed], 2e-3)
    yield row("limit, expected", (0.9640, 1.4329, 2.3281, 3.9800, 6.6194), result.expected, 0.025)


def _interval(content: dict[str, Any], parameter: str) -> tuple[float, float, float]:
    result = inference.fit(content)
    low, high = inference.profile_interval(content, parameter)
    best = float(result.values[result.parameters.index(parameter)])
    return best, best - low, high - best


def two_signals() -> Iterator[Row]:
    content = read("combine/pyhf_multi_signal.json")
    yield row("r_ggH", (0.882, 0.749, 0.795), _interval(content, "r_ggH"), [5e-3, 0.01, 0.01])
    yield row("r_qqH", (4.683, 2.746, 3.464), _interval(content, "r_qqH"), [5e-3, 0.01, 0.01])
    common = json.loads(json.dumps(content).replace('"r_qqH"', '"r_ggH"'))
    common["measurements"][0]["config"]["parameters"].pop()
    yield row("common r", (1.4812, 0.5987, 0.6644), _interval(common, "r_ggH"), [5e-3, 0.01, 0.01])


def shapes() -> Iterator[Row]:
    content = read("combine/pyhf_longex_part2_noMCstat.json")
    # The interpolation of shapes differs: per bin here, of normalised shapes there
    yield row("r", (-2.733, 2.134, 3.382), _interval(content, "r"), [0.01, 0.02, 0.02])


def control_regions() -> Iterator[Row]:
    for name, theirs in (("cr", (0.4172, 0.4506)), ("nocrs", (0.4658, 0.5021))):
        content = read(f"combine/pyhf_longex_part3_{name}.json")
        likelihood = objective(content).likelihood
        rates = likelihood.totals(likelihood.start)
        data = [{"name": region, "data": rates[bins].tolist()} for region, bins in likelihood.regions.items()]
        _, down, up = _interval({**content, "observations": data}, "r")
        # Statistical uncertainties of simulation are multiplicative here, additive there
        yield row("r = 1, Asimov" + (", no control regions" if name == "nocrs" else ""), theirs, (down, up), 0.01)


MODELS: dict[str, Callable[[], Iterator[Row]]] = {
    "cabinetry tutorial": tutorial,
    "ATLAS sbottom, signal 0": sbottom,
    "ATLAS sbottom, control regions alone": sbottom_from_control_regions,
    "Combine, simple counting": counting_cards,
    "Combine, simple counting: significances": significances_of_counting_cards,
    "Combine, realistic counting": no_events,
    "Combine, two signals": two_signals,
    "Combine, part 2: shapes": shapes,
    "Combine, part 3: control regions": control_regions,
}


def main() -> None:
    """Print the table."""
    print("| model | quantity | theirs | ours | largest difference |\n|---|---|---|---|---|")  # noqa: T201
    for model, rows in MODELS.items():
        for found in rows():
            largest = max(abs(ours / theirs - 1) for ours, theirs in zip(found.ours, found.theirs, strict=True))
            theirs, ours = (" ".join(f"{value:.5g}" for value in values) for values in (found.theirs, found.ours))
            flag = "" if found.agrees else " (beyond tolerance)"
            print(f"| {model} | {found.quantity} | {theirs} | {ours} | {largest:.2%}{flag} |")  # noqa: T201


if __name__ == "__main__":
    main()
