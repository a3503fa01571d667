"""Universal Binary JSON, as far as XGBoost writes it: typed arrays become NumPy arrays that share its memory.

Specification: https://ubjson.org. Numbers are big-endian; keys and strings have a length in front.
"""

import struct
from typing import Any

import numpy as np

NUMBERS = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
DTYPES = {kind: np.dtype(code.replace("b", "i1").replace("B", "u1")) for kind, code in NUMBERS.items()}
STRUCTS = {kind: struct.Struct(code) for kind, code in NUMBERS.items()}
CONSTANTS = {"Z": None, "T": True, "F": False}


def parse(raw: bytes) -> Any:
    """Return the content of a UBJSON document: dictionaries, lists, strings, numbers, and arrays of one type.

    Raises
    ------
    ValueError
        If it is not one document from the first byte to the last.
    """
    decoder = _Decoder(raw)
    try:
        content = decoder.value()
    except (IndexError, KeyError, struct.error, RecursionError) as error:
        raise ValueError(f"not UBJSON at byte {decoder.at} of {len(raw)}") from error
    if decoder.at != len(raw):
        raise ValueError(f"UBJSON ends at byte {decoder.at}, but there are {len(raw)}")
    return content


class _Decoder:
    """Decodes one value after the other."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    def marker(self) -> str:
        self.at += 1
        return chr(self.raw[self.at - 1])

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self.raw) - self.at:
            raise ValueError(f"not UBJSON: {size} bytes at byte {self.at} of {len(self.raw)}")
        self.at += size
        return self.raw[self.at - size : self.at]

    def number(self, kind: str) -> Any:
        code = STRUCTS[kind]
        self.at += code.size
        return code.unpack_from(self.raw, self.at - code.size)[0]

    def text(self) -> str:
        return self.take(self.number(self.marker())).decode()

    def value(self) -> Any:
        kind = self.marker()
        if kind == "{":
            return self.mapping()
        if kind == "[":
            return self.array()
        if kind == "S":
            return self.text()
        return CONSTANTS[kind] if kind in CONSTANTS else self.number(kind)

    def mapping(self) -> dict[str, Any]:
        content = {}
        while self.raw[self.at] != ord("}"):
            name = self.text()
            content[name] = self.value()
        self.at += 1
        return content

    def array(self) -> Any:
        kind = self.marker() if self.raw[self.at] in b"$#" else ""
        if kind == "$":
            dtype = DTYPES[self.marker()]
            self.at += 1  # the '#' of the size
            return np.frombuffer(self.take(self.number(self.marker()) * dtype.itemsize), dtype)
        if kind == "#":
            return [self.value() for _ in range(self.number(self.marker()))]
        content = []
        while self.raw[self.at] != ord("]"):
            content.append(self.value())
        self.at += 1
        return content
