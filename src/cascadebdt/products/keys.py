"""Keys: what a product was made from, as one hash, and as the values behind it so that a change can be named."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

Content: TypeAlias = Mapping[str, Any]
ABSENT = object()


@dataclass(frozen=True)
class Origin:
    """What the products of a step are made from.

    Attributes
    ----------
    step : that makes them, such as ``apply``
    format : number of the format of its products; raised when the same inputs give other content
    parts : the parts of the configuration that the step reads, the identities of files, the seed and the versions that
        can change bits: nested plain content
    inputs : step -> key, of the steps whose products it reads
    """

    step: str
    format: int
    parts: Content
    inputs: Mapping[str, str]

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that is above, in hexadecimal digits."""
        return digest({"step": self.step, "format": self.format, "parts": self.parts, "inputs": dict(self.inputs)})

    def change_since(self, earlier: "Origin") -> str | None:
        """Return in words the first value in which this origin differs from an earlier one; None if in none.

        Changes of inputs are named only where no value of this step's own has changed.
        """
        if self.format != earlier.format:
            return f"the format of '{self.step}' was {earlier.format} and is {self.format}"
        for path, before, now in differences(earlier.parts, self.parts):
            return _sentence(path, before, now)
        changed = [name for name, key in self.inputs.items() if earlier.inputs.get(name) != key]
        return f"what '{changed[0]}' made has changed" if changed else None

    def to_json(self) -> dict[str, Any]:
        """Return plain content."""
        return {"key": self.key, "format": self.format, "parts": self.parts, "inputs": dict(self.inputs)}

    @classmethod
    def from_json(cls, step: str, content: Content) -> "Origin":
        """Read what `to_json` wrote."""
        return cls(step, content["format"], content["parts"], content["inputs"])


def digest(content: Any) -> str:
    """Return the SHA-256 of plain content, independent of the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(before: Any, now: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Yield the path and both values of everything in which two contents differ; `ABSENT` where one has none."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in dict.fromkeys([*before, *now]):
            yield from differences(before.get(name, ABSENT), now.get(name, ABSENT), (*path, str(name)))
    elif before != now:
        yield path, before, now


def _sentence(path: tuple[str, ...], before: Any, now: Any) -> str:
    *parents, name = path
    what = f"{name} of {parents[-1]}" if parents else name
    if before is ABSENT:
        return f"{what} is new"
    if now is ABSENT:
        return f"{what} is gone"
    return f"{what} was {_short(before)} and is {_short(now)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
