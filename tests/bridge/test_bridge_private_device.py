"""`simaccel openssl --device`: a device for one program, that ends with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from simaccel.cli.exits import FAILED, NO_DEVICE, NOT_FOUND, NOT_RUNNABLE, OK, USAGE
from simaccel.cli.openssl_setup.family import is_descendant
from simaccel.cli.shell_quoting import quoted
from tests.bridge.commands import simaccel
from tests.bridge.test_bridge_admission import NOBODY, needs_root
from tests.bridge.toolbox import Toolbox
from tests.effort import pairs, some
from tests.forked import Forked
from tests.keys import rsa_bytes
from tests.limits import WAIT_S


@pytest.fixture
def sign(tmp_path: Path) -> list[str]:
    """A command that makes one signature."""
    key = tmp_path / "key.pem"
    key.write_bytes(rsa_bytes())
    return ["openssl", "dgst", "-sha256", "-sign", str(key), "-out", os.devnull, str(key)]


def start(toolbox: Toolbox, *arguments: str) -> Forked:
    """Starts it with pipes."""
    environment = toolbox.environment("@nobody") | {"SIMACCEL_MODULE": str(toolbox.provider)}
    del environment["OPENSSL_CONF"]  # the provider is for the program
    return Forked(
        ["simaccel", "openssl", "--device", *arguments], stdin=PIPE, stdout=PIPE, stderr=PIPE, environment=environment
    )


def with_device(toolbox: Toolbox, *arguments: str) -> subprocess.CompletedProcess[str]:
    return simaccel("openssl", "--device", *arguments, SIMACCEL_MODULE=str(toolbox.provider))


def test_a_program_and_its_children_use_a_device_that_ends_with_it(
    toolbox: Toolbox, sign: list[str], tmp_path: Path
) -> None:
    told = tmp_path / "told.json"
    twice = f"{' '.join(sign)} && ({' '.join(sign)}) && echo $SIMACCEL_SOCKET && exit 7"
    done = with_device(toolbox, "--stats-json", str(told), "--", "sh", "-c", twice)
    assert done.returncode == 7
    assert done.stderr.startswith("simaccel: the device: rsa-sign 2; 0 failed; the program: 0 pauses")
    report = json.loads(told.read_text())
    assert report["by_op"] == {"rsa-sign": 2}
    assert report["connects"] == 2
    address = done.stdout.strip()
    assert report["address"] == address
    assert simaccel("stat", address=address).returncode == FAILED


def test_its_faults_come_to_the_program(toolbox: Toolbox, sign: list[str]) -> None:
    done = with_device(toolbox, "--fault", "fail:op=rsa-sign", "--require-device", "--", *sign)
    assert done.returncode == OK  # it has used the device, and the provider has then signed in software
    assert "rsa-sign 1; 1 failed" in done.stderr


def test_two_at_once_do_not_meet(toolbox: Toolbox, sign: list[str]) -> None:
    waits = "read line && exec " + " ".join(sign)
    both = [start(toolbox, "--", "sh", "-c", waits) for _ in range(2)]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        _, err = process.communicate(timeout=WAIT_S)
        assert process.returncode == OK
        assert "rsa-sign 1; 0 failed" in err


@needs_root
def test_a_program_may_become_another_user(toolbox: Toolbox, sign: list[str], tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:-2], toolbox.folder, toolbox.provider.parent):
        folder.chmod(folder.stat().st_mode | 0o755)
    (tmp_path / "key.pem").chmod(0o644)
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    done = with_device(toolbox, "--require-device", "--", *become, *sign)
    assert done.returncode == OK, done.stderr
    assert "rsa-sign 1; 0 failed" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT])
def test_signals_are_passed_on(toolbox: Toolbox, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    process = start(
        toolbox, "--", "sh", "-c", f"trap 'echo got; exit 9' {name}; echo ready; while read line; do :; done"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "got\n"
    process.communicate(timeout=WAIT_S)
    assert process.returncode == 9


def test_the_signal_that_ends_a_program_is_its_exit_code(toolbox: Toolbox) -> None:
    assert with_device(toolbox, "--", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL


def test_a_program_ends_when_its_device_is_killed(toolbox: Toolbox) -> None:
    process = start(
        toolbox, "--", "sh", "-c", "exec 3<&0; cat <&3 >&2 & trap 'echo told; kill $!; exit' TERM; echo ready; wait"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.kill()
    assert process.stdout.readline() == "told\n"
    process.communicate(timeout=WAIT_S)


NOT_RUN = {"no-such-program": NOT_FOUND, "/etc/passwd": NOT_RUNNABLE, "/etc": NOT_RUNNABLE, "": NOT_FOUND}


@pytest.mark.parametrize(("program", "device"), pairs([*NOT_RUN], [True, False]))
def test_what_can_not_be_run_has_the_exit_code_that_shells_give_it(
    toolbox: Toolbox, program: str, device: bool
) -> None:
    more = ["--device"] if device else ["--socket", "@nobody"]
    done = simaccel("openssl", *more, "--", program, SIMACCEL_MODULE=str(toolbox.provider))
    assert done.returncode == NOT_RUN[program]
    assert done.stderr.splitlines()[-1].startswith(f"simaccel: {quoted(program)}: ")


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (
            "openssl.Server = fails(OSError(errno.EMFILE, 'Too many open files'))",
            "Too many open files; raise the limit",
        ),
        ("openssl.Supervised = fails(OSError(errno.EAGAIN, 'Try again'))", "Try again; raise the limit of processes"),
        ("openssl._written = fails(OSError(errno.ENOSPC, 'No space', '/tmp/x'))", "/tmp/x: No space; make room there"),
        ("threading.Thread.start = fails(RuntimeError(NO_THREAD))", "can't start new thread; raise"),
    ],
    ids=["files", "processes", "disk", "threads"],
)
def test_a_device_that_can_not_start(toolbox: Toolbox, broken: str, why: str) -> None:
    program = f"""
