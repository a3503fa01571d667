"""Where every product of a run lies, and how JSON products are written and read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from cascadebdt.atomic import write_text
from cascadebdt.errors import InputError
from cascadebdt.records import Json, read_json


class Result(Protocol):
    """What can be a JSON product."""

    def to_json(self) -> Json:
        """Return plain JSON."""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the result that `to_json` wrote."""


R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Products:
    """The products of a run below one directory."""

    directory: Path

    @property
    def cascade(self) -> Path:
        """Folder of the trained cascade."""
        return self.directory / "cascade"

    @property
    def selected(self) -> Path:
        """The selected events while a step needs them, where they do not stay in memory."""
        return self.directory / "selected"

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
    def toys(self) -> Path:
        """Folder of finished pseudo-experiments, from which the same fit goes on."""
        return self.directory / "toys"

    @property
    def report(self) -> Path:
        """The HTML page."""
        return self.directory / "report.html"

    def of_train(self) -> list[Path]:
        """Return the products of training that are there."""
        return sorted([self.cascade / "cascade.json", *self.cascade.glob("*/fold_*.ubj")])

    def of_apply(self) -> list[Path]:
        """Return the products of filling the regions that are there."""
        return self._present("cutflow", "yields", "migration", "histograms", "inputs", "corrections")

    def of_fit(self) -> list[Path]:
        """Return the products of the fit that are there."""
        names = (
            "workspace",
            "treatment",
            "lint",
            "fit",
            "limits",
            "ranking",
            "scan",
            "breakdown",
            "contours",
            "toys",
            "summary",
        )
        return self._present(*names, "workspace_validation", "validation", "predictions")

    def _present(self, *names: str) -> list[Path]:
        return [self.json(name) for name in names if self.has(name)]

    def json(self, name: str) -> Path:
        """Return the path of a JSON product, such as ``yields``."""
        return self.directory / f"{name}.json"

    def write(self, name: str, result: Result) -> Path:
        """Write a result as a JSON product."""
        return write_text(self.json(name), json.dumps(result.to_json(), indent=2) + "\n")

    def has(self, name: str) -> bool:
        """Whether a JSON product is there."""
        return self.json(name).is_file()

    def discard(self, *names: str) -> None:
        """Remove JSON products of an earlier configuration, if they are there."""
        for name in names:
            self.json(name).unlink(missing_ok=True)

    def read(self, kind: type[R], name: str, *, made_by: str) -> R:
        """Read a JSON product as a result of a type.

        Raises
        ------
        InputError
            If it is missing or damaged; the message names the command that makes it.
        """
        path = self.json(name)
        try:
            return kind.from_json(read_json(path))
        except FileNotFoundError:
            raise InputError(f"{path}: no such product; make it with 'cascadebdt {made_by}'") from None
        except ValueError as error:
            raise InputError(f"{path}: not valid JSON ({error}); make it again: 'cascadebdt {made_by}'") from None
        except InputError as error:
            raise InputError(f"{path}: {error}; make it again: 'cascadebdt {made_by}'") from None
