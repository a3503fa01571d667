"""Images of ``docs/gallery.md`` from the figures of a run: ``python docs/gallery.py results/quick``."""

import re
import sys
from pathlib import Path

from PIL import Image

PAGE = Path(__file__).parent / "gallery.md"
WIDTH = 760  # pixels
COLOURS = 64  # enough for figures, and small files


def main() -> None:
    """Shrink every figure that the page shows."""
    for name in re.findall(r"\(gallery/(.*?)\.png\)", PAGE.read_text()):
        target = PAGE.parent / "gallery" / f"{name}.png"
        target.parent.mkdir(exist_ok=True)
        with Image.open(Path(sys.argv[1]) / "plots" / f"{name}.png") as image:
            image = image.convert("RGB")
            image.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
            image.quantize(COLOURS).save(target, optimize=True)


main()
