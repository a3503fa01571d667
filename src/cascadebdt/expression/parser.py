"""Text -> checked tree. Nothing of the text is ever executed: only what this module understands gets through."""

import ast
import math
import warnings
from collections.abc import Callable, Collection
from functools import reduce
from typing import Any

from cascadebdt.errors import ConfigError, did_you_mean
from cascadebdt.expression import functions
from cascadebdt.expression.functions import Particle
from cascadebdt.expression.registry import callable_names, registered
from cascadebdt.expression.spelling import Text
from cascadebdt.expression.tree import Call, Node, Number, Reduce, Value, depth, spaces

COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Mod: "%",
    ast.Pow: "**",
}
EITHER: dict[type[ast.operator], tuple[str, str]] = {  # of conditions, of the bits of numbers
    ast.BitAnd: ("and", "bit_and"),
    ast.BitOr: ("or", "bit_or"),
}
SHIFTS: dict[type[ast.operator], str] = {ast.LShift: "shift_left", ast.RShift: "shift_right"}
UNARY: dict[type[ast.unaryop], str] = {ast.USub: "negative", ast.Not: "not", ast.Invert: "not"}
MAX_DEPTH = 100


def parse(text: str, *, path: str, objects: Collection[str] = ()) -> Node:
    """Check an expression and return its tree, which has one value per event (or per candidate, for its own fields).

    Parameters
    ----------
    text : the expression, in Python's or ROOT's spelling
    path : its place in the configuration, with which every error starts
    objects : names of the objects it may use; all other names are left to the caller to check

    Raises
    ------
    ConfigError
        If it cannot be parsed, uses anything outside the language, or is ragged.
    """
    source = Text(text, path)
    too_deep = ConfigError(f"{path}: '{source.original[:24]}...' is nested too deeply")
    try:
        tree = _Translator(source, objects).scalar(_python_tree(source))
    except (MemoryError, RecursionError):
        raise too_deep from None
    if depth(tree) > MAX_DEPTH:
        raise too_deep
    return tree


