"""Draw ``scoring.svg``, the picture of ``scoring.md``: ``python docs/scoring.py``."""

from pathlib import Path

BLUE, RED, GREY, TEXT = "#4c72b0", "#c44e52", "#d9d9d9", "#222222"
VALUES = ["31.5", "52.0", "NaN", "44.9", "80.2", "20.1", "47.0", "63.3"]
LOW = [0, 2, 0, 1, 3, 0, 2, 3]
HIGH = [0, 2, 255, 1, 3, 0, 2, 3]
DECISIONS = [[0, 1, 0, 0, 1, 0, 1, 1], [0, 0, 1, 0, 0, 0, 1, 0], [1, 1, 0, 0, 1, 1, 0, 1]]


def text(x: float, y: float, content: str, size: int = 13, anchor: str = "start") -> str:
    """Return a line of text."""
    return f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="{TEXT}">{content}</text>'


def row(x: float, y: float, cells: list[str], colours: list[str], width: int = 46) -> str:
    """Return a row of cells."""
    parts = []
    for i, (cell, colour) in enumerate(zip(cells, colours, strict=True)):
        parts.append(
            f'<rect x="{x + i * width}" y="{y}" width="{width}" height="24" fill="{colour}" fill-opacity="0.45" '
            f'stroke="white"/>' + text(x + (i + 0.5) * width, y + 17, cell, 12, "middle")
        )
    return "".join(parts)


def bits(x: float, y: float, name: str, decisions: list[int]) -> str:
    """Return the decisions of one node for all events of a block."""
    cells = ["right" if bit else "left" for bit in decisions]
    return text(x - 8, y + 17, name, 13, "end") + row(x, y, cells, [RED if bit else BLUE for bit in decisions])


def block() -> str:
    """Draw how one tree of depth 2 is evaluated for a block of events."""
    leaf = [2 * root + (right if root else left) for root, left, right in zip(*DECISIONS, strict=True)]
    grey = [GREY] * len(VALUES)
    return "".join(
        [
            text(20, 28, "One tree, one block of events (here 8; really 512 or 1024)", 16),
            text(132, 67, "column met", 13, "end") + row(140, 50, VALUES, grey),
            text(132, 97, "bins, NaN low", 13, "end") + row(140, 80, [str(v) for v in LOW], grey),
            text(132, 127, "bins, NaN high", 13, "end") + row(140, 110, [str(v) for v in HIGH], grey),
            text(530, 97, "cuts 40, 46, 60: a value becomes the number of cuts not above it"),
            text(530, 127, "a node reads the plane that sends NaN where it wants"),
            bits(140, 160, "node 0", DECISIONS[0]),
            bits(140, 190, "node 1", DECISIONS[1]),
            bits(140, 220, "node 2", DECISIONS[2]),
            text(530, 197, "at the top every node is asked: one byte comparison,"),
            text(530, 215, "no branch; below, only the nodes that are there"),
            text(132, 277, "leaf", 13, "end") + row(140, 260, [str(number) for number in leaf], grey),
            text(530, 277, "2 x node 0 + (node 0 ? node 2 : node 1), bit by bit"),
            text(132, 307, "margin", 13, "end") + row(140, 290, ["+ leaf"] * 8, grey),
            text(530, 307, "float32 sums in the order of the trees: XGBoost's bits"),
        ]
    )


def cascade() -> str:
    """Draw how the list of rows shrinks from stage to stage."""
    parts = [
        text(20, 365, "A block through the cascade: the rows that are alive, for each fold with its own models", 16)
    ]
    for stage, alive in enumerate((8, 4, 2, 1)):
        y = 385 + 32 * stage
        name = f"stage {stage + 1}" if stage < 3 else "signal region"
        parts.append(text(132, y + 17, name, 13, "end") + row(140, y, [""] * alive, [BLUE] * alive))
        if stage < 3:
            parts.append(row(140 + 46 * alive, y, [""] * (8 - alive), ["white"] * (8 - alive)))
    parts.append(text(530, 402, "columns are read where they lie, later on survivors only"))
    parts.append(text(530, 434, "what a stage rejects gets its region and leaves the list"))
    return "".join(parts)


if __name__ == "__main__":
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 520" font-family="sans-serif">'
    picture = f'{head}<rect width="960" height="520" fill="white"/>{block()}{cascade()}</svg>\n'
    Path(__file__).with_suffix(".svg").write_text(picture)
