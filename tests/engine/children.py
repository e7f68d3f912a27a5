"""Programs in a process of their own: for forks, for the end of the interpreter, and for code that may hang."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.limits import WAIT_S

PREAMBLE = """
import asyncio, os, select, sys, threading
from engine import *
from sim import Accelerator, VirtualClock
from waitctx import Status, WaitCtx

def in_child(fn):
    '''What fn prints in the child of a fork, and whether the child ended well; its hang is cut off by SIGALRM.'''
    sys.stdout.flush()
    child = os.fork()
    if not child:
        import signal
        signal.alarm(250)  # before the limit of the test, WAIT_S
        try:
            fn()
            sys.stdout.flush()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with {status}"
"""
ROOT = Path(__file__).parents[2]


def run(program: str) -> str:
    """What it prints. Fails unless it ends well, with nothing on stderr."""
    source = PREAMBLE + textwrap.dedent(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}
    # Forks with threads are what is tested, and from Python 3.12 on they cause a warning.
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", source]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, env=environment, check=False)
    assert ended.returncode == 0, f"ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
    assert ended.stderr == ""
    return ended.stdout
