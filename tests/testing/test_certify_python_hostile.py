"""`accel.certify` with servers that do what no server should, and with wrong arguments: each gets a clear message, and
nothing is left behind."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from engine import Engine, UsageError, block_pauses
from simaccel.testing import Accel, CertifyClient, CertifyError, Kind
from simaccel.testing.python_servers import real_time
from tests.limits import WAIT_S
from tests.testing.certified_servers import ByCallback, ByFd


def failures(server: Callable[[Engine], Any], *scenarios: str, **options: Any) -> dict[str, str]:
    """What was seen, by the scenario that failed."""
    with Accel(seed=1, **options) as accel, pytest.raises(CertifyError) as caught:
        accel.certify(server, scenarios=scenarios, connects=5)
    return {verdict.name: verdict.seen for verdict in caught.value.result.verdicts if verdict.outcome == "failed"}


def test_a_factory_that_raises_says_it_itself(accel: Accel) -> None:
    def factory(engine: Engine) -> ByFd:
        raise OSError("no such port")

    with pytest.raises(OSError, match="no such port"):
        accel.certify(factory)


def test_a_factory_that_raises_later_fails_that_scenario() -> None:
    made: list[ByFd] = []

    def factory(engine: Engine) -> ByFd:
        if made:
            raise OSError("the port is in use")
        made.append(ByFd(engine))
        return made[0]

    assert failures(factory, "offload") == {"offload": "the server factory raised OSError('the port is in use')"}


def test_what_is_no_server(accel: Accel) -> None:
    with pytest.raises(UsageError, match="no accept, hang_up, turn, stop, close: return an object with the methods"):
        accel.certify(lambda engine: object())  # type: ignore[arg-type,return-value]
    with pytest.raises(UsageError, match="give a function of an engine"):
        accel.certify(ByFd(accel.engine))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ({"scenarios": ["ring-ful"]}, {}, "did you mean ring-full"),
        ({"scenarios": ["tls-1.3"]}, {}, "there is no scenario 'tls-1.3'"),
        ({"connects": 0}, {}, "connects=0: use a whole number"),
        ({"connects": True}, {}, "connects=True: use a whole number"),
        ({"kinds": ["threads"]}, {}, "use some of stackful, coroutine"),
        ({"kinds": []}, {}, "use some of stackful, coroutine"),
        ({}, {"clock": "real"}, "works in virtual time alone"),
        ({}, {"notify": "callback", "contract": "dasync"}, "nothing is ever in flight"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with Accel(**options) as accel, pytest.raises(UsageError, match=message):
        accel.certify(ByFd, **arguments)


def test_a_server_that_never_starts_a_job() -> None:
    class Never(ByFd):
        def accept(self, client: CertifyClient) -> None:
            pass

    with Accel() as accel, pytest.raises(CertifyError) as caught:
        accel.certify(Never)
    verdicts = caught.value.result.verdicts
    assert "accept or turn must start it as a job" in verdicts[0].seen
    assert {verdict.outcome.value for verdict in verdicts[1:]} == {"does not apply"}


def test_a_server_that_blocks_pauses() -> None:
    class Blocks(ByFd):
        def start(self, client: CertifyClient) -> None:
            handshake = client.handshake

            def blocking() -> bytes:
                with block_pauses():
                    answer: bytes = handshake()
                return answer

            if client.kind == "stackful":
                client.handshake = blocking
            super().start(client)

    assert "with pauses blocked" in failures(Blocks, "asynchronous")["asynchronous"]


def test_a_server_that_raises() -> None:
    class Exits(ByFd):
        def turn(self) -> None:
            raise SystemExit(3)

    assert "turn() raised SystemExit(3)" in failures(Exits, "offload")["offload"]


def test_a_server_that_leaks_files() -> None:
    left: list[int] = []

    class Leaks(ByFd):
        def start(self, client: CertifyClient) -> None:
            left.append(os.open(os.devnull, os.O_RDONLY))
            super().start(client)

    try:
        assert "fds more are open than before the scenario" in failures(Leaks, "abort-mid-pause")["abort-mid-pause"]
    finally:
        for fd in left:
            os.close(fd)


def test_a_server_that_leaks_wait_contexts() -> None:
    class Leaks(ByFd):
        def end(self, connection: Any, answer: bytes | None) -> None:
            self.leave(connection)
            del self.connections[connection.client]
            kept.append(connection)
            connection.client.close(answer)

    kept: list[Any] = []
    seen = failures(Leaks, "abort-mid-pause", misuse=False)["abort-mid-pause"]
    for connection in kept:
        connection.ctx.close()
    assert "fds more are open" in seen or Kind.FD_LEAKED.value in seen


def test_a_server_that_gives_a_client_the_answer_of_another() -> None:
    class Mixes(ByCallback):
        last: bytes | None = None

        def end(self, connection: Any, answer: bytes | None) -> None:
            answer, self.last = self.last or answer, answer
            super().end(connection, answer)

    assert "with an answer which is not its own" in failures(Mixes, "offload", notify="callback")["offload"]


def test_a_server_that_closes_twice() -> None:
    class Closes(ByFd):
        def end(self, connection: Any, answer: bytes | None) -> None:
            super().end(connection, answer)
            connection.client.close(answer)

    assert "client 1 (coroutine) was closed twice" in failures(Closes, "offload")["offload"]


def test_a_server_that_runs_a_handshake_twice() -> None:
    class Twice(ByFd):
        def start(self, client: CertifyClient) -> None:
            super().start(client)
            super().start(client)

    assert "was run twice" in failures(Twice, "offload")["offload"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for ever may be found sooner."""
    monkeypatch.setattr(real_time, "SLEPT_S", 0.2)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_waits_for_ever_in_real_time() -> None:
    class Waits(ByFd):
        def woken(self) -> list[Any]:
            self.poller.poll()
            return []

    assert "give a poll the timeout 0" in failures(Waits, "offload")["offload"]


@pytest.mark.usefixtures("impatient")
def test_a_server_that_waits_a_little_in_each_turn() -> None:
    class Waits(ByFd):
        def woken(self) -> list[Any]:
            select.select([], [], [], 0.05)
            return super().woken()

    assert "it has slept for" in failures(Waits, "offload")["offload"]


def test_a_turn_that_does_not_return(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_time, "COMPUTED_S", 0.2)
    monkeypatch.setattr(real_time, "SLEPT_S", WAIT_S)  # a machine that stands still may look like sleep

    class Counts(ByFd):
        def turn(self) -> None:
            with suppress(Exception):
                while True:
                    time.monotonic()

    assert "a call has not returned after" in failures(Counts, "offload")["offload"]


@pytest.mark.usefixtures("impatient")
def test_a_server_that_swallows_what_interrupts_it() -> None:
    class Swallows(ByFd):
        def turn(self) -> None:
            with suppress(BaseException):
                select.select([], [], [])

    assert "it has slept for" in failures(Swallows, "offload")["offload"]


def test_a_server_that_swallows_ctrl_c(accel: Accel) -> None:
    class Swallows(ByFd):
        def turn(self) -> None:
            with suppress(BaseException):
                signal.raise_signal(signal.SIGINT)
            super().turn()

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        accel.certify(Swallows)
    assert signal.getsignal(signal.SIGINT) is before


def test_without_enough_open_files_a_rush_does_not_apply(accel: Accel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda which: (1024, 1024))
    (verdict,) = accel.certify(ByFd, scenarios=["many-connects"]).verdicts
    assert (verdict.outcome, "the hard limit is 1,024" in verdict.seen) == ("does not apply", True)
