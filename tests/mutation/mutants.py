"""Small changes to a source file, one at a time: `mutants_of`. What survives its tests shows what no test holds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

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
    """One change of a file."""

    text: str
    """The whole file with the change, without its comments."""
    code: CodeType
    """The same compiled, with the line numbers of the file without the change."""
    line: int
    what: str
    statement: int
    """The line where the statement begins that has to run for the change to show."""


def mutants_of(source: str, path: str = "<mutant>") -> list[Mutant]:
    """All mutants of a file, in the order of its lines. Annotations, docstrings and constants of modules stay."""
    found = []
    tree = ast.parse(source)
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node, statement in _inside(function):
                for what, changed in _change(node):
                    text, code = ast.unparse(tree), compile(tree, path, "exec")
                    at = changed.lineno if changed is not None else statement
                    line = at if changed is not None else getattr(node, "lineno", statement)
                    found.append(Mutant(text, code, line, what, at))
    return sorted(found, key=lambda mutant: mutant.line)


def functions_in(code: CodeType) -> Iterator[CodeType]:
    """The code of all functions of a module's code, also of those inside of others."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from functions_in(constant)


def _inside(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[ast.AST, int]]:
    """What runs in this function and not in one inside it, and the line where its statement begins."""
    waiting: list[tuple[ast.AST, int]] = [(node, node.lineno) for node in function.body]
    while waiting:
        node, statement = waiting.pop()
        yield node, statement
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for child in ast.iter_child_nodes(node):
                waiting.append((child, child.lineno if isinstance(child, ast.stmt) else statement))
    yield function, function.lineno


def _change(node: ast.AST) -> Iterator[tuple[str, ast.stmt | None]]:
    """Change the tree at this node, and change it back; once for each way. Yields what was done.

    And, if one of the statements inside of the node is left out, that statement.
    """
    match node:
        case ast.Compare(ops=[op]) if type(op) in _COMPARED:
            node.ops = [_COMPARED[type(op)]()]
            yield f"{type(op).__name__} is {type(node.ops[0]).__name__}", None
            node.ops = [op]
        case ast.BoolOp(op=op):
            node.op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield f"{type(op).__name__} is {type(node.op).__name__}", None
            node.op = op
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _COUNTED:
            node.op = _COUNTED[type(op)]()
            yield f"{type(op).__name__} is {type(node.op).__name__}", None
            node.op = op
        case ast.Constant(value=bool() as value):
            node.value = not value
            yield f"{value} is {not value}", None
            node.value = value
        case ast.Constant(value=int() as value):
            node.value = value + 1
            yield f"{value} is {value + 1}", None
            node.value = value
        case ast.ExceptHandler(type=ast.expr() as kind):
            node.type = ast.copy_location(ast.Name("ZeroDivisionError", ast.Load()), kind)
            yield f"except {ast.unparse(kind)} catches nothing", None
            node.type = kind
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if isinstance(statements, list):
            for index, statement in enumerate(statements):
                text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
                if isinstance(statement, _DROPPED) and not text:
                    never = ast.If(ast.Constant(False), [statement], [])  # keeps the function's variables as they are
                    statements[index] = ast.fix_missing_locations(ast.copy_location(never, statement))
                    yield f"without `{ast.unparse(statement).splitlines()[0]}`", statement
                    statements[index] = statement
