"""A part of the campaign in ``benchmarks/faults``: a right number or one sentence from any file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mutants

N_MUTANTS = 40  # of a kind
PROTECTED = [("TTree", codec) for codec in ("zlib", "lzma", "lz4")] + [("RNTuple", codec) for codec in mutants.CODECS]


def outcomes(folder: Path, write: Any, codec: str, **sample: Any) -> list[str]:
    """Return what is not right among the outcomes of mutants of a file."""
    path = write(folder / "mutant.root", codec)
    original = path.read_bytes()
    config = mutants.configuration(path)
    if sample:
        changed = config.samples[0].model_copy(update=sample)
        config = config.model_copy(update={"samples": (changed, *config.samples[1:])})
    expected = mutants.read(config)
    found = []
    for index in range(N_MUTANTS):
        fault = mutants.FAULTS[index % len(mutants.FAULTS)]
        path.write_bytes(mutants.damaged(original, np.random.default_rng([7, index]), fault))
        outcome, message = mutants.outcome(lambda: mutants.read(config), expected)
        if outcome not in ("same", "sentence"):
            found.append(f"{index} {fault}: {outcome} {message}")
    return found


@pytest.mark.parametrize(("kind", "codec"), PROTECTED)
def test_a_fault_that_the_format_can_show_is_never_a_wrong_number(tmp_path: Path, kind: str, codec: str) -> None:
    write = mutants.write_tree if kind == "TTree" else mutants.write_rntuple
    assert outcomes(tmp_path, write, codec) == []


@pytest.mark.parametrize("codec", ["uncompressed", "zstd"])
def test_a_fault_that_no_format_can_show_is_no_traceback(tmp_path: Path, codec: str) -> None:
    assert [line for line in outcomes(tmp_path, mutants.write_tree, codec) if "wrong" not in line] == []


@pytest.mark.parametrize("codec", ["uncompressed", "zstd"])
def test_with_a_checksum_of_the_file_no_fault_is_a_wrong_number(tmp_path: Path, codec: str) -> None:
    from cascadebdt.ntuple import checksums

    whole = mutants.write_tree(tmp_path / "whole.root", codec).read_bytes()

    def same(path: Path, _: str) -> Path:
        path.write_bytes(whole)
        return path

    checksum = checksums.of_file(str(tmp_path / "whole.root"), "adler32")
    path = str(tmp_path / "mutant.root")
    assert outcomes(tmp_path, same, codec, checksum={path: checksum}) == []
