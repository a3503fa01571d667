"""Named histograms as the JSON of the Unified Histogram Interface, and back."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Self

import hist
import uhi.io.json

from cascadebdt.errors import InputError
from cascadebdt.records import Json


class Stored:
    """Base of dataclasses whose fields are named histograms."""

    def to_json(self) -> Json:
        """Return the histograms as the JSON of the Unified Histogram Interface."""
        content: Json = json.loads(json.dumps(vars(self), default=uhi.io.json.default))
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the histograms that `to_json` wrote.

        Raises
        ------
        InputError
            If they are not histograms.
        """
        parts = [field.name for field in fields(cls)]  # type: ignore[arg-type] # of the dataclasses that inherit it
        try:
            arrays = json.loads(json.dumps(content), object_hook=uhi.io.json.object_hook)
            return cls(*[{name: hist.Hist(histogram) for name, histogram in arrays[part].items()} for part in parts])
        except (LookupError, TypeError, ValueError, AttributeError) as error:  # of the libraries that build them
            raise InputError(f"not histograms ({error!r})") from None
