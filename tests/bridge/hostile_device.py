"""A device for tests of the Python client that may send anything: the other side of `welcome` and `connection`.

It runs in a thread of the test. It gives the sessions that a client opens at once, so that the client comes up, and
then completes calls as the test's plan says.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from simaccel.bridge import wire
from simaccel.bridge.device.memory import Memory, Violation
from simaccel.bridge.wire import AT_CQ_TAIL, Layout, Opcode, SubmissionFields
from tests.bridge.device import fresh_address
from tests.limits import WAIT_S

Misbehave = Callable[["HostileDevice", SubmissionFields], None]
"""Called with each call that was submitted."""


class HostileDevice:
    """One client's device. `fds` may change what goes out with the welcome, `welcome` the message, `call` the rest."""

    def __init__(
        self,
        call: Misbehave | None = None,
        fds: Callable[[list[int]], list[int]] = list,
        welcome: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self.address = fresh_address()
        self._call, self._fds, self._welcome = call, fds, welcome
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(wire.socket_address(self.address))
        self._listener.listen()
        self._listener.settimeout(WAIT_S)
        self.kept = threading.Event()
        """Set by the test when the device is to hang up."""
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with self._listener, self._listener.accept()[0] as self.control:
            self.control.settimeout(WAIT_S)
            hello = self.control.recv(4096)
            layout = Layout.of(*wire.HELLO.unpack(hello)[3:5])
            self.memory = Memory(layout)
            self.event = os.eventfd(0, os.EFD_NONBLOCK)
            doorbell = os.eventfd(0, os.EFD_NONBLOCK)
            with select.epoll() as interrupt:
                interrupt.register(self.event, select.EPOLLIN | select.EPOLLET)
                fds = self._fds([self.memory.fd, doorbell, interrupt.fileno()])
                # Before the welcome: a client that finds the device awake rings no doorbell, and would wait for ever.
                self.memory.set_sleeping(True)
                socket.send_fds(self.control, [self._welcome(wire.welcome(layout))], fds)
                try:
                    self._answer(doorbell)
                except (Violation, OSError):  # the client has gone, or our own damage to its rings comes back to us
                    pass
                finally:
                    for fd in {self.memory.fd, doorbell, self.event}:
                        os.close(fd)

    def _answer(self, doorbell: int) -> None:
        poller = select.poll()
        poller.register(doorbell, select.POLLIN)
        poller.register(self.control, select.POLLIN)
        while not self.kept.is_set():
            ready = [fd for fd, _ in poller.poll(WAIT_S * 1000)]
            if self.control.fileno() in ready and not self.control.recv(4096):
                return
            if doorbell in ready:
                os.eventfd_read(doorbell)
            for fields in self.memory.fetch(4096, 0):
                submission = SubmissionFields(*fields)
                if submission.operation == Opcode.SESSION_OPEN or self._call is None:
                    self.complete(submission.cookie)
                else:
                    self._call(self, submission)

    def complete(self, cookie: int, status: int = 0, length: int = 0, started_ns: int = 0, ended_ns: int = 0) -> None:
        """A completion of any kind, with its interrupt."""
        self.memory.cq_tail %= 2**64 - 1  # wherever the test has set it
        self.memory.complete([(cookie, status, length, started_ns, ended_ns)])
        self.interrupt()

    def interrupt(self) -> None:
        """Interrupts the client."""
        os.eventfd_write(self.event, 1)

    def set_tail(self, tail: int) -> None:
        """Says how many completions there are."""
        self.memory.cq_tail = self.memory.bytes.cast("Q")[AT_CQ_TAIL // 8] = tail % 2**64
        self.interrupt()

    def hang_up(self) -> None:
        """The end of the connection, from the device's thread."""
        self.kept.set()
        self.control.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()


@contextmanager
def fds_of_all_kinds() -> Iterator[dict[str, int]]:
    """Fds that are not what they should be, by name."""
    reader, writer = os.pipe()
    one, other = socket.socketpair()
    unsealed = os.memfd_create("unsealed")
    os.ftruncate(unsealed, 1 << 24)
    small = Memory(Layout.of(2, 256))
    opened = {
        "reader": reader,
        "writer": writer,
        "socket": one.fileno(),
        "folder": os.open("/", os.O_RDONLY),
        "null": os.open(os.devnull, os.O_RDWR),
        "unsealed": unsealed,
        "small": small.fd,
        "eventfd": os.eventfd(0, os.EFD_NONBLOCK),
        "semaphore": os.eventfd(1, os.EFD_SEMAPHORE | os.EFD_NONBLOCK),
    }
    with select.epoll() as epoll:
        try:
            yield {**opened, "epoll": epoll.fileno()}
        finally:
            one.detach()
            other.close()
            for fd in opened.values():
                os.close(fd)
