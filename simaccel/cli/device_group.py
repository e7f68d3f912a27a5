"""`simaccel serve --devices N`: several device processes, and what keeps them running.

The processes are those of `simaccel serve` without this option, each at an address of its own. A process that ends, for
whatever reason, is started again. A program that uses several devices finds it when it looks for devices next.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from sim import UsageError
from simaccel.bridge.device.stop_signals import stopped_by_signals
from simaccel.bridge.wire import socket_address
from simaccel.cli.exits import FAILED, OK
from simaccel.cli.service_log import ServiceLog
from simaccel.cli.service_manager import ServiceManager

MOST = 8
"""The most devices that a program can use: MAX_DEVICES of the provider."""
AGAIN_S = 0.5
"""How long to wait before a process that has ended is started again: one that can't start must not use a core."""
OF_ONE = ("metrics", "page", "trace")
"""Options that name a port or a file, which only one process can have."""


def group_addresses(address: str, devices: int) -> list[str]:
    """ADDRESS-1 to ADDRESS-N. Raises UsageError."""
    if not 1 <= devices <= MOST:
        raise UsageError(f"--devices {devices}: use a number from 1 to {MOST}")
    addresses = [f"{address}-{number}" for number in range(1, devices + 1)]
    try:
        socket_address(addresses[-1])
    except ValueError as error:
        raise UsageError(str(error)) from None
    return addresses


def option_words(context: Any) -> list[str]:
    """The options of this command line, for each of the processes. Raises UsageError for one that only one can have."""
    words: list[str] = []
    for option in context.command.params:
        value = context.params.get(option.name)
        if option.name in ("socket", "devices") or value in (None, [], (), option.default):
            continue
        if option.name in OF_ONE:
            raise UsageError(
                f"{option.opts[0]} {value}: only one process can have it; leave out --devices, "
                "and start each device by itself"
            )
        for one in value if isinstance(value, list | tuple) else (value,):
            words += [option.opts[0]] if one is True else [option.opts[0], str(one)]
    return words


class DeviceGroup:
    """The processes. `run` belongs to the main thread."""

    def __init__(self, addresses: Sequence[str], words: Sequence[str], log: ServiceLog) -> None:
        self._addresses = addresses
        self._words = words
        self._log = log
        self._ending = threading.Event()
        self._failed = threading.Event()
        self._started = threading.Semaphore(0)
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def run(self) -> int:
        """Serve until SIGTERM or Ctrl-C. Returns the exit code."""
        manager = ServiceManager()

        def stop() -> None:
            manager.stopping()
            self._stop()

        keepers = [threading.Thread(target=self._keep, args=(address,)) for address in self._addresses]
        with stopped_by_signals(stop):
            try:
                for keeper in keepers:
                    keeper.start()
                for _ in keepers:
                    self._started.acquire()
                if not self._failed.is_set():
                    serving = f"serving at {', '.join(self._addresses)}"
                    self._log.announce("serving", serving)
                    manager.ready(serving)
                for keeper in keepers:
                    keeper.join()
            finally:
                self._stop()
        return FAILED if self._failed.is_set() else OK

    def _stop(self) -> None:
        self._ending.set()
        for process in list(self._processes.values()):
            process.terminate()

    def _keep(self, address: str) -> None:
        """Start the process of one address, and again whenever it ends. In a thread of its own."""
        served = False
        while not self._ending.is_set():
            with self._start(address) as process:
                self._processes[address] = process
                if self._ending.is_set():  # since the check above
                    process.terminate()
                assert process.stdout is not None
                if process.stdout.readline() and not served:  # "serving at"
                    served = True
                    self._started.release()
                self._relay(address, process.stdout)
                status = process.wait()
            if self._ending.is_set():
                break
            if not served:  # it has said why on stderr
                self._failed.set()
                self._stop()
                break
            text = f"the device at {address} ended with {status}: it is started again"
            self._log.error("restarted", text, ended=address, status=status)
            self._ending.wait(AGAIN_S)
        if not served:
            self._started.release()

    def _start(self, address: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "simaccel", "serve", "--socket", address, *self._words]
        environment = {**os.environ, "OPENSSL_CONF": os.devnull}
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    def _relay(self, address: str, lines: Iterable[str]) -> None:
        """Pass on what it prints, until it ends."""
        for line in lines:
            self._log.relay(address, line.removesuffix("\n"))
