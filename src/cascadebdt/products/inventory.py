"""What the manifest says of the products: from what each was made, and what it holds.

The manifest is written after the products, in one piece. A product whose content is not the one recorded, because
something was killed between two writes or somebody changed a file, is therefore noticed, and never used. The manifest
has a hash of itself: what it tells of input files, warnings and blindness cannot be made again from the products.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cascadebdt.atomic import write_text
from cascadebdt.errors import InputError
from cascadebdt.ntuple.fingerprints import Fingerprint
from cascadebdt.products.keys import Origin, digest
from cascadebdt.records import read_json

MANIFEST = "manifest.json"
HASH = "sha256"  # of everything else in the manifest


@dataclass(frozen=True)
class Made:
    """A product: the step that made it, the key of what it was made from, and the SHA-256 of its bytes."""

    step: str
    key: str
    sha256: str


@dataclass(frozen=True)
class Inventory:
    """The products of a folder.

    Attributes
    ----------
    folder : of the products
    steps : step -> what its products were made from
    products : path in the folder -> what is known of it
    inputs : location -> fingerprint of an input file when it was last looked at
    about : everything else the manifest tells
    """

    folder: Path
    steps: Mapping[str, Origin] = field(default_factory=dict)
    products: Mapping[str, Made] = field(default_factory=dict)
    inputs: Mapping[str, Fingerprint] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Inventory":
        """Return the inventory of a folder, an empty one if there is no manifest.

        Raises
        ------
        InputError
            If the manifest cannot be understood, or is not what was written.
        """
        path = folder / MANIFEST
        try:
            content = read_json(path)
            if content.pop(HASH, None) != digest(content):
                raise ValueError("it was altered since it was written")
            steps, products, inputs = (content.pop(name, {}) for name in ("steps", "products", "inputs"))
            return cls(
                folder,
                {name: Origin.from_json(name, origin) for name, origin in steps.items()},
                {name: Made(**made) for name, made in products.items()},
                {name: Fingerprint(**found) for name, found in inputs.items()},
                content,
            )
        except FileNotFoundError:
            return cls(folder)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path}: not the manifest of a run ({error}); remove it and run the analysis again"
            ) from None

    @property
    def elsewhere(self) -> dict[str, str]:
        """Name -> key of what `apply` took from another folder, such as a cascade that was trained there."""
        applied = self.steps.get("apply")
        return {name: key for name, key in applied.inputs.items() if name != "train"} if applied else {}

    def write(self) -> None:
        """Write the manifest."""
        content = {
            **self.about,
            "inputs": {name: asdict(found) for name, found in sorted(self.inputs.items())},
            "steps": {name: origin.to_json() for name, origin in self.steps.items()},
            "products": {name: asdict(made) for name, made in sorted(self.products.items())},
        }
        write_text(self.folder / MANIFEST, json.dumps({**content, HASH: digest(content)}, indent=2) + "\n")

    def with_step(self, origin: Origin, paths: Iterable[Path], *, keys: Mapping[str, str] | None = None) -> "Inventory":
        """Return the inventory after a step has made its products, which replace those it made before.

        Parameters
        ----------
        origin : what the products were made from
        paths : of the products
        keys : path in the folder -> key, of products made from less than the others, such as the models of a stage
        """
        made = {}
        for path in paths:
            name = path.relative_to(self.folder).as_posix()
            made[name] = Made(origin.step, (keys or {}).get(name, origin.key), sha256(path))
        others = {name: product for name, product in self.products.items() if product.step != origin.step}
        return replace(self, steps={**self.steps, origin.step: origin}, products={**others, **made})

    def fault(self, origin: Origin) -> str | None:
        """Return why the products of a step cannot be used, in words; None if they can.

        Parameters
        ----------
        origin : what they would be made from now
        """
        if change := self.change(origin):
            return change
        names = [name for name, made in self.products.items() if made.step == origin.step]
        return next((fault for name in names if (fault := self.alteration(name))), None)

    def change(self, origin: Origin) -> str | None:
        """Return in words what has changed since a step was done; None if nothing has."""
        earlier = self.steps.get(origin.step)
        if earlier is None:
            return f"'{origin.step}' has not been done"
        change = origin.change_since(earlier)
        return f"{change} since '{origin.step}'" if change else None

    def alteration(self, name: str) -> str | None:
        """Return in words how a product differs from what was written; None if it does not."""
        try:
            found = sha256(self.folder / name)
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        return None if found == self.products[name].sha256 else f"{name} was altered or only half written"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
