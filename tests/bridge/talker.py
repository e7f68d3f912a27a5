"""A program that does one thing for each line it reads, and says when it has: `python3 -c TEXT` with a certificate.

It must run with a Python whose ssl is linked to the system's libcrypto, so it is no module of ours.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.limits import WAIT_S

PYTHON = "/usr/bin/python3"

_PROGRAM = """
import os, resource, ssl, sys

def load():
    global ours, theirs
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl._create_unverified_context()
    ours.load_cert_chain(sys.argv[1])

def serve():
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    for peer in (theirs.wrap_bio(there, back), ours.wrap_bio(back, there, server_side=True)):
        try:
            peer.do_handshake()
        except ssl.SSLWantReadError:
            pass

def fork():
    # The parent waits for its child, which reads on in its place.
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os._exit(0)

def starve():
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))

def closefrom():
    os.closerange(3, 4096)

load()
for line in sys.stdin:
    globals()[line.strip()]()
    print(os.getpid(), flush=True)
"""


class Talker:
    """The running program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def do(self, what: str) -> None:
        """Have it done, and wait until it is.

        - `load`: its certificate, which it has loaded already.
        - `serve`: the server's side of a handshake, one key exchange and one signature.
        - `fork`: the parent only waits from then on; `pid` is the child's.
        - `starve`: no fd can be opened any more.
        - `closefrom`: all fds but the first three are closed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(what, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"{what}: the program ended"
        self.pid = int(answer)


@contextmanager
def talker(environment: Mapping[str, str], certificate: Path) -> Iterator[Talker]:
    """Start it; at the end its stdin is closed and it is waited for. Its stderr is the test's."""
    with subprocess.Popen(
        [PYTHON, "-c", _PROGRAM, str(certificate)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Talker(process)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(WAIT_S) == 0
        finally:
            process.kill()
