"""Small changes to a source file, one at a time: `mutants_of`. What survives its tests shows what no test holds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_COUNTED: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add}
_DROPPED = (ast.Assign, ast.AugAssign, ast.Expr, ast.Delete, ast.Raise)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: the file's whole text with it, and what it is."""

    text: str
    line: int
    what: str


def mutants_of(source: str) -> list[Mutant]:
    """All mutants of a file, in the order of its lines. Annotations, docstrings and constants of modules stay."""
    found = []
    tree = ast.parse(source)
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in _inside(function):
                for what in _change(node):
                    found.append(Mutant(ast.unparse(tree), getattr(node, "lineno", function.lineno), what))
    return sorted(found, key=lambda mutant: mutant.line)


def _inside(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """What runs in this function and not in one inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)
    yield function


def _change(node: ast.AST) -> Iterator[str]:
    """Change the tree at this node, yield what was done, and change it back; once for each way."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in _COMPARED:
            node.ops = [_COMPARED[type(op)]()]
            yield f"{type(op).__name__} is {type(node.ops[0]).__name__}"
            node.ops = [op]
        case ast.BoolOp(op=op):
            node.op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield f"{type(op).__name__} is {type(node.op).__name__}"
            node.op = op
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _COUNTED:
            node.op = _COUNTED[type(op)]()
            yield f"{type(op).__name__} is {type(node.op).__name__}"
            node.op = op
        case ast.Constant(value=bool() as value):
            node.value = not value
            yield f"{value} is {not value}"
            node.value = value
        case ast.Constant(value=int() as value):
            node.value = value + 1
            yield f"{value} is {value + 1}"
            node.value = value
        case ast.ExceptHandler(type=ast.expr() as kind):
            node.type = ast.Name("ZeroDivisionError", ast.Load())
            yield f"except {ast.unparse(kind)} catches nothing"
            node.type = kind
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if isinstance(statements, list):
            for index, statement in enumerate(statements):
                text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
                if isinstance(statement, _DROPPED) and not text:
                    statements[index] = ast.copy_location(ast.Pass(), statement)
                    yield f"without `{ast.unparse(statement).splitlines()[0]}` ({statement.lineno})"
                    statements[index] = statement
