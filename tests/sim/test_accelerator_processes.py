"""Accelerators at the end of an interpreter, and across a fork. Each in a child process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.limits import WAIT_S

FORGETS = """
from sim import Accelerator, Request
accel = Accelerator(latency={latency!r})
for _ in range(10):
    request = Request("sha256", bytes(100))
    accel.prepare(request)
    accel.submit(request)
print("submitted", flush=True)
{end}
"""


@pytest.mark.parametrize("latency", [None, "fixed:3600s"])
@pytest.mark.parametrize(("end", "status"), [("", 0), ("raise SystemExit(3)", 3), ("1 / 0", 1)])
def test_interpreter_exit_without_close_does_not_hang(latency: str | None, end: str, status: int) -> None:
    child = subprocess.run(
        [sys.executable, "-c", FORGETS.format(latency=latency, end=end)],
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )
    assert (child.stdout, child.returncode) == ("submitted\n", status)


AT_THE_END = """
import sys, threading, warnings
from sim import Accelerator, ClosedError, Request
warnings.simplefilter("ignore", ResourceWarning)

class AtTheEnd:
    '''Calls it while the interpreter ends, when no other thread runs any more.'''

    def __init__(self, call):
        self._call = call

    def __del__(self, is_finalizing=sys.is_finalizing, show=print):
        assert is_finalizing()
        show(self._call())

"""
CLOSED_BY_A_FINALISER = """
accel = Accelerator(latency="fixed:3600s")
request = Request("sha256", b"")
accel.prepare(request)
accel.submit(request)
at_the_end = AtTheEnd(accel.close)
"""
CLOSED_BY_A_GENERATOR = """
def use():
    with Accelerator():
        yield
    print("not reached")
used = use()
next(used)
at_the_end = AtTheEnd(used.close)
"""
CLOSED_UNDER_A_LOCK = """
accel = Accelerator()
held = threading.Event()
# With globals of its own, or the thread's frame would keep what is in ours alive.
own = {"lock": accel._device.gate.lock, "held": held, "forever": threading.Event()}
exec("def hold():\\n with lock:\\n  held.set()\\n  forever.wait()", own)
threading.Thread(target=own["hold"], daemon=True).start()
held.wait()
at_the_end = AtTheEnd(accel.close)
"""
MADE_BY_A_FINALISER = """
def make(make=Accelerator, refused=ClosedError):
    try:
        make()
    except refused:
        return None
at_the_end = AtTheEnd(make)
"""


@pytest.mark.parametrize(
    "program", [CLOSED_BY_A_FINALISER, CLOSED_BY_A_GENERATOR, CLOSED_UNDER_A_LOCK, MADE_BY_A_FINALISER]
)
def test_no_finaliser_waits_for_a_thread_when_the_interpreter_ends(program: str) -> None:
    child = subprocess.run(
        [sys.executable, "-c", AT_THE_END + program], capture_output=True, text=True, check=False, timeout=WAIT_S
    )
    assert (child.stdout, child.stderr, child.returncode) == ("None\n", "", 0)


FORK = """
import os, sys, threading
from sim import Accelerator, ClosedError, Request

accel = Accelerator(faults="hold")
done = threading.Event()

def request(on=None):
    made = Request("echo", b"one", on_complete=on and (lambda request: on.set()))
    return made

mine = request(done)
accel.prepare(mine)
accel.submit(mine)
pid = os.fork()
if pid == 0:
    try:
        inherited = request()
        accel.prepare(inherited)
        accel.submit(inherited)
    except ClosedError as error:
        print(error)
        assert str(os.getppid()) in str(error)
    accel.close()
    assert accel.poll() == 0
    with Accelerator() as new:
        finished = threading.Event()
        works = request(finished)
        new.prepare(works)
        new.submit(works)
        finished.wait()
    print(works.result, mine.result, flush=True)
    os._exit(7)
_, status = os.waitpid(pid, 0)
accel.faults.release()
done.wait()
accel.close()
print(os.waitstatus_to_exitcode(status), mine.result)
"""


def test_in_the_child_of_a_fork_the_inherited_one_is_refused_and_a_new_one_works() -> None:
    # From Python 3.12 on it warns of a fork with threads, which is what is tested.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.stderr == ""
    lines = child.stdout.splitlines()
    assert lines[0].startswith("this accelerator belongs to the parent process")
    assert lines[1:] == ["b'one' None", "7 b'one'"]


FORK_WHILE_SUBMITTING = """
import os, threading
from sim import Accelerator, ClosedError, Request

accel = Accelerator(depth=4)
stop = threading.Event()

def submits():
    while not stop.is_set():
        request = Request("null", b"")
        accel.prepare(request)
        accel.submit(request)

threads = [threading.Thread(target=submits) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        request = Request("null", b"")
        accel.prepare(request)
        try:
            accel.submit(request)
        except ClosedError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
stop.set()
for thread in threads:
    thread.join()
accel.close()
print("no child hung")
"""


def test_a_fork_while_other_threads_hold_the_locks() -> None:
    child = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK_WHILE_SUBMITTING],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (child.stdout, child.stderr) == ("no child hung\n", "")


FORK_WITH_ASSISTANCE = """
import os
from sim import Accelerator, Request

accel = Accelerator(assist=True)
assistant = accel.assistant
request = Request("null", b"")
accel.prepare(request)
accel._worker.claims.append(1)  # another thread is at it
assistant.submit(request)
pid = os.fork()
if pid == 0:
    assert assistant.poll() == 0
    assistant.hand_over()
    assistant.notify_once(print)
    os._exit(7)
accel._worker.claims.remove(1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
accel.close()
print(request.result)
"""


def test_in_the_child_of_a_fork_there_is_nobody_to_assist() -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK_WITH_ASSISTANCE]
    child = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert (child.stdout, child.stderr) == ("7\nb''\n", "")
