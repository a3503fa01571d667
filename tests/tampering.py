"""Folders of runs whose products somebody altered, and what the commands make of them."""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner
from matplotlib.figure import Figure

import mutants
import trees
from cascadebdt import plots
from cascadebdt.cli import main
from cascadebdt.config import document
from cascadebdt.products.keys import digest
from isolation import isolated
from tiny_analysis import SAMPLES, tiny_config, write_ntuple
from workspace_mutants import VALUES

COMMANDS = ("status", "apply", "apply a file", "apply elsewhere", "fit", "report", "run")
KINDS = (
    "bytes",
    "cut",
    "replaced",
    "exchanged",
    "other run",
    "missing",
    "folder",
    "link",
    "JSON",
    "manifest",
    "forged",
)
CONTENTS = (
    b"",
    b"[]",
    b"{}",
    b"null",
    b"text",
    b'"text"',
    b"[1, 2]",
    b"\xff\xfe",
    b"\x00" * 100,
    b"1e999",
    b"[" * 10_000,
)
# What differs from run to run by nature: times, the folder, and what follows from them.
VOLATILE = {"summary.json": ("resources",), "manifest.json": ("products", "inputs", "sha256", "cascade")}
PATIENCE = 120.0  # seconds


@dataclass(frozen=True)
class Setting:
    """A small analysis.

    Attributes
    ----------
    config : its configuration
    reference : the products of an undisturbed run
    other : those of a run of another configuration
    """

    config: Path
    reference: Path
    other: Path


def prepare(folder: Path) -> Setting:
    """Write ntuples and configurations; run both."""
    ntuples = folder / "ntuples"
    ntuples.mkdir(parents=True)
    for index, (process, (n_events, *_)) in enumerate(SAMPLES.items()):
        write_ntuple(ntuples / f"{process}_0.root", process, n_events, 10 * index)
    write_ntuple(ntuples / "data.root", "zee", 800, 99, is_data=True)
    raw, other = tiny_config(), tiny_config()
    other["luminosity_fb"] = 2.0
    other["cascade"]["stages"][0]["working_point"] = {"signal_efficiency": 0.92}
    setting = Setting(ntuples / "config.yaml", folder / "reference", folder / "other")
    for config, content, output in (
        (setting.config, raw, setting.reference),
        (ntuples / "other.yaml", other, setting.other),
    ):
        config.write_text(document.write(content))
        code, said = isolated(partial(command, "run", config, output), seconds=300)
        if code:
            raise RuntimeError(said)
    for name in ("apply a file", "apply elsewhere"):
        place = folder / name.replace(" ", "_")
        shutil.copytree(setting.reference, place)
        code, said = isolated(partial(command, name, setting.config, place), seconds=300)
        if code:
            raise RuntimeError(said)
    return setting


def warm(setting: Setting, folder: Path) -> None:
    """Run every command once in this process, so that those forked from it need not load what they use."""
    for name in COMMANDS:
        shutil.rmtree(folder / "warm", ignore_errors=True)
        shutil.copytree(setting.reference, folder / "warm")
        command(name, setting.config, folder / "warm")


def command(name: str, config: Path, output: Path) -> tuple[int, str]:
    """Run one of `COMMANDS` in this process; return its exit code and what was said, a traceback included.

    Figures are not drawn, which takes longest: each is a file with its name.
    """
    plots.save = _undrawn
    common = [str(config), "--quiet", "--jobs", "1", "--output"]
    arguments = {
        "status": ["status", str(output)],
        "apply a file": ["apply", *common, str(output), "--files", str(config.with_name("zee_0.root"))],
        "apply elsewhere": ["apply", *common, str(output / "elsewhere"), "--cascade", str(output / "cascade")],
    }.get(name, [name, *common, str(output)])
    result = CliRunner().invoke(main, arguments)
    said = result.output
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        import traceback

        said += "".join(traceback.format_exception(result.exception))
    return result.exit_code, said


def _undrawn(figure: Figure, path: Path | str) -> tuple[Path, Path]:
    from cascadebdt.atomic import write_text

    path = Path(path)
    png, pdf = (path.with_name(f"{path.name}.{suffix}") for suffix in ("png", "pdf"))
    return write_text(png, path.name), write_text(pdf, path.name)


def products(folder: Path) -> list[str]:
    """Return the names of all files in a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def tamper(setting: Setting, output: Path, rng: np.random.Generator, kind: str) -> str:
    """Alter one product of a copy of the reference; return its name."""
    names = products(setting.reference)
    name = "manifest.json" if kind == "manifest" else str(rng.choice(names))
    if kind in ("JSON", "forged"):
        name = str(rng.choice([other for other in names if other.endswith(".json") and other != "manifest.json"]))
        if rng.integers(4) == 0:
            name = "cascade/cascade.json"
    path = output / name
    if kind in ("JSON", "manifest", "forged"):
        _change_json(path, rng)
        if kind == "forged":
            _forge(output, name)
    elif kind in ("missing", "folder", "link"):
        _remove(path, kind)
    elif kind == "exchanged":
        _exchange(path, output / str(rng.choice([other for other in names if Path(other).suffix == path.suffix])))
    elif kind == "other run":
        _take(path, setting.other / name)
    else:
        path.write_bytes(_spoiled(path.read_bytes(), rng, kind))
    return name


def _spoiled(raw: bytes, rng: np.random.Generator, kind: str) -> bytes:
    if kind == "bytes":
        return mutants.damaged(raw, rng, str(rng.choice(mutants.FAULTS)))
    return raw[: int(rng.integers(len(raw)))] if kind == "cut" else CONTENTS[int(rng.integers(len(CONTENTS)))]


def _remove(path: Path, kind: str) -> None:
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(path.with_name("nowhere"))


def _exchange(path: Path, other: Path) -> None:
    content, of_other = path.read_bytes(), other.read_bytes()
    path.write_bytes(of_other)
    other.write_bytes(content)


def _take(path: Path, other: Path) -> None:
    """Put the product of another folder in the place of this one."""
    path.unlink()
    if other.is_file():
        shutil.copy(other, path)


def _change_json(path: Path, rng: np.random.Generator) -> None:
    content = json.loads(path.read_text())
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        if content:
            content = trees.changed(content, rng, VALUES)
    path.write_bytes(json.dumps(content, indent=2).encode("utf-8", "surrogatepass"))


def _forge(output: Path, name: str) -> None:
    """Write the hash of an altered product into the manifest, as only somebody who wants to be believed would."""
    path = output / "manifest.json"
    content = json.loads(path.read_text())
    if name in content["products"]:
        content["products"][name]["sha256"] = hashlib.sha256((output / name).read_bytes()).hexdigest()
        del content["sha256"]
        content["sha256"] = digest(content)
        path.write_text(json.dumps(content, indent=2) + "\n")


def outcome(setting: Setting, folder: Path, rng: np.random.Generator, kind: str, what: str) -> tuple[str, str]:
    """Alter a product and run a command over it.

    Returns
    -------
    what became of it, `mutants.OUTCOMES` or ``forged`` (an answer from a product whose hash was forged, too), and what
    was done and said
    """
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    shutil.copytree(setting.reference, output)
    name = tamper(setting, output, rng, kind)
    was = b"".join((output / name).read_bytes() for _ in range((output / name).is_file()))
    done = f"{kind} {name}, {what}"
    try:
        code, said = isolated(lambda: command(what, setting.config, output), seconds=PATIENCE)
    except TimeoutError:
        return "hang", done
    except RuntimeError as error:
        return "traceback", f"{done}\n{error}"
    if code:
        is_right = code in (2, 75) and is_sentence(said)
        return ("sentence" if is_right else "traceback"), f"{done}\n{code} {said}"
    wrong = _unseen(setting, name, was, said) if what == "status" else different(setting, output, what)
    if not wrong:
        return "same", done
    return ("forged" if kind == "forged" else "wrong"), f"{done}\n{wrong}"


def _unseen(setting: Setting, name: str, now: bytes, said: str) -> list[str]:
    """Return the altered product if `status` calls it current."""
    is_altered = now != (setting.reference / name).read_bytes()
    is_current = re.search(rf"^current \S+ +{re.escape(name)}$", said, re.MULTILINE) is not None
    return [name] if is_altered and is_current else []


def different(setting: Setting, output: Path, what: str) -> list[str]:
    """Return the products of a command that are not those of an undisturbed run."""
    reference = setting.reference
    if what in ("apply a file", "apply elsewhere"):
        below = "applied" if what == "apply a file" else "elsewhere"
        reference, output = setting.reference.parent / what.replace(" ", "_") / below, output / below
    names = set(products(reference))
    if what in ("apply", "fit", "report"):
        manifest = json.loads((reference / "manifest.json").read_text())
        names = {name for name, made in manifest["products"].items() if made["step"] == what}
    elif what == "run":
        names |= set(products(output))
    return sorted(name for name in names if differs(reference, output, name))


def differs(reference: Path, output: Path, name: str) -> bool:
    """Return whether a product is not that of an undisturbed run."""
    return bool(_content(reference, name) != _content(output, name))


def is_sentence(said: str) -> bool:
    """Return whether what a command said is one sentence."""
    return said.startswith("cascadebdt: ") and mutants.is_sentence(said.strip())


def _content(folder: Path, name: str) -> Any:
    path = folder / name
    if not path.is_file():
        return None
    if name == "report.html":  # which does not know yet what the run that made it has used
        return re.sub(r"<br>[^<]*wall time[^<]*memory", "", path.read_text())
    if name not in VOLATILE:
        return path.read_bytes()
    content: Mapping[str, Any] = json.loads(path.read_text())
    return {key: value for key, value in content.items() if key not in VOLATILE[name]}
