"""Small wrong changes of a module's source, each of which some test should notice."""

from __future__ import annotations

import ast
import copy
import difflib
from collections.abc import Iterator
from dataclasses import dataclass

_BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OTHER_CALL = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """A module's source with one change: in which line (from 1), of what kind, and the whole text."""

    line: int
    kind: str
    source: str

    def diff(self, original: str) -> str:
        """The lines that changed, as `diff` shows them."""
        lines = difflib.unified_diff(original.splitlines(), self.source.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))


def mutants_of(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines. Docstrings, annotations and texts stay."""
    for node in _mutable(ast.parse(source)):
        for kind, changed in _changes(node):
            mutant = Mutant(node.lineno, kind, _replaced(source, node, changed))
            if mutant.source != source:
                yield mutant


def _mutable(tree: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Expressions and statements, but for those in annotations, decorators and formatted texts."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "bases", "keywords") and isinstance(tree, ast.stmt):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr | ast.Import | ast.ImportFrom):
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child
            yield from _mutable(child)


def _changes(node: ast.expr | ast.stmt) -> Iterator[tuple[str, str]]:
    """Each change of one node: its kind, and the code in its place."""
    match node:
        case ast.Compare():
            for table, kind in ((_BOUNDARY, "boundary"), (_OPPOSITE, "opposite")):
                yield from _changed_operators(node, table, kind)
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "and/or", f"({ast.unparse(ast.BoolOp(other, node.values))})"
        case ast.UnaryOp(op=ast.Not()):
            yield "not", f"({ast.unparse(node.operand)})"
        case ast.Constant(value=bool()):
            yield "constant", str(not node.value)
        case ast.Constant(value=int(number)):
            yield "constant + 1", str(number + 1)
            yield "constant - 1", f"({number - 1})"
        case ast.BinOp(op=ast.Add() | ast.Sub()) if not _is_text(node):
            other_sign = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            yield "sign", f"({ast.unparse(ast.BinOp(node.left, other_sign, node.right))})"
        case ast.IfExp():
            yield "branches", f"({ast.unparse(ast.IfExp(node.test, node.orelse, node.body))})"
        case ast.Call():
            yield from _changed_calls(node)
        case ast.Raise() | ast.AugAssign():
            yield "removed", "pass"
        case ast.Return(value=ast.expr()):
            yield "removed", "pass"
        case _:
            return


def _changed_operators(
    node: ast.Compare, table: dict[type[ast.cmpop], type[ast.cmpop]], kind: str
) -> Iterator[tuple[str, str]]:
    for position, operator in enumerate(node.ops):
        if type(operator) in table:
            changed = copy.deepcopy(node)
            changed.ops[position] = table[type(operator)]()
            yield kind, f"({ast.unparse(changed)})"


def _changed_calls(node: ast.Call) -> Iterator[tuple[str, str]]:
    if isinstance(node.func, ast.Name) and node.func.id in _OTHER_CALL:
        changed = ast.Call(ast.Name(_OTHER_CALL[node.func.id]), node.args, node.keywords)
        yield "other call", ast.unparse(changed)
    if isinstance(node.func, ast.Name) and node.func.id in ("min", "max"):
        return
    first, *others = [*node.args, None]
    second = others[0] if others else None
    if first is not None and second is not None and ast.unparse(first) != ast.unparse(second):
        yield "swapped", ast.unparse(ast.Call(node.func, [second, first, *node.args[2:]], node.keywords))


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(isinstance(side, ast.JoinedStr) or isinstance(getattr(side, "value", None), str) for side in sides)


def _replaced(source: str, node: ast.expr | ast.stmt, changed: str) -> str:
    """The source with other code in the place of a node."""
    lines = source.encode().splitlines(keepends=True)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    before = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    after = lines[node.end_lineno - 1][node.end_col_offset :] + b"".join(lines[node.end_lineno :])
    return (before + changed.encode() + after).decode()
