"""Where every product of a run lies, and how JSON products are written and read."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hist
import uhi.io.json

from cascadebdt.atomic import write_text
from cascadebdt.errors import InputError
from cascadebdt.histograms.yields import Histogram, Yields


@dataclass(frozen=True)
class Products:
    """The products of a run below one directory."""

    directory: Path

    @property
    def cascade(self) -> Path:
        """Folder of the trained cascade."""
        return self.directory / "cascade"

    @property
    def training(self) -> Path:
        """The features of the events that train, where they do not stay in memory."""
        return self.directory / "training.root"

    @property
    def applied(self) -> "Products":
        """Products of `apply` to chosen files."""
        return Products(self.directory / "applied")

    def scores(self, sample: str) -> Path:
        """Return the path of the scores of a sample."""
        return self.directory / "scores" / f"{sample}.root"

    @property
    def plots(self) -> Path:
        """Folder of the figures."""
        return self.directory / "plots"

    @property
    def report(self) -> Path:
        """The HTML page."""
        return self.directory / "report.html"

    def replace_figures(self, paths: Sequence[Path]) -> None:
        """Take note of the figures drawn, and remove those drawn before and not now, unless somebody changed them."""
        before = self.read("figures", made_by="report") if self.has("figures") else {}
        now = {path.name: _digest(path) for path in paths}
        for name in before.keys() - now.keys():
            path = self.plots / name
            if path.is_file() and _digest(path) == before[name]:
                path.unlink()
        self.write("figures", now)

    def json(self, name: str) -> Path:
        """Return the path of a JSON product, such as ``yields``."""
        return self.directory / f"{name}.json"

    def write(self, name: str, content: Any) -> Path:
        """Write a JSON product."""
        return write_text(self.json(name), json.dumps(content, indent=2, default=uhi.io.json.default) + "\n")

    def has(self, name: str) -> bool:
        """Whether a JSON product is there."""
        return self.json(name).is_file()

    def discard(self, *names: str) -> None:
        """Remove JSON products of an earlier configuration, if they are there."""
        for name in names:
            self.json(name).unlink(missing_ok=True)

    def read(self, name: str, *, made_by: str) -> Any:
        """Read a JSON product.

        Raises
        ------
        InputError
            If it is missing or damaged; the message names the command that makes it.
        """
        try:
            return json.loads(self.json(name).read_text(), object_hook=uhi.io.json.object_hook)
        except FileNotFoundError:
            raise InputError(f"{self.json(name)}: no such product; make it with 'cascadebdt {made_by}'") from None
        except ValueError as error:
            raise InputError(
                f"{self.json(name)}: not valid JSON ({error}); make it again: 'cascadebdt {made_by}'"
            ) from None

    def write_histograms(self, yields: Yields, scores: Mapping[str, Histogram]) -> Path:
        """Write the regions' and the stages' histograms."""
        return self.write("histograms", {"regions": yields, "scores": dict(scores)})

    def read_histograms(self) -> tuple[Yields, dict[str, Histogram]]:
        """Read the regions' and the stages' histograms."""
        content = self.read("histograms", made_by="apply")
        regions, scores = (
            {name: hist.Hist(histogram) for name, histogram in content[part].items()} for part in ("regions", "scores")
        )
        return regions, scores


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