import errno, sys, threading
from simaccel.cli import main
from simaccel.cli.commands import openssl
from simaccel.cli.exits import NO_THREAD

def fails(error):
    def call(*_, **__):
        raise error
    return call

{broken}
sys.exit(main(["openssl", "--device", "--", "echo", "never"]))
"""
    environment = toolbox.environment("@nobody") | {"SIMACCEL_MODULE": str(toolbox.provider)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == NO_DEVICE
    assert done.stderr.startswith(f"simaccel: echo was not started: its device can't start: {why}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def in_shell(toolbox: Toolbox, script: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that gets the command as its arguments."""
    words = ["sh", "-c", script, "sh", sys.executable, "-m", "simaccel", "openssl"]
    environment = toolbox.environment("@nobody") | {"SIMACCEL_MODULE": str(toolbox.provider)}
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)


def test_a_device_whose_files_no_client_fits_into_does_not_start(toolbox: Toolbox, sign: list[str]) -> None:
    """So a device that starts serves at least one client."""
    served = []
    for limit in some(range(12, 40), 2):
        done = in_shell(toolbox, f'ulimit -n {limit}; exec "$@" --device -- {" ".join(sign)}')
        served.append(done.returncode == OK)
        if served[-1]:
            assert done.stderr.startswith("simaccel: the device: rsa-sign 1; 0 failed"), (limit, done.stderr)
        else:
            assert done.returncode == NO_DEVICE
            assert done.stderr == (
                f"simaccel: openssl was not started: its device can't start: a limit of {limit} open files leaves no "
                "room for a client; raise the limit of open files (ulimit -n)\n"
            )
    assert served == sorted(served)
    assert served[-1] > served[0]


def test_a_device_that_may_make_no_memory_for_a_client_says_which_limit_to_raise(
    toolbox: Toolbox, sign: list[str]
) -> None:
    done = in_shell(
        toolbox, f'SIMACCEL_TRACE=yes; export SIMACCEL_TRACE; ulimit -f 64; exec "$@" --device -- {" ".join(sign)}'
    )
    assert done.returncode == OK
    assert "client: File too large; raise the device's limit of file sizes (ulimit -f)\n" in done.stderr
    assert "simaccel: the device: connections refused: 1. To find out why, run" in done.stderr


