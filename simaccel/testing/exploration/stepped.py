"""Turns the statements of code into steps of a run, without any change in the source of that code.

As long as an exploration lasts, the functions of the given modules and classes run other code. It is compiled from
their source, with a call of the run added before each statement, and before each operand of `and` and `or` except the
first. Calls that would block are replaced too, see `simaccel.testing.exploration.step_hook`.

We don't use sys.settrace, because a greenlet can't be switched inside a trace function. So other code is not slowed
down, and it works the same on every version of Python.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import hotpath
from simaccel.testing.exploration.errors import ModelError
from simaccel.testing.exploration.step_hook import StepHook

if TYPE_CHECKING:
    from simaccel.testing.exploration.run import Run

HOOK = "__simaccel_step__"
SHOWN = 34
"""How many characters of a statement a label shows."""


@contextmanager
def stepped(targets: Iterable[object], cell: list[Run | None]) -> Iterator[None]:
    """Inside the `with`, every statement of the targets' functions is a step of the run in cell[0], if there is one.

    A target is a module (its functions and classes), a class or a function. Raises ModelError if one has no source.
    """
    functions = [function for target in targets for function in _functions(target)]
    replaced: list[tuple[FunctionType, CodeType]] = []

    hook = StepHook(cell)
    spaces = {id(function.__globals__): function.__globals__ for function in functions}
    former = {key: space.get(HOOK) for key, space in spaces.items()}
    try:
        for space in spaces.values():
            space[HOOK] = hook
        for function in functions:
            original = function.__code__
            function.__code__ = _with_steps(original)
            replaced.append((function, original))
        yield
    finally:
        for function, original in reversed(replaced):
            function.__code__ = original
        for key, space in spaces.items():
            if former[key] is None:
                space.pop(HOOK, None)
            else:  # an exploration inside of another one
                space[HOOK] = former[key]


def _functions(target: object) -> Iterator[FunctionType]:
    """The functions of a target that come from its own source file."""
    home = target.__name__ if isinstance(target, ModuleType) else getattr(target, "__module__", None)
    if hotpath.COMPILED and home in hotpath.MODULES:
        raise ModelError(f"step_into {target!r}: it is compiled, and has no Python: set {hotpath.VARIABLE}=1")
    if isinstance(target, FunctionType):
        yield target
    elif isinstance(target, (ModuleType, type)):
        for value in list(vars(target).values()):
            if isinstance(value, property):
                for accessor in (value.fget, value.fset):
                    if isinstance(accessor, FunctionType):
                        yield accessor
                continue
            value = getattr(value, "__func__", value)  # a static or class method
            if getattr(value, "__module__", None) == home and isinstance(value, (FunctionType, type)):
                if isinstance(value, FunctionType):
                    yield value
                elif isinstance(target, ModuleType):
                    yield from _functions(value)
    else:
        raise ModelError(f"step_into {target!r}: give modules, classes or functions")


@cache
def _with_steps(code: CodeType) -> CodeType:
    """The same code, with its statements as steps."""
    for candidate in _codes(_compiled(code.co_filename)):
        if (
            candidate.co_qualname == code.co_qualname
            and candidate.co_firstlineno == code.co_firstlineno
            and candidate.co_freevars == code.co_freevars
        ):
            return candidate
    raise ModelError(f"step_into {code.co_qualname}: its source, {code.co_filename}, is not what was imported")


@cache
def _compiled(filename: str) -> CodeType:
    try:
        with open(filename, encoding="utf-8") as file:
            source = file.read()
        tree = ast.parse(source, filename)
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise ModelError(f"step_into: no source to be read in {filename}: {error}") from error
    short = filename.rpartition("/")[2].removesuffix(".py")
    tree = ast.fix_missing_locations(_Steps(short, source).visit(tree))
    return compile(tree, filename, "exec", dont_inherit=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


class _Steps(ast.NodeTransformer):
    """Adds the calls to a syntax tree."""

    def __init__(self, short: str, source: str) -> None:
        self._short = short
        self._source = source.splitlines()
        self._depth = 0

    def _function(self, node: Any) -> Any:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function  # noqa: N815 - the names are ast's

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        depth, self._depth = self._depth, 0
        self.generic_visit(node)
        self._depth = depth
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if self._depth:
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                    setattr(node, name, [part for statement in block for part in self._with_call(statement)])
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        self.generic_visit(node)
        if self._depth:
            # `a and b` becomes `a and (step(), b)[1]`, because another actor may move between a and b.
            node.values[1:] = [self._after_call(value) for value in node.values[1:]]
        return node

    def visit_While(self, node: ast.While) -> Any:
        self.generic_visit(node)
        if self._depth and not isinstance(node.test, ast.Constant):
            node.test = self._after_call(node.test)  # a step each time that the condition is evaluated
        return node

    def visit_With(self, node: ast.With) -> Any:
        self.generic_visit(node)
        if self._depth:
            for item in node.items:
                item.context_expr = self._through("entered", [item.context_expr])
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        if self._depth and isinstance(node.func, ast.Attribute):
            base = node.func.value
            if node.func.attr == "acquire":
                return self._through("acquire", [node.func], node.args, node.keywords)
            if isinstance(base, ast.Name) and (base.id, node.func.attr) in (("os", "sched_yield"), ("time", "sleep")):
                return self._through("spin", [node.func], node.args)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        return node

    def _with_call(self, statement: ast.stmt) -> list[ast.stmt]:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass, ast.Nonlocal)):
            return [statement]
        if isinstance(statement, ast.While) and not isinstance(statement.test, ast.Constant):
            return [statement]
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return [statement]  # a docstring
        call = ast.copy_location(ast.Expr(self._call(statement)), statement)
        return [call, statement]

    def _after_call(self, node: ast.expr) -> ast.expr:
        return ast.Subscript(ast.Tuple([self._call(node), node], ast.Load()), ast.Constant(1), ast.Load())

    def _through(
        self, method: str, first: list[ast.expr], args: list[ast.expr] | None = None, options: Any = None
    ) -> ast.Call:
        """The syntax tree of a call of a method of the hook."""
        node = first[0]
        hook = ast.Attribute(ast.Name(HOOK, ast.Load()), method, ast.Load())
        label = ast.Constant(self._label(node))
        return ast.copy_location(ast.Call(hook, [*first, label, *(args or [])], options or []), node)

    def _call(self, node: Any) -> ast.Call:
        label = ast.Constant(self._label(node))
        return ast.copy_location(ast.Call(ast.Name(HOOK, ast.Load()), [label], []), node)

    def _label(self, node: Any) -> str:
        text = self._source[node.lineno - 1][node.col_offset :] if node.lineno == node.end_lineno else ""
        text = (text[: node.end_col_offset - node.col_offset] or self._source[node.lineno - 1]).strip()
        if len(text) > SHOWN:
            text = text[: SHOWN - 1] + "…"
        return f"{self._short}:{node.lineno} {text}"
