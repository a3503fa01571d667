"""The figures of a run: which are there, so that those of an earlier configuration go."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cascadebdt.products.layout import Products
from cascadebdt.records import Table


@dataclass(frozen=True)
class Figures(Table):
    """The figures that the last report drew: ``figures.json``.

    Attributes
    ----------
    digests : file name -> SHA-256 of the content
    """

    digests: dict[str, str] = field(default_factory=dict)


def replace(products: Products, paths: Iterable[Path]) -> None:
    """Note the figures drawn, and remove those drawn before and not now, unless somebody changed them."""
    before = products.read(Figures, "figures", made_by="report") if products.has("figures") else Figures()
    now = Figures({path.name: _digest(path) for path in paths})
    for name in before.digests.keys() - now.digests.keys():
        path = products.plots / name
        if path.is_file() and _digest(path) == before.digests[name]:
            path.unlink()
    products.write("figures", now)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
