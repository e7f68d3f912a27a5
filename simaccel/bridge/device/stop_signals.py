"""Signals that end a device process, also when its main thread sleeps in the kernel.

Python runs the handler of a signal in the main thread, once that thread comes back from the kernel. If the kernel
delivers the signal to another thread, or in the moment between Python's last look for signals and the main thread's
system call, nothing wakes the main thread. The process would then end only with the next request of a client, or never.
So Python's own C code writes each signal to a socket (`signal.set_wakeup_fd`), and a thread reads that socket and stops
the process.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOPPING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopped_by_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Within the block, SIGTERM and SIGINT call `stop` in a thread of its own, each time. Main thread only."""
    reading, written = socket.socketpair()
    written.setblocking(False)
    reader = threading.Thread(target=_read, args=(reading, stop), name="simaccel-signals", daemon=True)
    before_fd = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    before = {number: signal.signal(number, lambda *_: None) for number in STOPPING}
    reader.start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        written.close()
        reader.join()
        reading.close()


def _read(reading: socket.socket, stop: Callable[[], object]) -> None:
    while numbers := reading.recv(64):
        if any(number in STOPPING for number in numbers):
            stop()
