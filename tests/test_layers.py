"""A module imports only from the modules above it in this list."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "cascadebdt"

# Top to bottom; names on one line do not import each other.
LAYERS = [
    ["errors"],
    ["arrays"],
    ["kernels.jit"],
    ["kernels"],
    ["expression"],
    ["config"],
    ["ntuple"],
    ["features"],
    ["events"],
    ["selection"],
    ["cascade"],
    ["systematics"],
    ["yields"],
    ["workspace"],
    ["inference"],
    ["diagnostics"],
    ["store"],
    ["plots"],
    ["report"],
    ["simulation"],
    ["pipeline"],
    ["cli"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
STANDS_APART = {"simulation": {"kernels", "kernels.jit", "errors", "arrays"}}


def layer(module: str) -> str:
    """Return the entry of LAYERS that `module` (``a.b.c`` inside the package) belongs to."""
    return next(
        (name for name in (module, module.split(".")[0]) if name in RANK),
        f"{module} (not in LAYERS)",
    )


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
        for name in imports(ast.parse(path.read_text()), module):
            there = layer(name)
            allowed = STANDS_APART.get(here)
            if there != here and (RANK[there] >= RANK[here] or (allowed is not None and there not in allowed)):
                wrong.append(f"{module} imports {name}")
    return wrong


def test_modules_import_only_from_layers_above() -> None:
    assert upward_imports(SOURCE) == []


def test_a_planted_upward_import_is_found(tmp_path: Path) -> None:
    (tmp_path / "arrays.py").write_text("from cascadebdt.config import Config\n")
    assert upward_imports(tmp_path) == ["arrays imports config.Config"]


def test_the_root_package_is_never_imported_from_inside() -> None:
    for path in set(SOURCE.rglob("*.py")) - {SOURCE / "__init__.py"}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "cascadebdt":
                pytest.fail(f"{path.name} imports the root package")
