"""Which test reaches which statement, and how long each takes: a mutant is tried with the tests that reach it."""

from __future__ import annotations

import ast
import ctypes
import gc
import mmap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from tests.mutation.mutants import functions_in

_STARTS_A_PROGRAM = {"subprocess.Popen", "os.posix_spawn", "os.exec"}


@dataclass(frozen=True, slots=True)
class Reached:
    """What one test has reached."""

    lines: dict[str, frozenset[int]]
    """By file: the lines of the statements that ran, in this process and in its forks."""
    programs: bool
    """Whether it started a program: there anything may run."""
    seconds: float

    def reaches(self, name: str, line: int) -> bool:
        """Whether a change of that statement may show in this test."""
        return self.programs or line in self.lines[name]


def put_in(module: ModuleType, changed: CodeType) -> None:
    """Give the functions of the module, as they stand in memory, the code that they have in `changed`."""
    new = {(code.co_qualname, code.co_firstlineno): code for code in functions_in(changed)}
    found = False
    for function in [one for one in gc.get_objects() if type(one) is FunctionType]:
        if function.__code__.co_filename == module.__file__:
            code = new.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
            if code is not None:
                function.__code__ = code
                found = True
    if not found:
        raise RuntimeError(f"no function of {module.__file__} was found in memory: nothing was changed")


class Reach:
    """Notes which statements of some modules run. The notes are in memory that forks share."""

    def __init__(self, modules: dict[str, ModuleType]) -> None:
        """`modules` by the name of their file. They keep their marks for the life of the process."""
        self._notes: dict[str, mmap.mmap] = {}
        self._programs = False
        for name, module in modules.items():
            assert module.__file__ is not None
            with open(module.__file__) as file:
                source = file.read()
            lines = source.count("\n") + 2
            notes = self._notes[name] = mmap.mmap(-1, lines)
            fields = [(f"line_{line}", ctypes.c_ubyte) for line in range(lines)]
            layout: Any = type("Notes", (ctypes.Structure,), {"_fields_": fields})
            module.__dict__["_reached"] = layout.from_buffer(notes)
            put_in(module, compile(_Marks().visit(ast.parse(source)), module.__file__, "exec"))

    def hear(self, event: str, _: object) -> None:
        """For sys.addaudithook, so that it hears of programs that are started."""
        if event in _STARTS_A_PROGRAM:
            self._programs = True

    @contextmanager
    def of_a_test(self) -> Iterator[list[Reached]]:
        """Afterwards the list has what was reached."""
        for notes in self._notes.values():
            notes[:] = bytes(len(notes))
        self._programs = False
        found: list[Reached] = []
        begun = time.perf_counter()
        yield found
        seconds = time.perf_counter() - begun
        lines = {
            name: frozenset(line for line, ran in enumerate(notes[:]) if ran) for name, notes in self._notes.items()
        }
        found.append(Reached(lines, self._programs, seconds))


class _Marks(ast.NodeTransformer):
    """Puts a mark before each statement of each function: `_reached.line_7 = 1`.

    It is no call, and nothing in it can fail: so it is no new place for the tests that raise an exception at each.
    """

    def __init__(self) -> None:
        self._in_function = False

    def generic_visit(self, node: ast.AST) -> ast.AST:
        outside = self._in_function
        self._in_function = outside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if isinstance(node, ast.ClassDef):
            self._in_function = False
        super().generic_visit(node)
        if self._in_function:
            for field in ("body", "orelse", "finalbody"):
                statements = getattr(node, field, None)
                if isinstance(statements, list):
                    setattr(node, field, [one for statement in statements for one in _marked(statement)])
        self._in_function = outside
        return node


def _marked(statement: ast.stmt) -> Iterator[ast.stmt]:
    docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    if not docstring:
        mark = ast.parse(f"_reached.line_{statement.lineno} = 1").body[0]
        for node in ast.walk(mark):
            ast.copy_location(node, statement)
        yield mark
    yield statement
