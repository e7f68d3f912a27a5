"""The mutation run itself: what a mutant changes, which statements a test reaches, and what earlier runs have found."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from tests.mutation.mutants import mutants_of
from tests.mutation.reach import Reach, put_in
from tests.mutation.results import Results

SOURCE = '''
def sign(value):
    """Of a number."""
    if value < 0:
        value = -1
    return min(value, 1)
'''


def module_of(folder: Path) -> ModuleType:
    path = folder / "sign.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("sign", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_mutant_is_one_change() -> None:
    mutants = mutants_of(SOURCE)
    assert [(mutant.line, mutant.what, mutant.statement) for mutant in mutants] == [
        (4, "Lt is LtE", 4),
        (4, "0 is 1", 4),
        (5, "without `value = -1`", 5),
        (5, "1 is 2", 5),
        (6, "1 is 2", 6),
    ]
    assert len({mutant.text for mutant in mutants}) == len(mutants)


def test_a_mutant_is_put_into_the_functions_that_others_have_imported(tmp_path: Path) -> None:
    module = module_of(tmp_path)
    imported = module.sign
    assert imported(-3) == -1
    for mutant in mutants_of(SOURCE, str(module.__file__)):
        put_in(module, mutant.code)
        assert [imported(value) for value in (-3, 0, 3)] != [-1, 0, 1]


def test_reach_notes_the_statements_that_ran(tmp_path: Path) -> None:
    module = module_of(tmp_path)
    reach = Reach({"sign.py": module})
    with reach.of_a_test() as one:
        module.sign(-3)
    with reach.of_a_test() as other:
        module.sign(3)
    assert one[0].lines == {"sign.py": {4, 5, 6}}
    assert other[0].lines == {"sign.py": {4, 6}}
    assert not other[0].reaches("sign.py", 5)


def test_what_was_killed_is_not_tried_again_and_a_survivor_only_with_more_tests(tmp_path: Path) -> None:
    killed, survivor, new = mutants_of(SOURCE)[:3]
    Results(tmp_path / "results").add("sign.py", killed, 1, 0.5, ["a test", "why"])
    Results(tmp_path / "results").add("sign.py", survivor, 1, 0.5, [])
    results = Results(tmp_path / "results")
    assert results.settles("sign.py", killed, 0, again=True)
    assert results.settles("sign.py", survivor, 0.5, again=False)
    assert not results.settles("sign.py", survivor, 0, again=False)
    assert not results.settles("sign.py", survivor, 0.5, again=True)
    assert not results.settles("sign.py", new, 0.5, again=False)
    assert list(results.summary(["sign.py"])) == ["sign.py: 1 of 2 survived"]
