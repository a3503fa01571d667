"""The text of an expression: ROOT's spelling turned into Python's, and errors that mark the place in the original.

``&&``, ``||``, ``TMath::Abs`` and ``std::abs`` become ``and``, ``or`` and ``abs``. ``!`` becomes ``~``, which binds as
tightly in Python as ``!`` does in C++; a ``~`` in the original is the complement of the bits of a number.
"""

import re

from cascadebdt.errors import ConfigError

TOKEN = re.compile(
    r"""(?P<scoped> (?:TMath|std)::[A-Za-z]\w* ) | (?P<word> [A-Za-z_]\w* )
      | (?P<number> \d+\.?\d* (?:[eE][+-]?\d+)? | \.\d+ (?:[eE][+-]?\d+)? )
      | (?P<operator> && | \|\| | << | >> | [!=<>]= | \*\* | // | [-+*/%<>!&|~()\[\],.:] )
      | (?P<space> \s+ ) | (?P<other> . )""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
PYTHON = {"&&": " and ", "||": " or ", "!": "~", "true": "True", "false": "False"}
CURES = {
    "^": "; use ** for powers, xor(a, b) for bits",
    "?": "; use 'a if condition else b'",
    "=": "; use == to compare",
    "'": "; text has no place in an expression",
    '"': "; text has no place in an expression",
    "//": "; use floor(a / b)",
}


class Text:
    """An expression as it was written (`original`) and in Python's spelling (`python`).

    Parameters
    ----------
    original : the expression; `path` : its place in the configuration, with which every error starts

    Raises
    ------
    ConfigError
        If it is empty or contains a character that no expression can contain.
    """

    def __init__(self, original: str, path: str) -> None:
        self.original = " ".join(original.split())
        self.path = path
        self.python = ""
        self._start: list[int] = []
        self._stop: list[int] = []
        for match in TOKEN.finditer(self.original):
            self._append(match)
        if not self.original:
            raise ConfigError(f"{path}: the expression is empty")

    def _append(self, match: re.Match[str]) -> None:
        """Append one token, remembering where it came from."""
        token = match[0]
        if match.lastgroup == "other" or token == "//":
            raise self.unparsable("invalid syntax", match.start(), CURES.get(token, ""))
        python = token.rpartition(":")[2].lower() if match.lastgroup == "scoped" else PYTHON.get(token, token)
        self.python += python
        same = python == token
        self._start += range(match.start(), match.end()) if same else [match.start()] * len(python)
        self._stop += range(match.start() + 1, match.end() + 1) if same else [match.end()] * len(python)

    def character(self, position: int) -> str:
        """Return what is written at a position of the Python spelling."""
        return self.original[self._start[position]]

    def is_enclosed(self, start: int, stop: int) -> bool:
        """Return whether `start` to `stop` of the Python spelling stand in parentheses of their own."""
        return self.python[:start].rstrip().endswith("(") and self.python[stop:].lstrip().startswith(")")

    def unparsable(self, why: str, position: int, cure: str = "") -> ConfigError:
        """Return the error for what is wrong at `position` of the original."""
        rest = self.original[position : position + 24].rstrip()
        place = f"at column {position + 1}, " + (f"near '>>>{rest}'" if rest else "its end")
        return ConfigError(f"{self.path}: cannot parse '{self.original}': {why} {place}{cure}")

    def unparsable_python(self, why: str, position: int) -> ConfigError:
        """Return the error for what is wrong at `position` of the Python spelling."""
        return self.unparsable(why, self._start[position] if position < len(self._start) else len(self.original))

    def wrong(self, what: str, start: int, stop: int, cure: str = "") -> ConfigError:
        """Return the error for what is well written, but wrong, at `start` to `stop` of the Python spelling."""
        piece = self.original[self._start[start] : self._stop[stop - 1]]
        return ConfigError(f"{self.path}: {what} in '{piece}'{cure}")
