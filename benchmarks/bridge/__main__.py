"""`python -m benchmarks.bridge [ROUNDS]`: the figures of the bridge, and whether they reach their targets.

Software and device are measured side by side in interleaved rounds. Needs gcc, make, openssl and HAProxy. A round takes
30 s. On a machine that is not idle the figures mean little, so its load is printed with them. A ratio is the median of
the ratios of the rounds, because a busy machine slows down a whole round.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.bridge import haproxy
from benchmarks.bridge.processes import ROOT, ServedDevice, compile_null_client
from benchmarks.bridge.speed import SECONDS, sign, sign_in_processes
from simaccel.cli.commands.openssl import configuration

Round = dict[str, tuple[float, float]]
"""For each thing that was measured: a rate, and for programs the processor time that they took."""


def main() -> None:
    """Prints the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    subprocess.run(["make", "-s", "-C", str(ROOT / "provider")], check=True, stdout=subprocess.DEVNULL)
    one, two = ServedDevice(f"@simaccel-bench-1-{os.getpid()}", 1), ServedDevice(f"@simaccel-bench-2-{os.getpid()}", 2)
    try:
        with tempfile.TemporaryDirectory() as folder:
            measured = _measured(Path(folder), one, two)
            load = os.getloadavg()[0]
            _print([_round(measured) for _ in range(rounds)], load)
    finally:
        one.close()
        two.close()


def _measured(folder: Path, one: ServedDevice, two: ServedDevice) -> dict[str, Callable[[], tuple[float, float]]]:
    config = folder / "openssl.cnf"
    config.write_text(configuration(ROOT / "provider" / "build" / "simaccel.so", one.name))
    software = {"PATH": os.environ["PATH"]}
    accelerated = software | {"OPENSSL_CONF": str(config)}
    on_two = accelerated | {"SIMACCEL_SOCKET": two.name}
    client = compile_null_client(folder / "null_client")
    bench = haproxy.Bench(folder, accelerated, software)

    def null() -> tuple[float, float]:
        done = subprocess.run([str(client), one.name, "64", str(SECONDS)], capture_output=True, check=True, text=True)
        return float(done.stdout), 0.0

    def serve(way: str) -> Callable[[], tuple[float, float]]:
        return lambda: bench.serve(way)

    return {
        "null, batch 64": null,
        "rsa2048 software": lambda: sign("rsa2048", software, None),
        "rsa2048 async 64, one worker": lambda: sign("rsa2048", accelerated, 64),
        "rsa2048 async 64, two workers": lambda: sign("rsa2048", on_two, 64),
        "rsa2048 software, two processes": lambda: sign_in_processes("rsa2048", software, 2),
        "ecdsap256 software": lambda: sign("ecdsap256", software, None),
        "ecdsap256 async 8": lambda: sign("ecdsap256", accelerated, 8),
        **{f"haproxy {way}": serve(way) for way in haproxy.WAYS},
    }


def _round(measured: dict[str, Callable[[], tuple[float, float]]]) -> Round:
    return {name: measure() for name, measure in measured.items()}


def _print(rounds: list[Round], load: float) -> None:
    for name in rounds[0]:
        rate = statistics.median(found[name][0] for found in rounds)
        cpu = statistics.median(found[name][1] for found in rounds)
        unit = " us of HAProxy each" if "haproxy" in name else " cores in the calling process"
        print(f"{name:34}{rate:>12,.0f}/s" + (f"{cpu:>9.2f}{unit}" if cpu else ""))
    print(f"load of the machine at the start: {load:.1f} on {os.cpu_count()} cores\n")

    def ratio(name: str, to: str, of: int = 0) -> float:
        return statistics.median(found[name][of] / found[to][of] for found in rounds)

    busy = statistics.median(found["rsa2048 async 64, one worker"][1] for found in rounds)
    null = statistics.median(found["null, batch 64"][0] for found in rounds)
    for row, figure, target in (
        ("null operations/s, batch 64", null, 400_000),
        ("rsa2048 async 64, one worker / software", ratio("rsa2048 async 64, one worker", "rsa2048 software"), 0.95),
        ("    cores busy in the calling process", busy, -0.1),
        ("rsa2048 async 64, two workers / software", ratio("rsa2048 async 64, two workers", "rsa2048 software"), 1.7),
        ("    two processes in software / one", ratio("rsa2048 software, two processes", "rsa2048 software"), 0),
        ("ecdsap256 async 8 / software", ratio("ecdsap256 async 8", "ecdsap256 software"), 0.8),
        ("haproxy async / software", ratio("haproxy async", "haproxy software"), 1.0),
        ("haproxy async / without async", ratio("haproxy async", "haproxy without async"), 1.25),
        ("    its CPU a handshake, async / software", ratio("haproxy async", "haproxy software", 1), -0.55),
    ):
        _print_row(row, figure, target)


def _print_row(row: str, figure: float, target: float) -> None:
    """A negative target is an upper limit. 0 means that there is no target."""
    text = f"{row:44}{figure:>12,.2f}"
    if target:
        reached = figure >= target if target > 0 else figure <= -target
        bound = f"at least {target:,}" if target > 0 else f"at most {-target}"
        text += f"  target {bound:>18}  {'reached' if reached else 'NOT reached'}"
    print(text)


if __name__ == "__main__":
    main()
