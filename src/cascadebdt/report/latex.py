"""HTML tables of a page -> the same tables in LaTeX."""

import re
from html.parser import HTMLParser

SPECIAL = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "Δ": r"$\Delta$",
    "χ": r"$\chi$",
    "Σ": r"$\Sigma$",
    "σ": r"$\sigma$",
    "μ": r"$\mu$",
    "²": "$^2$",
    "⁻": "$^-$",
    "¹": "$^1$",
    "<": "$<$",
    ">": "$>$",
}


def table(html: str) -> str:
    r"""Return a table as LaTeX, with the rules of ``booktabs``.

    Examples
    --------
    >>> print(table("<table><tr><th>Process</th><th>Events</th></tr><tr><td>W+jets</td><td>12 ± 3</td></tr></table>"))
    \begin{tabular}{lr}
    \toprule
    Process & Events \\
    \midrule
    W+jets & 12 $\pm$ 3 \\
    \bottomrule
    \end{tabular}
    """
    parser = _Rows()
    parser.feed(html)
    n_columns = max((len(row) for row, _ in parser.rows), default=0)
    lines = [f"\\begin{{tabular}}{{l{'r' * (n_columns - 1)}}}", r"\toprule"]
    for number, (cells, is_heading) in enumerate(parser.rows):
        if is_heading and number:
            lines.append(r"\midrule")
        lines.append(" & ".join(map(_escaped, cells)) + r" \\")
        if is_heading:
            lines.append(r"\midrule")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


class _Rows(HTMLParser):
    """The rows of a table: texts of the cells, and whether they are headings."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[list[str], bool]] = []
        self._is_in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append(([], False))
        if tag in ("th", "td"):
            self._is_in_cell = True
            self.rows[-1][0].append("")
            if tag == "th":
                self.rows[-1] = (self.rows[-1][0], True)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td"):
            self._is_in_cell = False

    def handle_data(self, data: str) -> None:
        if self._is_in_cell:
            self.rows[-1][0][-1] += data


def _escaped(text: str) -> str:
    plain = re.sub(r"\s+", " ", text).strip()
    return "".join(SPECIAL.get(character, character) for character in plain)
