"""Formats of ntuples, and what a configuration says of each: NanoAOD, PHYSLITE, else a flat ntuple."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cascadebdt.arrays import AnyArray
from cascadebdt.errors import InputError
from cascadebdt.ntuple import roles
from cascadebdt.ntuple.roles import Role
from cascadebdt.ntuple.survey import Survey, TreeSurvey, peek

NANOAOD = {"Photon": "pt > 20", "Electron": "pt > 10", "Muon": "pt > 10", "Tau": "pt > 20", "Jet": "pt > 25"}
PHYSLITE = {
    "AnalysisPhotons": "photon",
    "AnalysisElectrons": "electron",
    "AnalysisMuons": "muon",
    "AnalysisTauJets": "tau",
    "AnalysisJets": "jet",
}
GENERATOR_WEIGHTS = "EventInfoAuxDyn.mcEventWeights"
CARTESIAN = ("Px", "Py", "Pz", "E")
NUMBERS = ("float", "double", "int", "uint", "std::int", "std::uint", "Double32", "bool")
LISTS = ("[", "vector", "RVec")
LISTS_OF_FLOATS = r"^(std::)?(vector|RVec)<(float|double)>$|^(float|double)\[\w*\]$"
MAX_FEATURES = 25
MAX_PEEKED = 400  # branches that are looked into
MIN_SHARE_WITH_PAIRS = 0.2  # of events with two candidates, for a feature of pairs


@dataclass(frozen=True)
class Format:
    """What a configuration says of files of a format.

    Attributes
    ----------
    name : of the format
    ntuples : key -> text of the value, in YAML
    objects : name -> text of the value, in YAML
    features : name -> expression
    systematics : texts in YAML, a line each
    notes : what was noticed and left out, a sentence each
    is_weighted, is_normalised : per file, whether it has the weight of simulation, and the sum of weights
    """

    name: str
    ntuples: dict[str, str]
    objects: dict[str, str]
    features: dict[str, str]
    is_weighted: list[bool]
    is_normalised: list[bool]
    systematics: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def recognise(files: Sequence[Survey]) -> Format:
    """Return what to say of some files.

    Raises
    ------
    InputError
        If one has no tree with a branch of numbers, or if they are of different formats.
    """
    kinds = [_kind(file) for file in files]
    for file, kind in zip(files, kinds, strict=True):
        if kind != kinds[0]:
            raise InputError(
                f"{file.location}: a {kind}, but {files[0].location} is a {kinds[0]}; name files of one format"
            )
    return {"NanoAOD": _nanoaod, "PHYSLITE": _physlite, "flat ntuple": _flat}[kinds[0]](files)


def _kind(file: Survey) -> str:
    trees = {tree.name: tree.branches for tree in file.trees}
    if "Events" in trees and {"run", "luminosityBlock", "event"} <= set(trees["Events"]):
        return "NanoAOD"
    if "CollectionTree" in trees and any("AuxDyn." in name for name in trees["CollectionTree"]):
        return "PHYSLITE"
    return "flat ntuple"


def _common(trees: Sequence[TreeSurvey]) -> list[str]:
    """Return the branches that all trees have, in the order of the first."""
    others = [set(tree.branches) for tree in trees[1:]]
    return [name for name in trees[0].branches if all(name in other for other in others)]


def _nanoaod(files: Sequence[Survey]) -> Format:
    trees = [_tree(file, "Events") for file in files]
    branches = _common(trees)
    is_weighted = ["genWeight" in tree.branches for tree in trees]
    runs = [next((set(tree.branches) for tree in file.trees if tree.name == "Runs"), set()) for file in files]
    simulated = [names for names, weighted in zip(runs, is_weighted, strict=True) if weighted]
    sums = [
        name for name in ("genEventSumw", "genEventSumw_") if simulated and all(name in names for names in simulated)
    ]
    ntuples = {"tree": "Events", "event_id": "[run, luminosityBlock, event]"}
    ntuples |= {"sum_of_weights": f'"Runs:{sums[0]}"'} if sums else {}
    ntuples |= {"weight": "genWeight"} if any(is_weighted) else {}
    objects = {
        kind.lower(): f'{{from: {kind}, where: "{where} and abs(eta) < {4.7 if kind == "Jet" else 2.5}", order: -pt}}'
        for kind, where in NANOAOD.items()
        if {f"{kind}_pt", f"{kind}_eta", f"{kind}_phi"} <= set(branches)
    }
    met = next((name for name in ("MET_pt", "PuppiMET_pt", "PFMET_pt") if name in branches), None)
    features = _of_objects(list(objects)) | ({"met": met} if met else {})
    features |= {"met_significance": "MET_significance"} if "MET_significance" in branches else {}
    return Format(
        "NanoAOD",
        ntuples,
        objects,
        features,
        is_weighted,
        [weighted and bool(sums) for weighted in is_weighted],
        _nanoaod_systematics([tree for tree, weighted in zip(trees, is_weighted, strict=True) if weighted], files),
    )


def _nanoaod_systematics(trees: Sequence[TreeSurvey], files: Sequence[Survey]) -> list[str]:
    """Return the weight systematics whose branches all simulated files have."""
    known = set(_common(trees)) if trees else set()
    found = []
    if "PSWeight" in known:
        lengths = [
            peek(file.location, "Events", ["nPSWeight"]).get("nPSWeight") for file in files if _has(file, "nPSWeight")
        ]
        if lengths and all(length is not None and len(length) and (length == 4).all() for length in lengths):
            found += [
                '- {name: isr, kind: weight, up: "PSWeight[0]", down: "PSWeight[2]"}',
                '- {name: fsr, kind: weight, up: "PSWeight[1]", down: "PSWeight[3]"}',
            ]
    if {"puWeight", "puWeightUp", "puWeightDown"} <= known:
        found.append('- {name: pileup, kind: weight, up: "puWeightUp / puWeight", down: "puWeightDown / puWeight"}')
    return found


def _has(file: Survey, branch: str) -> bool:
    return branch in _tree(file, "Events").branches


def _physlite(files: Sequence[Survey]) -> Format:
    trees = [_tree(file, "CollectionTree") for file in files]
    branches = set(_common(trees))
    objects: dict[str, str] = {}
    has_mass = False
    for collection, name in PHYSLITE.items():
        if f"{collection}AuxDyn.pt" in branches:
            mass = f"{collection}AuxDyn.m" in branches
            has_mass |= mass
            fields = f", fields: {{mass: {{{collection}: m}}}}" if mass else ""
            objects[name] = f'{{from: {collection}, branch: "{{collection}}AuxDyn.{{field}}", order: -pt{fields}}}'
    info = {"run": "runNumber", "block": "lumiBlock", "event": "eventNumber"}
    aliases = {name: f"EventInfoAuxDyn.{own}" for name, own in info.items() if f"EventInfoAuxDyn.{own}" in branches}
    is_weighted = [GENERATOR_WEIGHTS in tree.branches for tree in trees]
    ntuples = {
        "tree": "CollectionTree",
        "event_id": f"[{', '.join(aliases)}]" if "event" in aliases else "entry",
        "mev": '["*AuxDyn.pt", "*AuxDyn.m"]' if has_mass else '["*AuxDyn.pt"]',
    }
    if aliases:
        ntuples["aliases"] = "{" + ", ".join(f'{name}: "{own}"' for name, own in aliases.items()) + "}"
    if any(is_weighted):
        ntuples["weight"] = f'"{GENERATOR_WEIGHTS}[0]"'
    return Format("PHYSLITE", ntuples, objects, _of_objects(list(objects)), is_weighted, [False] * len(files))


def _of_objects(names: Sequence[str]) -> dict[str, str]:
    """Return features of objects."""
    features = {f"n_{name}": f"count({name})" for name in names}
    for name in names:
        features |= {f"{name}_pt": f"{name}[0].pt", f"{name}_eta": f"abs({name}[0].eta)"}
    if "jet" in names:
        features |= {"ht": "sum(jet.pt)", "jet2_pt": "jet[1].pt", "m_jj": "mass(jet[0], jet[1])"}
    for name in names:
        if name in ("electron", "muon"):
            features |= {f"m_{name}s": f"mass({name}[0], {name}[1])"}
    return features


def _flat(files: Sequence[Survey]) -> Format:
    trees = _flat_trees(files)
    common = set(_common(trees))
    scalars = [name for name in _scalars(trees[0]) if name in common][:MAX_PEEKED]
    extra = {name for tree in trees for name in _scalars(tree) if roles.by_name(name) is Role.WEIGHT}
    peeks = [
        peek(file.location, tree.name, [*scalars, *(extra & set(tree.branches) - set(scalars))])
        for file, tree in zip(files, trees, strict=True)
    ]
    of_files = [{name: roles.role(name, values) for name, values in columns.items()} for columns in peeks]
    weight = roles.nominal_weight([n for n in sorted(extra | set(scalars)) if _is_in(of_files, n, Role.WEIGHT)])
    weighted = [tree for tree in trees if weight in tree.branches]
    features = [name for name in scalars if any(found.get(name) is Role.FEATURE for found in of_files)]
    features = [n for n in features if all(f.get(n) in (Role.FEATURE, Role.CONSTANT, None) for f in of_files)]
    objects = _collections(common)
    expressions = {_feature_name(name): name for name in features[:MAX_FEATURES]}
    event_id = _event_id([name for name in scalars if _is_integer(trees[0], name)], peeks)
    ntuples = {"tree": f'"{trees[0].name}"', "event_id": f"[{', '.join(event_id)}]" if event_id else "entry"}
    ntuples |= {"weight": f'"{weight}"'} if weight else {}
    sentinels = sorted(
        {value for columns in peeks for value in roles.sentinels({n: columns[n] for n in features if n in columns})}
    )
    ntuples |= {"sentinels": str(sentinels)} if sentinels else {}
    ntuples |= _mev(files, trees, peeks)
    features_of_objects = _of_objects(list(objects))
    return Format(
        "flat ntuple",
        ntuples,
        objects,
        expressions | features_of_objects or {_feature_name(name): name for name in scalars[:1]},
        [weight is not None and weight in tree.branches for tree in trees],
        [False] * len(files),
        _flat_systematics(sorted(extra & set(_common(weighted or trees))), weight),
        [*_left_out(scalars, of_files, features), *_event_notes(event_id, scalars), *_four_vectors(trees[0])],
    )


def _mev(
    files: Sequence[Survey], trees: Sequence[TreeSurvey], peeks: Sequence[Mapping[str, AnyArray]]
) -> dict[str, str]:
    """Return the key of the branches in MeV, if the momenta of a file are large; lists are looked into, too."""
    names: dict[str, None] = {}
    for file, tree, columns in zip(files, trees, peeks, strict=True):
        lists = [name for name, kind in tree.branches.items() if re.search(LISTS_OF_FLOATS, kind)][:MAX_PEEKED]
        names |= dict.fromkeys(roles.in_mev({**columns, **peek(file.location, tree.name, lists)}))
    listed = ", ".join(f'"{name}"' for name in names)
    return {"mev": f"[{listed}]  # by the size of the momenta; GeV as they are read"} if names else {}


def _is_in(of_files: Sequence[Mapping[str, Role]], name: str, role: Role) -> bool:
    return any(found.get(name) is role for found in of_files)


def _flat_trees(files: Sequence[Survey]) -> list[TreeSurvey]:
    """Return the tree of every file: of one name in all, with the most branches of numbers, then the most entries."""
    usable = [
        {tree.name: tree for tree in file.trees if _scalars(tree) or _collections(set(tree.branches))} for file in files
    ]
    for file, trees in zip(files, usable, strict=True):
        if not trees:
            raise InputError(f"{file.location}: no tree with a branch of numbers, so there is nothing to start from")
    shared = [name for name in usable[0] if all(name in trees for trees in usable)]
    if not shared:
        names = ", ".join(sorted({name for trees in usable for name in trees}))
        raise InputError(f"{files[-1].location}: the files have no tree of one name; trees: {names}")

    def size(name: str) -> tuple[int, int]:
        return len(usable[0][name].branches), sum(trees[name].entries for trees in usable)

    best = max(shared, key=size)
    return [trees[best] for trees in usable]


def _collections(branches: set[str]) -> dict[str, str]:
    """Return objects of the collections in a flat ntuple that have a four-momentum: name -> text in YAML."""
    objects = {}
    for name in sorted(branches):
        collection, _, last = name.rpartition("_")
        own = {other.rpartition("_")[2] for other in branches if other.rpartition("_")[0] == collection}
        if not collection.isidentifier() or collection.startswith("_"):
            continue
        if last == "pt" and {"eta", "phi"} <= own:
            objects[_feature_name(collection).lower()] = f"{{from: {collection}, order: -pt}}"
        elif last == "Px" and set(CARTESIAN) <= own:
            momentum = ", ".join(CARTESIAN)
            objects[_feature_name(collection).lower()] = f"{{from: {collection}, momentum: [{momentum}], order: -pt}}"
    return {name: text for name, text in objects.items() if not roles.TRUTH.search(name)}


def _event_id(integers: Sequence[str], peeks: Sequence[Mapping[str, AnyArray]]) -> list[str]:
    """Return the branches that identify an event; none if they do not."""
    names = roles.identity(integers)
    for columns in peeks if names else ():
        rows = np.stack([columns[name].astype(np.int64) for name in names], axis=1)
        if len(np.unique(rows, axis=0)) < len(rows):
            return []
    return names


def _event_notes(event_id: Sequence[str], scalars: Sequence[str]) -> list[str]:
    names = roles.identity(scalars)
    if names and not event_id:
        return [f"{', '.join(names)} repeat, so that the entry stands for the event."]
    return []


def _four_vectors(tree: TreeSurvey) -> list[str]:
    """Say which branches hold objects that are not read."""
    names = [name for name, kind in tree.branches.items() if "LorentzVector" in kind]
    if not names:
        return []
    return [f"{', '.join(names)}: objects with four-momenta are not read; write px, py, pz and E as numbers."]


def _left_out(scalars: Sequence[str], of_files: Sequence[Mapping[str, Role]], features: Sequence[str]) -> list[str]:
    """Say which branches were taken for no features, and why."""
    found = []
    for role in (Role.WEIGHT, Role.TRUTH, Role.IDENTITY, Role.CONSTANT):
        names = [name for name in scalars if name not in features and _is_in(of_files, name, role)]
        if names:
            shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            found.append(f"No features, taken for {role.value}: {shown}.")
    if len(features) > MAX_FEATURES:
        found.append(f"{len(features) - MAX_FEATURES} more branches could be features.")
    return found


def _flat_systematics(weights: Sequence[str], nominal: str | None) -> list[str]:
    """Return the weight systematics of branches up and down; those named as the nominal weight vary it as a whole."""
    found = []
    for base, (up, down) in roles.variations(weights).items():
        name = re.sub(r"^(event|evt)?_?(weight|wgt|w|sf)_?|_?(weight|wgt|w|sf)$", "", base, flags=re.IGNORECASE)
        name = _feature_name(name or "weight")
        whole = nominal is not None and base.lower().startswith(nominal.lower())
        factor = nominal if whole else base if base in weights else None
        sides = [f"{side} / {factor}" if factor else side for side in (up, down)]
        found.append(f'- {{name: {name}, kind: weight, up: "{sides[0]}", down: "{sides[1]}"}}')
    return found


def _tree(file: Survey, name: str) -> TreeSurvey:
    return next(tree for tree in file.trees if tree.name == name)


def _scalars(tree: TreeSurvey) -> list[str]:
    """Return the branches with one number per event whose names an expression can hold."""
    return [
        name
        for name, kind in tree.branches.items()
        if kind.startswith(NUMBERS)
        and not any(part in kind for part in LISTS)
        and re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", name)
    ]


def _is_integer(tree: TreeSurvey, name: str) -> bool:
    return "int" in tree.branches[name]


def _feature_name(name: str) -> str:
    """Return a name for a feature, a systematic or an object after that of a branch."""
    plain = re.sub(r"\W+", "_", name).strip("_") or "branch"
    plain = plain if plain[0].isalpha() else f"f_{plain}"
    return f"{plain}_branch" if plain in ("score", "final") else plain
