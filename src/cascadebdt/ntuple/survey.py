"""What a file holds, without a configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from cascadebdt.arrays import AnyArray
from cascadebdt.config import NtupleConfig
from cascadebdt.ntuple.access import is_rntuple, of_any, opened, tree_in, trees_in
from cascadebdt.ntuple.files import own_names

N_PEEKED = 5000  # entries, enough to see what a branch holds


@dataclass(frozen=True)
class TreeSurvey:
    """One tree: its kind, number of entries and branches (name -> type)."""

    name: str
    kind: str
    entries: int
    branches: Mapping[str, str]


@dataclass(frozen=True)
class Survey:
    """A file: how it is compressed, the trees in it, and what it is the first of.

    Attributes
    ----------
    names : of the files of its sample, as a configuration has them; its own location if there are none
    n_files : how many these are
    """

    location: str
    compression: str
    trees: tuple[TreeSurvey, ...]
    names: tuple[str, ...] = ()
    n_files: int = 1


def survey(location: str) -> Survey:
    """Open a file and return what is in it.

    Raises
    ------
    FileError
        If it cannot be read as a ROOT file.
    """
    return of_any(location, _survey, NtupleConfig())


def _survey(location: str) -> Survey:
    with opened(location) as file:
        trees = tuple(_tree(file[name], name) for name in trees_in(file))
        compression = file.file.compression
        return Survey(location, str(compression) if compression else "none", trees)


def _tree(tree: Any, name: str) -> TreeSurvey:
    kinds = {own: str(tree[own].typename or "records") for own in own_names(tree)}
    if not is_rntuple(tree):
        return TreeSurvey(name, "TTree", int(tree.num_entries), kinds)
    # Fields of records by the names that expressions may use for them, too: Photon_pt for Photon.pt.
    types = {own.replace(".", "_"): f"{kind}[]" if "." in own else kind for own, kind in kinds.items()}
    return TreeSurvey(name, "RNTuple", int(tree.num_entries), types)


def peek(location: str, tree: str, names: Sequence[str], *, entries: int = N_PEEKED) -> dict[str, AnyArray]:
    """Return the numbers in the first entries of some branches, ``(n,)``; names that the tree lacks are left out.

    Those in lists follow each other.
    """
    return of_any(location, lambda one: _peek(one, tree, names, entries), NtupleConfig())


def _peek(location: str, tree: str, names: Sequence[str], entries: int) -> dict[str, AnyArray]:
    with opened(location) as file:
        source = tree_in(file, location, tree)
        known = [name for name in names if name in own_names(source)]
        if not known:
            return {}
        arrays = source.arrays(known, entry_stop=entries, library="ak")
        return {
            name: np.asarray(ak.to_numpy(ak.flatten(arrays[name], axis=None), allow_missing=False)) for name in known
        }
