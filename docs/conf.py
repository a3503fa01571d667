"""How Sphinx builds the documentation: ``nox -s site``."""

import re
import shutil
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

project = "cascadebdt"
author = "The cascadebdt developers"
copyright = author
version = release = installed("cascadebdt")

HERE = Path(__file__).parent
shutil.copytree(HERE.parent / "notebooks", HERE / "_notebooks", dirs_exist_ok=True)

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
nb_execution_mode = "off"  # the tests run the notebooks
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath", "colon_fence"]
# Links to files of the repository, which are no pages, are for readers of the repository.
suppress_warnings = ["myst.xref_missing"]

templates_path = ["_templates"]
autosummary_generate = True
autodoc_typehints = "none"  # in signatures already
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "pydata_sphinx_theme"
html_title = f"cascadebdt {version}"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
copybutton_exclude = ".linenos, .gp, .go"


def _separate(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put what a docstring says of a parameter below its name: types are in signatures, and not repeated."""
    lines[:] = [part for line in lines for part in re.sub(r"^(\w[\w, ]*) : (.+)$", r"\1\n    \2", line).split("\n")]


def _skip(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what scikit-learn adds to every estimator."""
    return True if name.endswith("_request") else None


def setup(app: Any) -> None:
    """Change docstrings before they are understood."""
    app.connect("autodoc-process-docstring", _separate, priority=400)
    app.connect("autodoc-skip-member", _skip)