def _python_tree(source: Text) -> ast.expr:
    """Parse the Python spelling."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return ast.parse(source.python, mode="eval").body
    except SyntaxError as error:
        raise source.unparsable_python(
            error.msg.rstrip("."), error.offset - 1 if error.offset else len(source.python)
        ) from None


class _Translator:
    """Translates Python's syntax tree into ours, node by node."""

    def __init__(self, source: Text, objects: Collection[str]) -> None:
        self.source = source
        self.objects = objects
        self.translators: dict[type[ast.expr], Callable[[Any], Node]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Subscript: self._subscript,
            ast.UnaryOp: self._unary,
            ast.BinOp: self._binary,
            ast.BoolOp: self._logic,
            ast.Compare: self._comparison,
            ast.IfExp: self._choice,
            ast.Call: self._call,
        }

    def scalar(self, node: ast.expr) -> Node:
        """Translate a node that must not be ragged."""
        tree = self.translate(node)
        for name in spaces(tree):
            cure = f"; reduce it ({', '.join(functions.REDUCTIONS)}) or take one candidate, {name}[0]"
            raise self._wrong(f"one value per '{name}' where one per event is needed", node, cure)
        return tree

    def translate(self, node: ast.expr) -> Node:
        """Translate any node."""
        translator = self.translators.get(type(node))
        if translator is None:
            raise self._forbidden(node, f"{type(node).__name__} is not part of the language")
        return translator(node)

    def _wrong(self, what: str, node: ast.expr, cure: str = "") -> ConfigError:
        return self.source.wrong(what, node.col_offset, node.end_col_offset or node.col_offset + 1, cure)

    def _forbidden(self, node: ast.expr, why: str) -> ConfigError:
        return self.source.unparsable_python(why, node.col_offset)

    def _combine(self, function: str, arguments: list[Node], node: ast.expr) -> Node:
        """Apply a function element by element."""
        tree = Call(function, tuple(arguments))
        ragged = sorted(spaces(tree))
        if len(ragged) > 1:
            raise self._wrong(f"cannot combine each '{ragged[0]}' with each '{ragged[1]}'", node)
        return tree

    def _constant(self, node: ast.Constant) -> Node:
        if not isinstance(node.value, bool | int | float) or not math.isfinite(_as_float(node.value)):
            raise self._forbidden(node, "expected a finite number")
        return Number(float(node.value))

    def _name(self, node: ast.Name) -> Node:
        if node.id in self.objects:
            raise self._wrong("an object is not a number", node, f"; use count({node.id}) or a field, {node.id}[0].pt")
        return Value(node.id)

    def _subscript(self, node: ast.Subscript) -> Node:
        particle = self._indexed(node)
        if particle.object in self.objects:
            raise self._wrong("an object is not a number", node, f"; use a field, {particle.object}[0].pt")
        return Value(particle.object, particle.index)

    def _attribute(self, node: ast.Attribute) -> Node:
        if node.attr.startswith("_"):
            raise self._forbidden(node, f"'{node.attr}' is not part of the language")
        branch = self._dotted(node)
        return Value(branch) if branch else self._particle(node.value, whole=node).field(node.attr)

    def _dotted(self, node: ast.expr) -> str | None:
        """Return the name of a branch with dots; None if it begins with an object, or is no name."""
        if isinstance(node, ast.Attribute):
            before = self._dotted(node.value)
            return f"{before}.{node.attr}" if before else None
        return node.id if isinstance(node, ast.Name) and node.id not in self.objects else None

    def _indexed(self, node: ast.expr) -> Particle:
        """Translate ``name`` or ``name[index]``, whatever it names."""
        whole, index = (node.value, node.slice) if isinstance(node, ast.Subscript) else (node, None)
        name = whole.id if isinstance(whole, ast.Name) else self._dotted(whole)
        if name is None:
            raise self._forbidden(node, "expected a name or name[index]")
        if index is None:
            return Particle(name, None)
        if not isinstance(index, ast.Constant) or type(index.value) is not int or index.value >= 2**31:
            raise self._forbidden(index, "an index is a whole number from 0")
        return Particle(name, index.value)

    def _particle(self, node: ast.expr, *, whole: ast.expr) -> Particle:
        """Translate a candidate of an object; `whole` is what an error shows."""
        if not isinstance(node, ast.Name | ast.Subscript):
            raise self._wrong("expected a candidate such as photon[0]", whole)
        particle = self._indexed(node)
        if particle.object not in self.objects:
            cure = did_you_mean(particle.object, self.objects) if self.objects else "; no objects can be used here"
            raise self._wrong(f"unknown object '{particle.object}'", whole, cure)
        return particle

    def _unary(self, node: ast.UnaryOp) -> Node:
        operand = self.translate(node.operand)
        if isinstance(node.op, ast.UAdd):
            return operand
        is_written = isinstance(node.op, ast.Invert) and self.source.character(node.col_offset) == "~"
        if is_written and not functions.is_condition(operand):
            return self._bits("bit_not", [operand], node)
        return Call(UNARY[type(node.op)], (operand,))

    def _binary(self, node: ast.BinOp) -> Node:
        operands = [self.translate(node.left), self.translate(node.right)]
        kind = type(node.op)
        if kind in EITHER:
            logic, bits = EITHER[kind]
            are_conditions = [functions.is_condition(operand) for operand in operands]
            if any(are_conditions) and not all(are_conditions):
                cure = f"; put comparisons in parentheses, or use '{logic}'"
                raise self._wrong("'&' and '|' combine two conditions, or the bits of two numbers", node, cure)
            return self._combine(logic, operands, node) if all(are_conditions) else self._bits(bits, operands, node)
        if kind in SHIFTS:
            return self._bits(SHIFTS[kind], operands, node)
        if kind not in BINARY:
            raise self._forbidden(node, f"the operator {kind.__name__} is not part of the language")
        return self._combine(BINARY[kind], operands, node)

    def _bits(self, function: str, operands: list[Node], node: ast.expr) -> Node:
        """Apply a function to the bits of numbers."""
        for operand in operands:
            if functions.is_condition(operand) or (isinstance(operand, Number) and not operand.value.is_integer()):
                raise self._wrong("bits are those of whole numbers", node)
        return self._combine(function, operands, node)

    def _require_enclosed(self, operand: ast.expr) -> None:
        """Require parentheses around bits that are compared: C++ compares first, Python takes the bits first."""
        is_bits = isinstance(operand, ast.BinOp) and type(operand.op) in EITHER
        if is_bits and not self.source.is_enclosed(operand.col_offset, operand.end_col_offset or 0):
            what = "'&' and '|' beside a comparison mean one thing in C++ and another in Python"
            raise self._wrong(what, operand, "; put comparisons in parentheses, or the bits, (flags & 4) == 4")

    def _logic(self, node: ast.BoolOp) -> Node:
        name = "and" if isinstance(node.op, ast.And) else "or"
        return reduce(lambda left, right: self._combine(name, [left, right], node), map(self.translate, node.values))

    def _comparison(self, node: ast.Compare) -> Node:
        for operand in (node.left, *node.comparators):
            self._require_enclosed(operand)
        operands = [self.translate(operand) for operand in (node.left, *node.comparators)]
        links = []
        for operator, left, right in zip(node.ops, operands, operands[1:], strict=False):
            if type(operator) not in COMPARISONS:
                raise self._forbidden(node, f"the operator {type(operator).__name__} is not part of the language")
            links.append(self._combine(COMPARISONS[type(operator)], [left, right], node))
        return reduce(lambda left, right: self._combine("and", [left, right], node), links)

    def _choice(self, node: ast.IfExp) -> Node:
        return self._combine("where", [self.translate(part) for part in (node.test, node.body, node.orelse)], node)

    def _call(self, node: ast.Call) -> Node:
        if not isinstance(node.func, ast.Name):
            raise self._forbidden(node, "only functions can be called")
        if node.keywords:
            raise self._forbidden(node, "arguments have no names")
        name = functions.ALIASES.get(node.func.id, node.func.id)
        known = callable_names()
        if name not in known:
            raise self._wrong(f"unknown function '{name}'", node, did_you_mean(name, known))
        if name in functions.SHAPES:
            return self._shape(name, node)
        if name in functions.REDUCTIONS and (len(node.args) == 1 or name not in functions.ARITY):
            return self._reduction(name, node)
        if name in functions.PHYSICS and (name != "delta_phi" or self._is_particle(node.args[:1])):
            return self._physics(name, node)
        return self._elementwise(name, node)

    def _expect(self, name: str, node: ast.Call, n: int) -> None:
        """Check the number of arguments."""
        if len(node.args) != n:
            raise self._wrong(f"{name}() takes {n} argument{'s' * (n != 1)}, got {len(node.args)},", node)

    def _is_particle(self, nodes: list[ast.expr]) -> bool:
        """Return whether all of `nodes` are candidates of known objects."""
        names = [node.value if isinstance(node, ast.Subscript) else node for node in nodes]
        return all(isinstance(name, ast.Name) and name.id in self.objects for name in names)

    def _elementwise(self, name: str, node: ast.Call) -> Node:
        if name in ("min", "max") and len(node.args) > 1:
            arguments = map(self.translate, node.args)
            return reduce(lambda left, right: self._combine(name, [left, right], node), arguments)
        own = registered().get(name)
        self._expect(name, node, own.arity if own else functions.ARITY[name])
        if name == "xor":
            return self._bits(name, [self.translate(argument) for argument in node.args], node)
        if name == "pi":
            return Number(math.pi)
        return self._combine(name, [self.translate(argument) for argument in node.args], node)

    def _shape(self, name: str, node: ast.Call) -> Node:
        """Translate a function of all candidates of one object."""
        self._expect(name, node, 1)
        particle = self._particle(node.args[0], whole=node)
        if particle.index is not None:
            raise self._wrong(f"{name}() takes a whole object", node, f"; use {name}({particle.object})")
        return functions.SHAPES[name](particle.object)

    def _physics(self, name: str, node: ast.Call) -> Node:
        if name in ("delta_phi", "delta_r"):
            self._expect(name, node, 2)
        elif not node.args:
            raise self._wrong(f"{name}() takes one or more candidates, got none,", node)
        particles = [self._particle(argument, whole=node) for argument in node.args]
        ragged = sorted({particle.object for particle in particles if particle.index is None})
        if len(ragged) > 1:
            raise self._wrong(f"cannot combine each '{ragged[0]}' with each '{ragged[1]}'", node)
        return functions.PHYSICS[name](particles)

    def _reduction(self, name: str, node: ast.Call) -> Node:
        self._expect(name, node, 1)
        (argument,) = node.args
        if name == "count" and isinstance(argument, ast.Name):
            return Reduce("count", self._particle(argument, whole=node).object, Number(1.0))
        tree = self.translate(argument)
        for space in spaces(tree):
            return Reduce(name, space, tree)
        cure = f"; {name}() takes one value per candidate, such as {next(iter(self.objects), 'jet')}.pt > 30"
        raise self._wrong("nothing to reduce", node, cure)


def _as_float(value: float) -> float:
    """Return the value as a float, infinite if it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf
