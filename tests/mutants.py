"""Small ROOT files of every codec, and what a fault may do to their bytes: for the tests and the campaign of faults."""

import json
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
import xxhash
from uproot.writing import _cascadentuple

import trees
from cascadebdt import features
from cascadebdt.config import Config, ObjectConfig, document, load, parse
from cascadebdt.errors import CascadeBDTError
from cascadebdt.events import Events
from cascadebdt.events.loading import select_each

CODECS: dict[str, Any] = {
    "uncompressed": None,
    "zlib": uproot.ZLIB(4),
    "lzma": uproot.LZMA(2),
    "lz4": uproot.LZ4(4),
    "zstd": uproot.ZSTD(5),
}
OUTCOMES = ("same", "sentence", "wrong", "traceback", "hang")
FAULTS = ("bits", "bytes", "zeros", "swap", "copy", "cut", "insert", "delete")


def content(n_events: int, seed: int) -> dict[str, Any]:
    """Return events of two collections and flat numbers, which every codec makes smaller."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "run": np.ones(n_events, np.uint32),
        "luminosityBlock": (np.arange(n_events) // 50).astype(np.uint32),
        "event": np.arange(n_events, dtype=np.uint64),
        "MET_pt": rng.integers(0, 64, n_events).astype(np.float32),
        "genWeight": np.ones(n_events, np.float32),
    }
    for name, mean in (("Photon", 1.0), ("Jet", 3.0)):
        counts = rng.poisson(mean, n_events)
        values = {field: rng.integers(0, 4000, counts.sum()).astype(np.float32) / 16 for field in ("pt", "eta")}
        columns[name] = ak.zip({field: ak.unflatten(of, counts) for field, of in values.items()})
    return columns


def write_tree(path: Path, codec: str, *, n_events: int = 600, seed: int = 1) -> Path:
    """Write a TTree of three blocks, and one with the sum of the weights."""
    columns = content(n_events, seed)
    third = n_events // 3
    with uproot.recreate(path, compression=CODECS[codec]) as file:
        types = {k: v.dtype if hasattr(v, "dtype") else v.type.content for k, v in columns.items()}
        tree = file.mktree("Events", types)
        for first in range(0, n_events, third):
            tree.extend({name: values[first : first + third] for name, values in columns.items()})
        file.mktree("Runs", {"genEventSumw": np.array([float(n_events)])})
    return path


def write_rntuple(path: Path, codec: str, *, n_events: int = 600, seed: int = 1, with_checksums: bool = True) -> Path:
    """Write the same events as an RNTuple, with the checksums of pages that ROOT writes by default."""
    columns = content(n_events, seed)
    third = n_events // 3
    with uproot.recreate(path, compression=CODECS[codec]) as file:
        with _checksums() if with_checksums else nullcontext():
            tree = file.mkrntuple("Events", {name: values[:0] for name, values in columns.items()})
            for first in range(0, n_events, third):
                tree.extend({name: values[first : first + third] for name, values in columns.items()})
        file.mktree("Runs", {"genEventSumw": np.array([float(n_events)])})
    return path


@contextmanager
def _checksums() -> Iterator[None]:
    """Let uproot append to each page its checksum, and say so in the page list by a negative number of elements."""
    page, compress = _cascadentuple.NTuple_PageDescription, uproot.compression.compress

    def with_checksum(data: Any, compression: Any) -> bytes:
        compressed = bytes(compress(data, compression))
        return compressed + xxhash.xxh3_64_intdigest(compressed).to_bytes(8, "little")

    def checked_page(n_elements: int, locator: Any) -> Any:
        locator.num_bytes -= 8
        return page(-n_elements, locator)

    _cascadentuple.NTuple_PageDescription = checked_page
    uproot.compression.compress = with_checksum
    try:
        yield
    finally:
        _cascadentuple.NTuple_PageDescription, uproot.compression.compress = page, compress


def damaged(original: bytes, rng: np.random.Generator, fault: str) -> bytes:
    """Return the bytes of a file after one fault.

    Parameters
    ----------
    original : the whole file
    rng : where and how much
    fault : one of `FAULTS`: bits flipped, bytes replaced, a block of zeros, two blocks exchanged, a block copied over
        another, the end cut off, bytes inserted or deleted
    """
    data = bytearray(original)
    at, other = (int(position) for position in rng.integers(0, len(data), 2))
    size = int(2 ** rng.uniform(0, 12))
    if fault == "bits":
        for position in rng.integers(0, len(data), int(rng.integers(1, 4))):
            data[position] ^= 1 << int(rng.integers(8))
    elif fault == "bytes":
        data[at : at + min(size, 64)] = rng.bytes(len(data[at : at + min(size, 64)]))
    elif fault == "zeros":
        data[at : at + size] = bytes(len(data[at : at + size]))
    elif fault == "swap":
        size = min(size, abs(at - other), len(data) - max(at, other))
        data[at : at + size], data[other : other + size] = data[other : other + size], data[at : at + size]
    elif fault == "copy":
        size = min(size, len(data) - max(at, other))
        data[at : at + size] = data[other : other + size]
    elif fault == "cut":
        del data[at:]
    elif fault == "insert":
        data[at:at] = rng.bytes(min(size, 64))
    else:
        del data[at : at + min(size, 64)]
    return bytes(data)


def configuration(path: Path, **changes: Any) -> Config:
    """Return an analysis of one file whose features use every branch."""
    collections = ("Photon", "Jet")
    features = {f"{name}_{field}": f"sum({name.lower()}.{field})" for name in collections for field in ("pt", "eta")}
    counts = {f"n_{name}": f"count({name.lower()})" for name in collections}
    leading = {"leading": "jet[0].pt", "dr": "abs(jet[0].eta - photon[0].eta)"}
    stage = {"name": "other", "against": "other", "features": ["met"], "working_point": {"threshold": 0.5}}
    sample = {"files": str(path), "cross_section_pb": 1.0}
    raw = {
        "analysis": "faults",
        "luminosity_fb": 1.0,
        "ntuples": {"sum_of_weights": "Runs:genEventSumw", "weight": "genWeight", "retries": 0},
        "samples": [{"name": name, "process": name, **sample} for name in ("signal", "other")],
        "objects": {name.lower(): {"from": name, "order": "-pt"} for name in collections},
        "features": {"met": "MET_pt", **features, **counts, **leading},
        "cascade": {"stages": [stage]},
        **changes,
    }
    return parse(raw, directory=path.parent)


def bits(events: Events) -> bytes:
    """Return everything that a selection holds, as bytes."""
    arrays = [events.event_id, *events.weights.values(), *events.columns.values()]
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def read(config: Config) -> bytes:
    """Select one sample of a configuration."""
    chunks: list[bytes] = []
    select_each(config, config.samples[:1], lambda _, events: chunks.append(bits(events)))
    return b"".join(chunks)


def outcome(action: Callable[[], bytes], expected: bytes, *, seconds: int = 20) -> tuple[str, str]:
    """Return what became of a fault, and what was said.

    Returns
    -------
    ``same``, ``sentence``, ``wrong``, ``traceback`` or ``hang``, and the message if there is one
    """

    def too_long(*_: Any) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    try:
        found = action()
    except CascadeBDTError as error:
        return ("sentence" if is_sentence(str(error)) else "traceback"), str(error)
    except TooLong:
        return "hang", ""
    except Exception:
        return "traceback", traceback.format_exc()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return ("same" if found == expected else "wrong"), ""


class TooLong(BaseException):
    """An action did not end in time."""


def is_sentence(message: str) -> bool:
    """Return whether a message is one line of bounded length."""
    return bool(message) and "\n" not in message and len(message) < 2000


VALUES = (
    *("true", "null", "-1", "0", "1e400", ".nan", "[]", "{}", "'", '"', "*a", "&a", "!!x y"),
    *("2024-01-01", "0x1f", "é", "a: b"),
)
WORDS = (
    *(
        "MET_pt",
        "met",
        "jet[0].pt",
        "jet",
        ".",
        "pt",
        "(",
        ")",
        "[",
        "]",
        "0",
        "1e9",
        "-",
        "+",
        "*",
        "/",
        "**",
        "%",
        "<",
    ),
    *("==", "and", "or", "not", "if", "else", "count", "sum", "max", "mass", "abs", ",", "&&", "||", "!", "::", "'"),
    *("\\", "lambda", "é"),
)
HOSTILE: tuple[object, ...] = (
    *(None, True, False, "", "text", -1, 0, 1, 2.5, 1e300, -1e300, float("nan"), 10**400, [], {}, [[]], [None]),
    *({"a": 1}, "<script>", "../../x", "a\nb", "x" * 300, "$_%&", "\u0000", "data", "signal", "SR", "nominal", "final"),
)
INSERTED = [0, 9, 35, 58, 123, 125, 91, 0xE9, 0x2028]  # control characters, signs of YAML, letters, a line separator


def changed_text(text: str, rng: np.random.Generator) -> str:
    """Return the text of a configuration after one to three changes."""
    lines = text.splitlines()
    for _ in range(int(rng.integers(1, 4))):
        at, other = (int(position) for position in rng.integers(0, len(lines), 2))
        line = lines[at]
        position = int(rng.integers(0, len(line) + 1))
        change = rng.integers(7)
        if change == 0:
            lines[at] = ""
        elif change == 1:
            lines.insert(other, line)
        elif change == 2:
            lines[at], lines[other] = lines[other], line
        elif change == 3:
            lines[at] = " " * int(rng.integers(1, 4)) + line
        elif change == 4:
            lines[at] = line[:position] + chr(int(rng.choice(INSERTED))) + line[position:]
        elif change == 5:
            lines[at] = line[:position]
        else:
            lines[at] = f"{line.partition(':')[0]}: {rng.choice(VALUES)}"
    return "\n".join(lines)


def changed_structure(text: str, rng: np.random.Generator) -> str:
    """Return a configuration after one to three changes of its tree: keys, lists and values of other places."""
    content = document.parse(text, file="").content
    for _ in range(int(rng.integers(1, 4))):
        if content:
            content = trees.changed(content, rng, HOSTILE)
    return json.dumps(content, indent=1)  # which is YAML, too


def load_mutant(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """Return what becomes of a configuration with faults in text or structure; one that is valid is no fault."""

    def action() -> bytes:
        change = changed_text if rng.integers(2) else changed_structure
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mutant.yaml"
            path.write_text(change(text, rng), encoding="utf-8", errors="surrogatepass")
            load(path)
        return b""

    return outcome(action, b"")


def parse_words(rng: np.random.Generator) -> tuple[str, str]:
    """Return what becomes of an expression of random words, up to its compiled kernel."""

    def action() -> bytes:
        words = rng.choice(WORDS, int(rng.integers(1, 12)))
        features.plan(
            objects={"jet": ObjectConfig.model_validate({"from": "Jet"})},
            selection=[],
            features={"x": " ".join(words)},
            weights={},
            branches=["MET_pt", "met", "Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "nJet"],
        )
        return b""

    return outcome(action, b"")
