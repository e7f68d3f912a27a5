"""What is public: each name leaves by exactly one door, and every `__all__` tells the truth."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.project.source import PACKAGES, ROOT, imported, modules, tree

DOORS = (
    *("waitctx", "waitctx.openssl", "sim", "engine", "engine.openssl"),
    *("simaccel.testing", "simaccel.bridge", "simaccel.load", "simaccel.fleet"),
)
LAZY = Path("simaccel/__init__.py")
INITS = [module for module in modules(*PACKAGES) if module.name == "__init__.py" and module != LAZY]


def module_named(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.mark.parametrize("door", DOORS)
def test_a_door_offers_what_its_all_says(door: str) -> None:
    module = module_named(door)
    names: list[str] = module.__all__
    assert len(names) == len(set(names))
    for name in names:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("door", DOORS)
def test_a_door_offers_nothing_that_its_all_does_not_say(door: str) -> None:
    module = module_named(door)
    other = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name not in module.__all__
    }
    if not module.__file__ or not module.__file__.endswith("__init__.py"):
        # A door that is a file of its own needs names of others; it must not be where they come from.
        other = {name for name in other if getattr(vars(module)[name], "__module__", None) == door}
    assert not other


def test_simaccel_is_the_door_to_the_others() -> None:
    """Each of its names is another door's; what a type checker sees, what is imported lazily and `__all__` agree."""
    door = module_named("simaccel")
    for home, names in door._HOMES.items():
        assert set(names) <= set(module_named(home).__all__)
    lazily = {name for names in door._HOMES.values() for name in names}
    typed = {
        alias.name
        for node in ast.walk(tree(LAZY))
        if isinstance(node, ast.ImportFrom) and node.module in door._HOMES
        for alias in node.names
    }
    assert lazily == typed == {*door.__all__} - {"__version__"}
    for name in door.__all__:
        assert getattr(door, name) is not None
        assert name in dir(door)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        door.nonsense  # noqa: B018


def test_importing_simaccel_imports_nothing_else_of_ours() -> None:
    script = f"import sys, simaccel; print(*sorted(m for m in sys.modules if m.split('.')[0] in {PACKAGES}))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["simaccel", "simaccel.version"]


def test_each_name_leaves_by_exactly_one_door() -> None:
    doors_by_object: dict[int, set[str]] = {}
    for door in DOORS:
        for name in module_named(door).__all__:
            value = getattr(module_named(door), name)
            if callable(value):
                doors_by_object.setdefault(id(value), set()).add(f"{door}.{name}")
    assert not [sorted(doors) for doors in doors_by_object.values() if len(doors) > 1]


@pytest.mark.parametrize("init", INITS, ids=str)
def test_an_init_only_re_exports(init: Path) -> None:
    """A docstring, imports and `__all__`; and what it imports for others is what it lists."""
    body = tree(init).body
    assert ast.get_docstring(tree(init)), f"{init} says nothing about the package"
    names: set[str] = set()
    listed: list[str] = []
    for node in body[1:]:
        if isinstance(node, ast.ImportFrom):
            if node.module != "__future__":
                names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            assert ast.unparse(node) == "import hotpath", f"{init}:{node.lineno} is more than a re-export"
        else:
            assert isinstance(node, ast.Assign), f"{init}:{node.lineno} is more than a re-export"
            assert ast.unparse(node.targets[0]) == "__all__"
            listed = ast.literal_eval(node.value)
    assert set(listed) == names
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_examples_use_the_doors() -> None:
    """What users copy shows the public way in; who brings an accelerator of their own needs the Protocol too."""
    examples = ROOT / "examples"
    for module in modules("examples") if examples.is_dir() else []:
        for name in imported(module):
            if name.split(".")[0] in PACKAGES:
                assert name in (*DOORS, "simaccel", "engine.protocol"), f"{module} imports {name}"
