"""What is checked of each server.

1. Forty connections for each kind of certificate and version of TLS. The device counts exactly one signature for each,
   and as many key exchanges as the server should make; nothing is done in software, and the jobs pause, or the threads
   block, as the table says.
2. The device is killed under load and started again, three times. No connection fails, and the server uses each new
   device.
3. After that, neither a process of the server nor the device holds more fds than before.
4. The server is reloaded under load. It shows a new certificate, and signs for that on the device, counted exactly.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.bridge.tls import client_context
from tests.servers.load import VERSIONS, Load, under_load
from tests.servers.running import Running, running
from tests.servers.server import Server, Way
from tests.servers.talk import connect
from tests.waiting import wait_until

COUNT = 40
KILLS = 3
BETWEEN = 20
"""Connections before each kill, while the device is away, and after it is back."""
SLACK_FDS = 4
"""Files that a process may open late. A leak has one fd for each connection."""
KINDS = {"rsa": "rsa-sign", "ec": "ecdsa-sign"}
"""Kinds of certificates, and what the device counts for them."""


@dataclass(slots=True)
class Seen:
    """What was seen of one server. All checks have passed."""

    counted: int = 0
    """Connections for which the device counted exactly what it should."""
    killed: int = 0
    kills: int = 0
    """How many connections were made while the device was killed, and how often it was killed. No connection failed."""
    reloaded: int = 0
    """Connections during which the server was reloaded."""
    dropped: int = 0
    """How many of those failed. None, unless the entry says why."""


def check(server: Server, provider: Path, *, count: int = COUNT, kills: int = KILLS) -> dict[str, Any]:
    """Check a server with each kind of certificate. Returns what was seen, for JSON. Raises AssertionError."""
    seen = Seen()
    for kind in KINDS:
        with running(server, kind, provider) as run:
            _warm_up(run)
            before, device_before = run.server_fds(), run.device_fds()
            for version in VERSIONS:
                _exact(run, seen, count, version)
            _kill(run, seen, kills)
            wait_until(lambda: _all_use_it(run))
            _exact(run, seen, count, "TLS 1.3")
            _no_leak(run, before, device_before)
            _reload(run, seen)
            _exact(run, seen, count, "TLS 1.2")
    return asdict(seen)


def _connect(run: Running) -> partial[bytes]:
    return partial(connect, run.site.port, talk=run.server.talk)


def _warm_up(run: Running) -> None:
    wait_until(lambda: _serves(run))
    with under_load(_connect(run), run.server.at_once) as load:
        load.await_more(BETWEEN)
    assert load.failures == [], load.failures[:3]


def _serves(run: Running) -> bool:
    """Whether it serves a client: some accept connections before they can do that."""
    try:
        _connect(run)(client_context())
    except (OSError, AssertionError):
        assert run.process.pids(), "it has ended"
        return False
    return True


def _exact(run: Running, seen: Seen, count: int, version: str) -> None:
    before = run.report()
    _connections(run, version, count)
    after = run.report()
    done = _more(after["by_op"], before["by_op"])
    wanted = {KINDS[run.kind]: count, "x25519": count * (version in run.server.x25519)}
    assert done == {op: number for op, number in wanted.items() if number}, (version, done)
    told = _more(after["told"], before["told"])
    assert told.get("software", 0) == told.get("expired", 0) == 0, told
    if run.server.way is Way.PAUSES:
        assert told["pauses"] == told["offloaded"] + told.get("spurious", 0), told
    else:
        assert told["blocked"] == told["offloaded"], told
    assert told["offloaded"] == sum(done.values()), told
    seen.counted += count


def _connections(run: Running, version: str, count: int) -> None:
    with ThreadPoolExecutor(run.server.at_once) as pool:
        list(pool.map(_connect(run), [client_context(VERSIONS[version]) for _ in range(count)]))


def _more(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    """What was added, without zeros."""
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


def _kill(run: Running, seen: Seen, kills: int) -> None:
    with under_load(_connect(run), run.server.at_once) as load:
        for _ in range(kills):
            load.await_more(BETWEEN)
            run.kill_device()
            load.await_more(BETWEEN)
            run.start_device()
            wait_until(lambda: run.device.stat()["completed"] > 0 or not _all_well(load))
        load.await_more(BETWEEN)
    assert load.failures == [], load.failures[:3]
    seen.killed += load.connections
    seen.kills += kills


def _all_well(load: Load) -> bool:
    assert load.failures == [], load.failures[:3]
    return True


def _all_use_it(run: Running) -> bool:
    """Whether all processes of the server are connected again. Each tries that once a second, at an operation."""
    before = run.report()
    count = 4 * run.server.at_once
    _connections(run, "TLS 1.3", count)
    return _more(run.report()["by_op"], before["by_op"]).get(KINDS[run.kind], 0) == count


def _no_leak(run: Running, before: dict[int, int], device_before: int) -> None:
    def leaking() -> dict[int, tuple[int, int]]:
        now = run.server_fds()
        return {
            pid: (before[pid], now[pid]) for pid in before.keys() & now.keys() if now[pid] > before[pid] + SLACK_FDS
        }

    wait_until(lambda: not leaking() and run.device_fds() <= device_before)


def _reload(run: Running, seen: Seen) -> None:
    with under_load(_connect(run), run.server.at_once) as load:
        load.await_more(BETWEEN)
        run.new_certificate()
        run.server.reload(run.site, run.process.pid)
        if run.server.rereads:
            load.await_certificates(2)
        load.await_more(BETWEEN)
    assert load.failures == [] or run.server.drops, load.failures[:3]
    seen.reloaded += load.connections
    seen.dropped += len(load.failures)