def test_a_caller_may_ignore_the_end_of_its_children(toolbox: Toolbox) -> None:
    """As some supervisors do. What they ignore, the processes ignore that they start."""
    assert in_shell(toolbox, """exec env --ignore-signal=CHLD "$@" --device -- sh -c 'exit 3'""").returncode == 3


def test_no_folder_for_temporary_files(toolbox: Toolbox) -> None:
    program = (
        "import sys, tempfile; tempfile._candidate_tempdir_list = lambda: ['/proc']; from simaccel.cli import main; "
    )
    for more in (["--device"], ["--socket", "@nobody"]):
        words = ["openssl", *more, "--", "echo", "never"]
        environment = toolbox.environment("@nobody") | {"SIMACCEL_MODULE": str(toolbox.provider)}
        done = subprocess.run(
            [sys.executable, "-c", f"{program} sys.exit(main({words}))"],
            env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == NO_DEVICE
        assert done.stdout == ""
        assert done.stderr.splitlines()[-1].startswith("simaccel: echo was not started: ")
        assert done.stderr.endswith(
            "No usable temporary directory found in ['/proc']; set TMPDIR to a folder that can be written\n"
        )


def test_a_full_disk_for_the_figures(toolbox: Toolbox, sign: list[str]) -> None:
    done = with_device(toolbox, "--stats-json", "/dev/full", "--", *sign)
    assert done.returncode == FAILED
    assert done.stderr.splitlines()[1:] == [
        "simaccel: /dev/full: No space left on device; make room there, or give another file"
    ]


def test_a_name_that_is_no_text_is_told_as_shells_write_it(toolbox: Toolbox) -> None:
    done = in_shell(toolbox, r"""exec "$@" --device -- "$(printf '/a b/\377')" """)
    assert done.returncode == NOT_FOUND
    assert done.stderr.startswith(r"simaccel: '/a b/'$'\377': No such file or directory")


def test_a_program_that_does_not_use_it_is_told_of(toolbox: Toolbox) -> None:
    done = with_device(toolbox, "--", "true")
    assert done.returncode == OK
    assert done.stderr == (
        "simaccel: the device: nobody connected. To find out why, run simaccel check --pid N while the program runs\n"
    )
    assert with_device(toolbox, "--require-device", "--", "true").returncode == NO_DEVICE
    assert with_device(toolbox, "--require-device", "--", "false").returncode == 1


def test_processes_that_stay_are_told_of(toolbox: Toolbox) -> None:
    process = start(toolbox, "--", "sh", "-c", "exec 3<&0; cat <&3 >/dev/null 2>&1 & exit 3")
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(WAIT_S) == 3
    assert "1 of the program's processes still run, and their device has ended" in err
    process.communicate(timeout=WAIT_S)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--device", "--config"], "--device needs a program after --"),
        (["--device", "--socket", "@x", "--", "true"], "--socket @x: a device of --device has an address of its own"),
        (["--device", "--latency", "soon", "--", "true"], "timing 'soon'"),
        (["--device", "--stats-json", "/no/such/file", "--", "true"], "--stats-json /no/such/file"),
        (["--latency", "fixed:1ms", "--", "true"], "--latency is for the device that --device starts"),
        (["--stats-json", "x", "--", "true"], "--stats-json is for the device that --device starts"),
    ],
)
def test_wrong_use(toolbox: Toolbox, arguments: list[str], why: str) -> None:
    done = simaccel("openssl", *arguments, SIMACCEL_MODULE=str(toolbox.provider))
    assert done.returncode == USAGE
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_who_is_a_descendant() -> None:
    with subprocess.Popen(
        ["sh", "-c", "exec 3<&0; sh -c 'echo $$; read line' <&3 & wait"], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert is_descendant(child.pid)
        assert is_descendant(grandchild)
        child.communicate(b"\n")
    assert not is_descendant(child.pid)
    assert not is_descendant(os.getpid())
    assert not is_descendant(os.getppid())
    assert not is_descendant(1)
    assert not is_descendant(0)
