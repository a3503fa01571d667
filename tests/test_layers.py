"""A module imports only from the modules above it in this list."""

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "cascadebdt"

# Top to bottom; names on one line do not import each other.
LAYERS = [
    ["errors", "arrays", "progress", "resources", "atomic"],
    ["records"],
    ["config"],
    ["kernels"],
    ["expression"],
    ["ntuple"],
    ["features"],
    ["events"],
    ["forest"],
    ["cascade"],
    ["training"],
    ["estimators"],
    ["histograms"],
    ["corrections"],
    ["workspace"],
    ["inference"],
    ["interchange"],
    ["plots"],
    ["products"],
    ["report"],
    ["simulation"],
    ["pipeline"],
    ["scaleout"],
    ["studies"],
    ["_api"],
    ["cli"],
    ["__main__"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
STANDS_APART = {"simulation": {"kernels", "errors", "arrays", "atomic"}}


def layer(module: str) -> str:
    """Return the entry of LAYERS that `module` (``a.b.c`` inside the package) belongs to, empty if none."""
    return next((name for name in (module, module.split(".")[0]) if name in RANK), "")


def imports(tree: ast.AST, module: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("cascadebdt.") for name in found if name.startswith("cascadebdt.")}


def upward_imports(source: Path) -> list[str]:
    wrong = []
    for path in sorted(source.rglob("*.py")):
        module = ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        if module == "__init__":
            continue
        here = layer(module)
        assert here, f"{module} is in no layer"
        for name in imports(ast.parse(path.read_text()), module):
            there = layer(name)
            allowed = STANDS_APART.get(here)
            if not there:
                wrong.append(f"{module} imports {name}, which is in no layer")
            elif there != here and (RANK[there] >= RANK[here] or (allowed is not None and there not in allowed)):
                wrong.append(f"{module} imports {name}")
    return wrong


def test_modules_import_only_from_layers_above() -> None:
    assert upward_imports(SOURCE) == []


def test_a_planted_upward_import_is_found(tmp_path: Path) -> None:
    (tmp_path / "arrays.py").write_text("from cascadebdt.config import Config\n")
    assert upward_imports(tmp_path) == ["arrays imports config.Config"]


def test_a_name_of_the_root_package_is_no_module(tmp_path: Path) -> None:
    (tmp_path / "cli.py").write_text("from cascadebdt import Cascade\n")
    assert upward_imports(tmp_path) == ["cli imports Cascade, which is in no layer"]
