"""Any thread pool as an accelerator: what an engine needs, around a ThreadPoolExecutor.

`check_accelerator` runs its contract suite over it, so it is also a pattern for an accelerator of your own:

    functions = {"sha256": lambda data: hashlib.sha256(data).digest()}
    with ThreadPoolAccelerator(functions) as accel, Engine(accel) as engine:
        engine.sha256(b"abc")
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from engine.protocol import Request


class MonotonicClock:
    """Real time."""

    virtual = False
    now_ns = staticmethod(time.monotonic_ns)


class ThreadPoolAccelerator:
    """Runs each request's function in a pool of threads, of at most `depth` requests at once."""

    def __init__(self, functions: Mapping[str, Callable[[bytes], bytes]], workers: int = 4, depth: int = 64) -> None:
        self.clock = MonotonicClock()
        self._functions = functions
        self._depth = depth
        self._pool = ThreadPoolExecutor(workers, "accelerator")
        self._lock = threading.Lock()
        self._taken = 0
        self._polled = False
        self._completed: deque[Request] = deque()
        self._on_ready: deque[Callable[[], object]] = deque()
        self._on_space: list[Callable[[int], None]] = []
        self._timers: set[threading.Timer] = set()

    # Submitting

    @property
    def free_slots(self) -> int:
        return self._depth - self._taken

    def session(self, op: str, key: object, **params: Any) -> Any:
        raise ValueError(f"{op} takes no key here: call it without a session")

    def prepare(self, request: Request) -> None:
        if request.op not in self._functions:
            raise ValueError(f"no operation {request.op!r}: there are {', '.join(sorted(self._functions))}")
        request.payload = bytes(request.payload)

    def submit(self, request: Request) -> bool:
        with self._lock:
            if self._taken >= self._depth:
                return False
            self._taken += 1
        request.submitted_ns = self.clock.now_ns()
        self._pool.submit(self._run, request)
        return True

    # Completing

    def _run(self, request: Request) -> None:
        request.started_ns = self.clock.now_ns()
        try:
            request.result = self._functions[request.op](request.payload)
        except Exception as error:
            request.error = error
        request.finished_ns = self.clock.now_ns()
        self._completed.append(request)
        if not self._polled:
            self._hand_out(0)
        while self._polled and self._completed and self._on_ready:
            self._notify()

    def _notify(self) -> None:
        try:
            self._on_ready.popleft()()
        except IndexError:  # another thread was faster
            return

    def _hand_out(self, quota: int) -> int:
        count = 0
        while not quota or count < quota:
            try:
                request = self._completed.popleft()
            except IndexError:
                break
            count += 1
            with self._lock:
                self._taken -= 1
            # The slot is free before its owner is told: it may submit at once.
            try:
                request.complete()
            except Exception as error:
                threading.excepthook(threading.ExceptHookArgs((type(error), error, None, threading.current_thread())))
            for on_space in tuple(self._on_space):
                on_space(1)
        return count

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        self._polled = polled
        self._on_space.append(on_space)

    def detach(self, on_space: Callable[[int], None]) -> None:
        self._on_space.remove(on_space)
        if not self._on_space:
            self._polled = False
            self._hand_out(0)  # what was left for polling

    def poll(self, quota: int = 0) -> int:
        return self._hand_out(quota) if self._polled else 0

    def notify_once(self, fn: Callable[[], object]) -> None:
        self._on_ready.append(fn)
        if self._completed:
            self._notify()

    # Time

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> threading.Timer:
        def call() -> None:
            self._timers.discard(timer)
            fn()

        # Up by a microsecond: a wait may end a little early, and a timer must not.
        timer = threading.Timer(max(due_ns - self.clock.now_ns(), 0) / 1e9 + 1e-6, call)
        timer.daemon = True
        self._timers.add(timer)
        timer.start()
        return timer

    # End

    def close(self) -> None:
        """Wait for what is in flight; forget the timers."""
        self._pool.shutdown()
        for timer in tuple(self._timers):
            timer.cancel()
            timer.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
