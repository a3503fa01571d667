"""Mutation testing: change the source in one place, run the tests of its room, count the changes that no test notices.

    python benchmarks/mutation.py histograms --sample 80 --seed 1
    python benchmarks/mutation.py forest/trees.py forest/tables.py --keyword "not depth"

The operators are those of `replacements`. Code that Numba compiles is left out (kernels are tested against NumPy,
compiled and not), and so are docstrings, annotations, messages and logging. The tests import a copy of the package in a
temporary folder: the working tree is never changed. One line is printed per surviving mutant, and a summary.
"""

import argparse
import ast
import copy
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "cascadebdt"
COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
COMPILED = ("kernel", "step", "intrinsic")  # decorators of what Numba compiles
SKIPPED_CALLS = ("logger", "warnings")
UNTOUCHED_FIELDS = ("annotation", "returns", "decorator_list", "exc", "msg", "bases")
MINIMUM_TIMEOUT_S = 30.0
LIBRARIES = (
    "awkward",
    "hist",
    "hypothesis",
    "numba",
    "numpy",
    "pyhf",
    "pytest",
    "scipy.optimize",
    "sklearn",
    "uproot",
    "xgboost",
)


@dataclass(frozen=True)
class Mutant:
    """One change of one module."""

    path: Path
    line: int
    operator: str
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        """Return place and change in a line."""
        return f"{self.path.relative_to(PACKAGE)}:{self.line}: {self.operator}: {self.before}  ->  {self.after}"


def replacements(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield the operator and the replacement of every mutation of a node itself."""
    yield from _of_operator(node)
    yield from _of_statement(node)


def _of_operator(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            yield "comparison", ast.Compare(node.left, [COMPARISONS[type(operator)]()], node.comparators)
        case ast.BinOp(op=operator) if type(operator) in ARITHMETIC and not _is_text(node.left):
            yield "arithmetic", ast.BinOp(node.left, ARITHMETIC[type(operator)](), node.right)
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert()):
            yield "sign or negation", node.operand
        case ast.BoolOp(op=ast.And()):
            yield "boolean", ast.BoolOp(ast.Or(), node.values)
        case ast.BoolOp(op=ast.Or()):
            yield "boolean", ast.BoolOp(ast.And(), node.values)
        case ast.Constant(value=bool() as value):
            yield "constant", ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield "constant", ast.Constant(value + 1)


def _of_statement(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.IfExp():
            yield "condition", ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        case ast.If():
            yield "condition", ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Raise() | ast.Continue():
            yield "removed statement", ast.Pass()
        case ast.Return(value=ast.expr()) if not _is_none(node.value):
            yield "returned constant", ast.Return(ast.Constant(None))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_none(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_skipped(node: ast.AST) -> bool:
    """Return whether nothing below a node is mutated."""
    match node:
        case ast.FunctionDef(decorator_list=decorators):
            return any(name in ast.unparse(decorator) for decorator in decorators for name in COMPILED)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            return name in SKIPPED_CALLS
        case ast.Expr(value=ast.Call() as call):
            return _is_skipped(call)
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom() | ast.JoinedStr():
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
    return False


def places(
    tree: ast.AST, path: tuple[tuple[str, int | None], ...] = ()
) -> Iterator[tuple[tuple[str, int | None], ...]]:
    """Yield the path, field by field, to every node that may be mutated."""
    for field, value in ast.iter_fields(tree):
        if field in UNTOUCHED_FIELDS:
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not _is_skipped(child):
                here = (*path, (field, index))
                yield here
                yield from places(child, here)


def mutants(module: Path) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    tree = ast.parse(module.read_text())
    for path in places(tree):
        node = _at(tree, path)
        for operator, replacement in replacements(node):
            changed = copy.deepcopy(tree)
            parent = _at(changed, path[:-1])
            field, index = path[-1]
            if index is None:
                setattr(parent, field, replacement)
            else:
                getattr(parent, field)[index] = replacement
            before, after = (
                ast.unparse(ast.fix_missing_locations(item)).split("\n")[0] for item in (node, replacement)
            )
            line = getattr(node, "lineno", 0)
            yield Mutant(module, line, operator, before, after, ast.unparse(ast.fix_missing_locations(changed)))


def _at(tree: ast.AST, path: tuple[tuple[str, int | None], ...]) -> ast.AST:
    node: ast.AST = tree
    for field, index in path:
        value = getattr(node, field)
        node = value if index is None else value[index]
    return node


def run_tests(source: Path, tests: list[str], timeout_s: int) -> bool:
    """Return whether the tests pass with the package in `source`; tests that do not end in time fail.

    They run in a fork of this process, which has imported the libraries, but nothing of the package.
    """
    pid = os.fork()
    if pid == 0:
        signal.alarm(timeout_s)  # its default action ends the process
        sys.path.insert(0, str(source))
        os.environ["PYTHONPATH"] = str(source)
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        # Plugins of pytest that are imported already cannot be rewritten, which is a warning and so an error.
        options = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        os._exit(int(pytest.main([*options, *tests])))
    _, status = os.waitpid(pid, 0)
    return status == 0


def survives(mutant: Mutant, tests: list[str], timeout_s: int) -> bool:
    """Return whether the tests pass with the mutant in the place of its module."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(PACKAGE, source / "cascadebdt")  # with the compiled files, which stay valid
        (source / "cascadebdt" / mutant.path.relative_to(PACKAGE)).write_text(mutant.source)
        return run_tests(source, tests, timeout_s)


def main() -> None:
    """Mutate a sample of the places of a room, and print the survivors and the kill rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("room", nargs="+", help="folders of the package, or modules in them")
    parser.add_argument("--tests", nargs="+", help="arguments of pytest [tests/ROOM]")
    parser.add_argument("--keyword", default="", help="of the tests, the option -k of pytest")
    parser.add_argument("--sample", type=int, default=80, help="mutants to try [80]; 0 for all")
    parser.add_argument("--seed", type=int, default=1, help="of the sample [1]")
    parser.add_argument("--again", type=Path, help="file of survivors as printed: try these alone")
    options = parser.parse_args()
    for library in LIBRARIES:
        importlib.import_module(library)
    paths = [PACKAGE / room for room in options.room]
    modules = [module for path in paths for module in (sorted(path.glob("*.py")) if path.is_dir() else [path])]
    tests = options.tests or sorted({f"tests/{room.split('/')[0]}" for room in options.room})
    tests = [f"-k={options.keyword}", *tests]
    population = [mutant for module in modules for mutant in mutants(module)]
    size = min(options.sample or len(population), len(population))
    sample = random.Random(options.seed).sample(population, size)
    if options.again:
        known = options.again.read_text().splitlines()
        sample = [mutant for mutant in population if str(mutant) in known]
    start = time.perf_counter()
    if not run_tests(PACKAGE.parent, tests, 3600):
        sys.exit("the tests fail without any mutation")
    timeout_s = round(max(MINIMUM_TIMEOUT_S, 3 * (time.perf_counter() - start)))
    killed = 0
    for mutant in sample:
        if survives(mutant, tests, timeout_s):
            print(mutant, flush=True)
        else:
            killed += 1
    print(
        f"{' '.join(options.room)}: {len(population)} mutants, {len(sample)} tried with seed {options.seed}, "
        f"{killed} killed ({killed / len(sample):.0%}) in {time.perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
