"""Which of the two runs: the compiled hot path only where it is what the sources say, and nobody has said otherwise."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import hotpath
from tests.bridge.conftest import require
from tests.limits import WAIT_S
from tests.project.source import ROOT, tree

SUFFIX = EXTENSION_SUFFIXES[0]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A tree in which one module alone is compiled, so that it takes seconds."""
    for folder in ("hotpath", "waitctx"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("built", "__pycache__"))
    chosen = tmp_path / "hotpath" / "choice.py"
    text = chosen.read_text()
    before, _, rest = text.partition("MODULES = (\n")
    after = rest.partition("\n)")[2]
    chosen.write_text(f'{before}MODULES = ("waitctx.context",){after}')
    return tmp_path


def python(checkout: Path, *arguments: str, **variables: str) -> str:
    """What a Python prints in that tree, errors included."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), hotpath.VARIABLE: "0", **variables}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=checkout, env=environment, text=True, timeout=WAIT_S, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout


def running(checkout: Path, **variables: str) -> str:
    return python(checkout, "-c", "import hotpath; print(hotpath.RUNNING)", **variables).strip()


def pretend(checkout: Path) -> Path:
    """A file with the name of the extension of these sources. Only imports would find out that it is none."""
    path = Path(python(checkout, "-c", "from hotpath.choice import extension; print(extension())").strip())
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return path


def test_where_nothing_was_compiled_python_runs(checkout: Path) -> None:
    assert running(checkout).startswith("Python: nothing was compiled for this Python")


def test_an_extension_of_these_sources_is_taken(checkout: Path) -> None:
    pretend(checkout)
    assert running(checkout) == "compiled"


@pytest.mark.parametrize("value", ["1", "yes"])
def test_the_variable_chooses_python(checkout: Path, value: str) -> None:
    pretend(checkout)
    assert running(checkout, SIMACCEL_PURE=value) == "Python, as SIMACCEL_PURE says"


@pytest.mark.parametrize("value", ["0", ""])
def test_the_variable_can_be_switched_off(checkout: Path, value: str) -> None:
    pretend(checkout)
    assert running(checkout, SIMACCEL_PURE=value) == "compiled"


@pytest.mark.parametrize("file", ["waitctx/context.py", "waitctx/context.pxd", "hotpath/build.py"])
def test_an_extension_of_other_sources_is_never_taken(checkout: Path, file: str) -> None:
    pretend(checkout)
    with open(checkout / file, "a") as source:
        source.write("# one line more\n")
    assert running(checkout).startswith("Python: the sources have changed")


def test_an_extension_of_another_python_is_never_taken(checkout: Path) -> None:
    path = pretend(checkout)
    path.rename(path.with_name(path.name.replace(SUFFIX, ".cpython-39-other.so")))
    assert running(checkout).startswith("Python: nothing was compiled for this Python")


def test_every_module_of_the_list_has_its_types_beside_it() -> None:
    """Or none to tell of: then its classes stay classes of Python, or only it uses them."""
    without = {module for module in hotpath.MODULES if not (ROOT / (module.replace(".", "/") + ".pxd")).exists()}
    assert without == {"engine.aio", "engine.jobs.start", "hotpath.local"}


def test_the_last_parts_of_the_names_differ() -> None:
    """By these the extension finds its modules."""
    lasts = [module.rpartition(".")[2] for module in hotpath.MODULES]
    assert len(lasts) == len(set(lasts))


def test_whoever_imports_a_module_of_the_list_first_gets_the_chosen_one() -> None:
    """A package above the module imports hotpath before anything of ours. Else this module alone would be Python, and
    what is compiled would refuse its objects."""
    for module in hotpath.MODULES:
        packages = module.split(".")[:-1]
        above = [Path(*packages[:depth], "__init__.py") for depth in range(1, len(packages) + 1)]
        assert packages == ["hotpath"] or any(map(_imports_hotpath_first, above)), module


def _imports_hotpath_first(package: Path) -> bool:
    imports = [node for node in tree(package).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return bool(imports) and ast.unparse(imports[0]) == "import hotpath"


@pytest.mark.parametrize(
    ("variables", "missing"),
    [({"CC": "/nowhere/cc"}, "there is no C compiler '/nowhere/cc'")],
)
def test_what_is_missing_for_a_build_is_said_in_one_line(
    checkout: Path, variables: dict[str, str], missing: str
) -> None:
    pytest.importorskip("Cython")
    said = python(checkout, "-m", "hotpath.build", "--print", **variables).splitlines()
    # In place of the path that `--print` asks for there is nothing, so a wheel has none.
    assert said[1:] == [f"the hot path is not compiled, and runs as plain Python: {missing}"]
    assert running(checkout).startswith("Python: nothing was compiled")


ASKS = "from waitctx import context; print(context.__file__.rpartition('.')[2], hasattr(context, 'MARK'))"


@pytest.mark.in_ci  # it compiles, for seconds
def test_a_changed_line_is_seen_at_once_and_compiled_by_the_next_build(checkout: Path) -> None:
    require("cc")
    pytest.importorskip("Cython")
    python(checkout, "-m", "hotpath.build")
    assert python(checkout, "-c", ASKS).split() == ["so", "False"]
    with open(checkout / "waitctx" / "context.py", "a") as source:
        source.write("MARK = True\n")
    assert python(checkout, "-c", ASKS).split() == ["py", "True"]
    python(checkout, "-m", "hotpath.build")
    assert python(checkout, "-c", ASKS).split() == ["so", "True"]
    assert len(list((checkout / "hotpath" / "built").glob("*.so"))) == 1
    assert python(checkout, "-m", "hotpath.build") == ""  # nothing to do, and nothing to say
    (built,) = (checkout / "hotpath" / "built").glob("*.so")
    assert python(checkout, "-m", "hotpath.build", "--print").strip() == str(built)  # what a wheel takes
