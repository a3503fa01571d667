"""From what each step makes its products: the parts of the configuration it reads, the files, the steps before it.

The keys follow from configuration, files and versions alone, so that they are known before anything runs. A model
depends on the stages before it with their working points, and on its own stage without it: a threshold changes the
stages after it, not the models of its own.
"""

import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from cascadebdt.cascade.stage import FINAL, LIKELIHOOD, SORTER, repeated
from cascadebdt.config import CascadeConfig, Config
from cascadebdt.events.variations import samples_by_name
from cascadebdt.expression import load_plugins, registered
from cascadebdt.products.inventory import sha256
from cascadebdt.products.keys import Origin

FORMATS = {"select": 3, "train": 3, "apply": 4, "fit": 3, "report": 4}
LEARNING = ("cascadebdt", "numpy", "xgboost")  # packages whose versions change the bits of models and scores
FITTING = ("cascadebdt", "iminuit", "numpy", "scipy")
# Where and how a step runs, which changes no bit of what it makes.
EXECUTION = {
    "ntuples": {"chunk_entries", "retries", "retry_seconds", "replicas"},
    "cascade": {"device", "memory", "bdt"},
}
READING = ("cascadebdt", "awkward", "numpy", "uproot")
BEFORE_TRAINING = ("luminosity_fb", "seed", "ntuples", "samples", "objects", "selection")

Files = Mapping[str, Mapping[str, str]]  # sample -> location, relative to the configuration -> identity


def of_selections(config: Config, files: Files) -> dict[str, Origin]:
    """Return the origin of the selected events of every sample, alternative ones included."""
    read = ("luminosity_fb", "ntuples", "objects", "selection", "features", "systematics")
    common = _parts(config, {}, read, READING)
    origins = {}
    for name, sample in samples_by_name(config).items():
        own = {"sample": sample.model_dump(mode="json"), "files": files.get(name, {})}
        origins[name] = Origin("select", FORMATS["select"], {**common, **own}, {})
    return origins


def of_models(config: Config, files: Files) -> dict[str, Origin]:
    """Return the origin of the models of every stage, of the final discriminant and of the sorter, by their folders."""
    common = _parts(_trained(config), _nominal(config, files), BEFORE_TRAINING, LEARNING)
    shared = _cascade(config.cascade)
    origins: dict[str, Origin] = {}
    before: dict[str, Any] = {}
    used: dict[str, str] = {}
    for position, stage in enumerate(config.cascade.stages):
        content = {**stage.model_dump(mode="json"), "position": position}
        used |= _spaced_once({name: config.features[name] for name in stage.features})
        own = {name: value for name, value in content.items() if name != "working_point"}
        stages = {**before, stage.name: own}
        parts = {**common, "features": dict(used), "cascade": {**shared, "stages": stages}}
        origins[stage.name] = Origin("train", FORMATS["train"], parts, {})
        before[stage.name] = content
    if config.cascade.final:
        used |= _spaced_once({name: config.features[name] for name in config.cascade.final.features})
        final = config.cascade.final.model_dump(mode="json")
        parts = {**common, "features": dict(used), "cascade": {**shared, "stages": before, "final": final}}
        origin = Origin("train", FORMATS["train"], parts, {})
        repeats = range(config.cascade.final.repeats)
        origins |= {repeated(name, repeat): origin for name in (FINAL, LIKELIHOOD) for repeat in repeats}
    if config.cascade.is_sorted:
        read = {name: config.features[name] for name in config.cascade.features}
        control = config.cascade.control.model_dump(mode="json")
        parts = {**common, "features": _spaced_once(read), "cascade": {**shared, "stages": before, "control": control}}
        origins[SORTER] = Origin("train", FORMATS["train"], parts, {})
    return origins


