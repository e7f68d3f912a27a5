"""The project's own source, as text and as syntax trees. This does not import the code that it looks at."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("hotpath", "waitctx", "sim", "engine", "simaccel")


def modules(*folders: str) -> list[Path]:
    """All modules below these folders, relative to the root, sorted."""
    return sorted(path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree(module: Path) -> ast.Module:
    """The syntax of a module."""
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), str(module))


def package_of(module: Path) -> str:
    """As it stands in an import, for relative ones."""
    return ".".join(module.parent.parts)


def imported(module: Path) -> Iterator[str]:
    """The dotted name of each module that it imports, anywhere in it, under TYPE_CHECKING too."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively: write the whole name"
            assert node.module is not None
            yield node.module


def aliases(module: Path) -> dict[str, str]:
    """What each imported name stands for: {"Thread": "threading.Thread", "np": "numpy"}."""
    found: dict[str, str | None] = {}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {(alias.asname or alias.name.split(".")[0]): alias.asname and alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {name: full or name for name, full in found.items()}


def names_used(module: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of what it takes from the modules that it imports, but for annotations."""
    stands_for = aliases(module)
    annotations = {
        id(part)
        for node in ast.walk(tree(module))
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if isinstance(annotation, ast.AST)
        for part in ast.walk(annotation)
    }
    for node in ast.walk(tree(module)):
        if id(node) in annotations:
            continue
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in stands_for:
            yield node.lineno, f"{stands_for[node.value.id]}.{node.attr}"
        elif isinstance(node, ast.Name) and "." in stands_for.get(node.id, ""):
            yield node.lineno, stands_for[node.id]


@cache
def dependencies(*folders: str) -> dict[str, set[str]]:
    """Which modules of these folders each one imports, by dotted names.

    `from a import b` counts as an import of a.b if that is a module, else of a.
    """
    names = {dotted(module): module for module in modules(*folders)}
    needs: dict[str, set[str]] = {name: set() for name in names}
    for name, module in names.items():
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found = [f"{node.module}.{alias.name}" for alias in node.names]
                found = [full if full in names else node.module for full in found]
            else:
                continue
            needs[name].update(full for full in found if full in names)
    return needs


def dotted(module: Path) -> str:
    """A module's name as it stands in an import."""
    parts = module.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def included(folder: Path) -> dict[str, set[str]]:
    """Which units of a folder of C each one includes; a unit is a header and the C file of its name."""
    needs: dict[str, set[str]] = {}
    for path in sorted([*folder.glob("*.c"), *folder.glob("*.h")]):
        found = re.findall(r'^#include "(\w+)\.h"', path.read_text(encoding="utf-8"), re.MULTILINE)
        needs.setdefault(path.stem, set()).update(name for name in found if name != path.stem)
    return needs
