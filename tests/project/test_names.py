"""A name stands for one thing: a reader who meets a class or a file twice must not have to ask which one it is."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tests.project.source import PACKAGES, modules, tree

CLASSES_OF_ONE_MEANING = {
    **dict.fromkeys(
        ("Accelerator", "Assistant", "Request", "Timer", "Tracer"),
        "a Protocol of the engine, and the device's own class",
    ),
    **dict.fromkeys(
        ("UsageError", "ClosedError"), "the same error of two packages, which import nothing of each other"
    ),
    "Counters": "the counts of the engine, and those of the device",
    "Model": "public in sim.timing, where it models a time, and in simaccel.testing, where it models code",
}
"""The classes of which there are two, and why that misleads nobody."""
FILES_OF_ONE_MEANING = {"errors.py", "openssl.py", "unraisable.py"}
"""What each of several packages has for itself: its errors, OpenSSL's names for its calls, errors nobody awaits."""


def test_a_class_name_stands_for_one_class() -> None:
    found = defaultdict(list)
    for module in modules(*PACKAGES, "benchmarks"):
        for node in tree(module).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(module))
    several = {name: where for name, where in found.items() if len(where) > 1}
    assert several.keys() == CLASSES_OF_ONE_MEANING.keys(), several


def test_a_file_name_stands_for_one_thing_in_neighbouring_packages() -> None:
    found: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for module in modules(*PACKAGES, "benchmarks"):
        if module.name not in ("__init__.py", "__main__.py"):
            found[module.parent.parent, module.name].append(module)
    several = {name: where for (_, name), where in found.items() if len(where) > 1}
    assert several.keys() == FILES_OF_ONE_MEANING, several
