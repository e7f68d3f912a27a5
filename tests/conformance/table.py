"""Make docs/conformance.md from the rules that the tests carry.

python -m tests.conformance.table           write it
python -m tests.conformance.table --check   fail if it is not up to date
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from tests.conformance.planted import PLANTS
from tests.conformance.profile import PROFILES
from tests.conformance.rules import REGISTRY, Rule

HERE = Path(__file__).parent
TARGET = HERE.parent.parent / "docs" / "conformance.md"
FULL = PROFILES["full"]

HEAD = f"""# Agreement with libcrypto

`python -m tests.conformance.table` makes this page from the tests; don't edit it here.

The modules `waitctx.openssl` and `engine.openssl` have the names of OpenSSL's `ASYNC_WAIT_CTX_*` and `ASYNC_*` calls,
and do what these do. Each test below runs the same program on simaccel and on the real libcrypto, and compares.
In addition, random programs of all calls are compared step by step: `make conformance` runs {FULL.wait_programs:,}
programs of wait-context calls and {FULL.job_scripts:,} scripts of interleaved jobs. The scripts run with both kinds of
jobs, plain functions and coroutines. Every CI run takes some hundreds of each.
{{planted}} planted bugs show that the comparison finds bugs; they are listed at the end.

If C leaves something undefined, the test does it to libcrypto in a child process, which ends as the table says. The
test does the same to simaccel, which raises. The test then uses simaccel again, and it must be unharmed.

[conformance-versions.md](conformance-versions.md) lists the versions that were compared, and says how to compare with
another one.
"""

CALLS = [
    "constants",
    *(f"ASYNC_WAIT_CTX_{name}" for name in ("new", "free", "set_wait_fd", "get_fd", "get_all_fds", "get_changed_fds")),
    *(f"ASYNC_WAIT_CTX_{name}" for name in ("clear_fd", "set_callback", "get_callback", "set_status", "get_status")),
    "the reset at a resume",
    *(f"ASYNC_{name}" for name in ("start_job", "pause_job", "get_current_job", "get_wait_ctx")),
    *(f"ASYNC_{name}" for name in ("block_pause", "unblock_pause", "init_thread", "cleanup_thread", "is_capable")),
    "the default library context",
    "ASYNC_set_mem_functions, ASYNC_get_mem_functions",
    "test/asynctest.c",
]
"""In the order of openssl/async.h, more or less. A rule of something else is a mistake."""


def rules() -> list[Rule]:
    """The rules of all test modules, by call, what is undefined last; else in the order in which they are written."""
    for path in sorted(HERE.glob("test_*.py")):
        importlib.import_module(f"{__package__}.{path.stem}")

    def place(rule: Rule) -> tuple[int, bool, str]:
        module = rule.test.partition(":")[0]
        return CALLS.index(rule.call), module.endswith("test_undefined"), module

    return sorted(REGISTRY, key=place)


def text() -> str:
    """The whole page."""
    lines = [HEAD.format(planted=len(PLANTS))]
    call = None
    for rule in rules():
        if rule.call != call:
            call = rule.call
            lines += [f"\n## {call}\n", "| what it does | simaccel | shown by |", "|---|---|---|"]
        module, _, test = rule.test.partition(":")
        path = f"../{module.replace('.', '/')}.py"
        lines.append(f"| {rule.text} | {rule.verdict} | [{test}]({path}) |")
    lines += [
        "\n## Planted bugs\n",
        "Each of these breaks simaccel on purpose, and the random programs must find it:\n",
    ]
    lines += [f"- {plant.name}" for plant in PLANTS]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """The command line."""
    if arguments == ["--check"]:
        return 0 if TARGET.read_text() == text() else 1
    TARGET.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
