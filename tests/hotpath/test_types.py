"""The types beside the hot path name what is in the Python. Read from the sources: it needs no compiler."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import hotpath
from sim import Accelerator, VirtualClock
from tests.project.source import ROOT, tree

MODULES = [
    Path(module.replace(".", "/") + ".py")
    for module in hotpath.MODULES
    if (ROOT / (module.replace(".", "/") + ".pxd")).exists()
    and not (ROOT / (module.replace(".", "/") + ".pyx")).exists()
]


def declared(module: Path) -> dict[str, tuple[set[str], set[str]]]:
    """For each class of a `.pxd`: its attributes, and its methods."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    attributes, methods = set[str](), set[str]()
    for line in (ROOT / module.with_suffix(".pxd")).read_text().splitlines():
        if begins := re.match(r"cdef class (\w+)", line):
            attributes, methods = found.setdefault(begins[1], (set(), set()))
        elif method := re.match(r"    cpdef .*?(\w+)\(", line):
            methods.add(method[1])
        elif attribute := re.match(r"    cdef (?:public )?(?:long long|\w+) (.+)$", line):
            attributes.update(re.split(r",\s*", attribute[1].strip()))
    return found


def classes(module: Path) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in tree(module).body if isinstance(node, ast.ClassDef)}


def stored(node: ast.ClassDef) -> set[str]:
    """The attributes of itself that the methods of a class set, and those of its slots."""
    found = {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute)
        and isinstance(part.ctx, ast.Store)
        and isinstance(part.value, ast.Name)
        and part.value.id == "self"
    }
    for statement in node.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__slots__":
            found.update(ast.literal_eval(statement.value))
    return found


def bases(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base) for base in node.bases}


ALL = {name: attributes for module in MODULES for name, (attributes, _) in declared(module).items()}
NODES = {name: node for module in MODULES for name, node in classes(module).items()}


def inherited(name: str) -> set[str]:
    """The attributes of a class and of those that it is made from."""
    found = set(ALL.get(name, ()))
    for base in bases(NODES[name]) if name in NODES else ():
        found |= inherited(base)
    return found


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_each_attribute_that_is_set_has_a_type(module: Path) -> None:
    """A compiled class has no others: to set one raises AttributeError there."""
    properties = {name for node in classes(module).values() for name in _properties(node)}
    for name in declared(module):
        missing = stored(classes(module)[name]) - inherited(name) - properties
        assert not missing, f"{module.with_suffix('.pxd')}: class {name} declares no {', '.join(sorted(missing))}"


def _properties(node: ast.ClassDef) -> set[str]:
    return {part.name for part in node.body if isinstance(part, ast.FunctionDef) and part.decorator_list}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_each_method_and_attribute_that_has_a_type_is_there(module: Path) -> None:
    for name, (attributes, methods) in declared(module).items():
        node = classes(module)[name]
        there = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
        assert methods <= there, f"{module.with_suffix('.pxd')}: class {name} has no method {methods - there}"
        gone = attributes - stored(node) - {"__weakref__"}
        assert not gone, f"{module.with_suffix('.pxd')}: class {name} has no attribute {gone}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_class_declares_attributes_in_its_body(module: Path) -> None:
    """Cython takes those for attributes of C. `self.name: type` in the constructor says the same."""
    for name in declared(module):
        assert not [part for part in classes(module)[name].body if isinstance(part, ast.AnnAssign)]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_each_type_that_is_imported_is_there(module: Path) -> None:
    """Cython would say so, but where nothing is compiled nobody asks it."""
    imported = re.findall(
        r"^from ([\w.]+) cimport (.+)$", (ROOT / module.with_suffix(".pxd")).read_text(), re.MULTILINE
    )
    for home, names in imported:
        declares = (ROOT / (home.replace(".", "/") + ".pxd")).read_text()
        for name in names.split(", "):
            assert re.search(rf"^(?:cdef class {name}\b|cpdef .*\b{name}\()", declares, re.MULTILINE), (
                f"{home}: no {name}"
            )


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_what_has_a_type_is_imported_from_where_it_is_defined(module: Path) -> None:
    """`from waitctx import WaitCtx` is another name to Cython than the one of `waitctx.context`."""
    cimported = dict(re.findall(r"^from ([\w.]+) cimport (.+)$", (ROOT / module.with_suffix(".pxd")).read_text(), re.M))
    homes = {name.strip(): home for home, names in cimported.items() for name in names.split(",")}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                assert homes.get(alias.name, node.module) == node.module, f"{module}: import {alias.name} from there"


@pytest.mark.skipif(not hotpath.COMPILED, reason="the Python takes any object that has what a request has")
def test_compiled_what_is_no_request_is_refused_and_told_so() -> None:
    class Alike:
        op, payload, aux, session = "null", b"", b"", None

    with (
        Accelerator(clock=VirtualClock()) as accel,
        pytest.raises(TypeError, match=r"expected \S*Submittable, got Alike"),
    ):
        accel.prepare(Alike())  # type: ignore[arg-type]