def of_steps(config: Config, files: Files, *, elsewhere: Mapping[str, str] | None = None) -> dict[str, Origin]:
    """Return the origins of ``train``, ``apply``, ``fit`` and ``report``, in this order.

    Parameters
    ----------
    config : the analysis
    files : that it reads
    elsewhere : name -> key of what was made elsewhere, the cascade first; then there is no step ``train``
    """
    if config.data == "asimov":  # an expectation has nothing to unblind
        config = config.replace("fit.unblind", False)
    stages = {
        stage.name: {**stage.model_dump(mode="json"), "position": position}
        for position, stage in enumerate(config.cascade.stages)
    }
    final = config.cascade.final.model_dump(mode="json") if config.cascade.final else None
    control = config.cascade.control.model_dump(mode="json")
    whole = {**_cascade(config.cascade), "control": control, "stages": stages, "final": final}
    learnt = {name for stage in config.cascade.stages for name in stage.features}
    learnt |= set(config.cascade.final.features if config.cascade.final else ())
    trained = {
        **_parts(_trained(config), _nominal(config, files), BEFORE_TRAINING, LEARNING),
        "features": _spaced_once({name: text for name, text in config.features.items() if name in learnt}),
        "cascade": whole,
    }
    train = Origin("train", FORMATS["train"], trained, {})
    read = (*BEFORE_TRAINING, "features", "pass_through", "corrections", "systematics", "regions", "templates")
    filled = _parts(config, files, read, LEARNING)
    if config.corrections:  # what is subtracted has the normalisations that the control regions give
        filled["free"] = list(config.fit.free)
    filled["unblind"] = config.fit.unblind or None
    before = dict(elsewhere) if elsewhere else {"train": train.key}
    apply = Origin("apply", FORMATS["apply"], filled, before)
    asked = _parts(config, {}, ("analysis", "systematics", "regions", "templates", "fit"), FITTING)
    fit = Origin("fit", FORMATS["fit"], asked, {"apply": apply.key})
    inputs = {**before, "apply": apply.key, "fit": fit.key}
    report = Origin("report", FORMATS["report"], _parts(config, {}, ("plots",), ("cascadebdt",)), inputs)
    return {origin.step: origin for origin in (train, apply, fit, report) if not elsewhere or origin is not train}


def of_file(workspace: str, question: Mapping[str, Any]) -> Origin:
    """Return the origin of the fit of a workspace file.

    Parameters
    ----------
    workspace : identity of the file
    question : what was changed and asked of it
    """
    versions = {name: version(name) for name in FITTING}
    return Origin("fit", FORMATS["fit"], {**question, "versions": versions}, {"workspace": workspace})


def _parts(config: Config, files: Files, names: tuple[str, ...], packages: tuple[str, ...]) -> dict[str, Any]:
    """Return parts of a configuration with names in the place of numbers, so that a change can be told."""
    content = config.model_dump(mode="json", by_alias=True, include=set(names), exclude=EXECUTION)
    for name in ("samples", "systematics", "selection"):
        if name in content:
            content[name] = {entry["name"]: {**entry, "position": k} for k, entry in enumerate(content[name])}
    load_plugins(config.plugins, config.directory)
    text = json.dumps(config.model_dump(mode="json", by_alias=True, exclude={"plots"}))
    called = [name for name in sorted(registered()) if re.search(rf"\b{name}\b", text)]
    own = {name: registered()[name].digest for name in called}
    return {
        **_spaced_once(content),
        **({"files": files} if files else {}),
        **({"functions": own} if own else {}),
        **({"scale_factors": _contents(config)} if config.scale_factors else {}),
        "versions": {name: version(name) for name in packages},
    }


def _contents(config: Config) -> dict[str, Any]:
    """Return what scale factors are, with the hashes of their files; a missing one is refused where it is read."""
    files = {factor.name: config.directory / factor.file for factor in config.scale_factors}
    hashes = {name: sha256(path) if path.is_file() else None for name, path in files.items()}
    content = config.model_dump(mode="json", include={"scale_factors"})["scale_factors"]
    return {entry["name"]: {**entry, "sha256": hashes[entry["name"]]} for entry in content}


def _spaced_once(content: Any) -> Any:
    """Return content with single spaces in its texts: how an expression is spaced changes nothing."""
    if isinstance(content, str):
        return " ".join(content.split())
    if isinstance(content, Mapping):
        return {key: _spaced_once(value) for key, value in content.items()}
    return [_spaced_once(value) for value in content] if isinstance(content, list) else content


def _cascade(config: CascadeConfig) -> dict[str, Any]:
    """Return what all stages share; the sorter of the control regions changes none of them."""
    return config.model_dump(mode="json", exclude={"device", "memory", "bdt", "control", "stages", "final"})


def _trained(config: Config) -> Config:
    """Return the configuration without data, which train nothing: a cascade stays when they come."""
    return config if config.data == "asimov" else config.without_data()


def _nominal(config: Config, files: Files) -> Files:
    """Return the files without those of data and of alternative samples, which train nothing."""
    nominal = [sample.name for sample in config.samples if not sample.is_data]
    return {name: files[name] for name in nominal if name in files}
