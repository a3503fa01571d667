"""What a file holds, without a configuration; and a configuration to start from, if its format is recognised."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cascadebdt.config import ENTRY, NtupleConfig, document
from cascadebdt.errors import InputError
from cascadebdt.ntuple.access import attempt, is_rntuple, opened, trees_in
from cascadebdt.ntuple.files import own_names

NUMBERS = ("float", "double", "int", "uint", "std::int", "std::uint", "Double32", "bool")
LISTS = ("[", "vector", "RVec")
RUN, BLOCK, EVENT = (
    ("run", "Run", "runNumber", "run_number", "RunNumber"),
    ("luminosityBlock", "lumi", "lumiBlock", "LumiBlock"),
    ("event", "Event", "eventNumber", "event_number", "EventNumber"),
)
WEIGHTS = ("genWeight", "weight", "EventWeight", "mcEventWeight", "mc_weight", "mc_sf")
NANOAOD = {"Photon": "pt > 20", "Electron": "pt > 10", "Muon": "pt > 10", "Jet": "pt > 25"}
PHYSLITE = {
    "AnalysisPhotons": "photon",
    "AnalysisElectrons": "electron",
    "AnalysisMuons": "muon",
    "AnalysisJets": "jet",
}
MAX_FEATURES = 8


@dataclass(frozen=True)
class TreeSurvey:
    """One tree: its kind, number of entries and branches (name -> type)."""

    name: str
    kind: str
    entries: int
    branches: Mapping[str, str]


@dataclass(frozen=True)
class Survey:
    """A file: how it is compressed and the trees in it."""

    location: str
    compression: str
    trees: tuple[TreeSurvey, ...]


def survey(location: str) -> Survey:
    """Open a file and return what is in it.

    Raises
    ------
    FileError
        If it cannot be read as a ROOT file.
    """
    return attempt(lambda: _survey(location), NtupleConfig())


def _survey(location: str) -> Survey:
    with opened(location) as file:
        trees = tuple(_tree(file[name], name) for name in trees_in(file))
        compression = file.file.compression
        return Survey(location, str(compression) if compression else "none", trees)


def _tree(tree: Any, name: str) -> TreeSurvey:
    types = {own: str(tree[own].typename or "records") for own in own_names(tree)}
    return TreeSurvey(name, "RNTuple" if is_rntuple(tree) else "TTree", int(tree.num_entries), types)


def starting_configuration(found: Survey) -> str:
    """Return the text of a configuration to start from: NanoAOD, PHYSLITE, or else a flat ntuple.

    Raises
    ------
    InputError
        If the file has no tree with a branch of numbers.
    """
    trees = {tree.name: tree for tree in found.trees}
    if "Events" in trees and {"run", "luminosityBlock", "event"} <= set(trees["Events"].branches):
        kind, raw = "NanoAOD", _nanoaod(trees)
    elif "CollectionTree" in trees and any("AuxDyn." in name for name in trees["CollectionTree"].branches):
        kind, raw = "PHYSLITE", _physlite(trees["CollectionTree"])
    else:
        kind, raw = "flat ntuple", _flat(found)
    head = f"# Starting point for a {kind}; name your own samples, cuts, features and stages.\n"
    return head + document.write(_complete(raw, found.location))


def _complete(raw: dict[str, Any], location: str) -> dict[str, Any]:
    """Return a whole configuration around what was recognised."""
    stage = {
        "name": "background",
        "against": ["background"],
        "features": list(raw["features"]),
        "working_point": {"signal_efficiency": 0.9},
    }
    samples = [{"name": name, "process": name, "files": location} for name in ("signal", "background")]
    return {"analysis": "my_analysis", "luminosity_fb": 1.0, "samples": samples, **raw, "cascade": {"stages": [stage]}}


def _nanoaod(trees: Mapping[str, TreeSurvey]) -> dict[str, Any]:
    branches = trees["Events"].branches
    objects = {
        kind.lower(): {"from": kind, "where": where, "order": "-pt"}
        for kind, where in NANOAOD.items()
        if f"{kind}_pt" in branches
    }
    features = {f"n_{name}": f"count({name})" for name in objects}
    features |= {f"{name}_pt": f"{name}[0].pt" for name in objects}
    features |= {"met": "MET_pt"} if "MET_pt" in branches else {}
    ntuples: dict[str, Any] = {"tree": "Events"}
    runs = trees["Runs"].branches if "Runs" in trees else {}
    for name in ("genEventSumw", "genEventSumw_"):
        ntuples |= {"sum_of_weights": f"Runs:{name}"} if name in runs else {}
    ntuples |= {"weight": "genWeight"} if "genWeight" in branches else {}
    return {"ntuples": ntuples, "objects": objects, "features": features}


def _physlite(tree: TreeSurvey) -> dict[str, Any]:
    objects: dict[str, Any] = {}
    for collection, name in PHYSLITE.items():
        if f"{collection}AuxDyn.pt" in tree.branches:
            objects[name] = {"from": collection, "branch": "{collection}AuxDyn.{field}", "order": "-pt"}
            if f"{collection}AuxDyn.m" in tree.branches:
                objects[name]["fields"] = {"mass": {collection: "m"}}
    info = {"run": "runNumber", "block": "lumiBlock", "event": "eventNumber"}
    aliases = {name: f"EventInfoAuxDyn.{own}" for name, own in info.items()}
    aliases = {name: own for name, own in aliases.items() if own in tree.branches}
    ntuples = {"tree": tree.name, "event_id": list(aliases) or ENTRY, "aliases": aliases, "mev": ["*AuxDyn.pt"]}
    if any("mass" in spec.get("fields", {}) for spec in objects.values()):
        ntuples["mev"] = ["*AuxDyn.pt", "*AuxDyn.m"]
    features = {f"n_{name}": f"count({name})" for name in objects}
    return {
        "ntuples": ntuples,
        "objects": objects,
        "features": features | {f"{name}_pt": f"{name}[0].pt" for name in objects},
    }


def _flat(found: Survey) -> dict[str, Any]:
    usable = [tree for tree in found.trees if _scalars(tree)]
    if not usable:
        raise InputError(f"{found.location}: no tree with a branch of numbers, so there is nothing to start from")
    tree = max(usable, key=lambda tree: tree.entries)
    scalars = _scalars(tree)
    identity = [next((name for name in names if name in scalars), "") for names in (RUN, BLOCK, EVENT)]
    weight = next((name for name in WEIGHTS if name in scalars), None)
    event_id = [name for name in identity if name] if identity[-1] else ENTRY
    features = [name for name in scalars if name not in (*identity, weight) and name.isidentifier()]
    ntuples = {"tree": tree.name, "event_id": event_id, **({"weight": weight} if weight else {})}
    return {"ntuples": ntuples, "features": {name: name for name in features[:MAX_FEATURES] or scalars[:1]}}


def _scalars(tree: TreeSurvey) -> list[str]:
    """Return the branches with one number per event."""
    return [
        name
        for name, kind in tree.branches.items()
        if kind.startswith(NUMBERS) and not any(part in kind for part in LISTS) and name.replace("_", "a").isalnum()
    ]
