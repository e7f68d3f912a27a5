"""The bridge's figures, software and device side by side in interleaved rounds; medians, and whether the target is met.

`python -m benchmarks.bridge [ROUNDS]`. Needs gcc, make and openssl. On a machine that is not idle the figures
mean little, so its load is printed with them.
"""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from engine.cli.openssl import CONFIG

ROOT = Path(__file__).parent.parent.parent
SECONDS = 2


class Device:
    """`simaccel serve` with so many workers."""

    def __init__(self, name: str, workers: int) -> None:
        self.name = name
        command = [sys.executable, "-m", "sim.bridge", name, str(workers)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def close(self) -> None:
        """Stops it."""
        self.process.terminate()
        self.process.communicate()


def speed(algorithm: str, environment: dict[str, str], jobs: int | None) -> tuple[float, float]:
    """Signatures a second by the wall clock, and the cores that the calling process kept busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    asynchronous = [] if jobs is None else ["-async_jobs", str(jobs)]
    # Signing only: verification is software in any case, and speed can't leave it out.
    command = ["openssl", "speed", "-elapsed", "-seconds", str(SECONDS), *asynchronous, algorithm]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # The last line: '... 0.000302s 0.000017s   3315.5  59569.0' or, for elliptic curves, the same with a name in front.
    signed = float(re.findall(r"([\d.]+)\s+[\d.]+\s*$", done.stdout.strip())[0])
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return signed, max(0.0, cpu_s - SECONDS) / SECONDS


def main() -> None:
    """Prints the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    subprocess.run(["make", "-s", "-C", str(ROOT / "provider")], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder:
        client = Path(folder) / "batch_client"
        sources = [
            Path(__file__).with_name("batch_client.c"),
            *(ROOT / "provider" / f for f in ("handshake.c", "settings.c")),
        ]
        subprocess.run(["cc", "-O2", "-o", str(client), *map(str, sources)], check=True)
        config = Path(folder) / "openssl.cnf"
        one, two = Device(f"@simaccel-bench-1-{os.getpid()}", 1), Device(f"@simaccel-bench-2-{os.getpid()}", 2)
        config.write_text(CONFIG.format(module=ROOT / "provider" / "build" / "simaccel.so", socket=one.name))
        try:
            _measure(rounds, client, config, one, two)
        finally:
            one.close()
            two.close()


def _measure(rounds: int, client: Path, config: Path, one: Device, two: Device) -> None:
    software = {"PATH": os.environ["PATH"]}
    accelerated = software | {"OPENSSL_CONF": str(config)}
    on_two = accelerated | {"SIMACCEL_SOCKET": two.name}

    def null() -> float:
        command = [str(client), one.name, "64", str(SECONDS)]
        return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    measured: dict[str, Callable[[], tuple[float, float]]] = {
        "null, batch 64": lambda: (null(), 0.0),
        "rsa2048 software": lambda: speed("rsa2048", software, None),
        "rsa2048 async 64, one worker": lambda: speed("rsa2048", accelerated, 64),
        "rsa2048 async 64, two workers": lambda: speed("rsa2048", on_two, 64),
        "ecdsap256 software": lambda: speed("ecdsap256", software, None),
        "ecdsap256 async 8": lambda: speed("ecdsap256", accelerated, 8),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in measured}
    for _ in range(rounds):
        for name, measure in measured.items():
            found[name].append(measure())
    rate = {name: statistics.median(value for value, _ in values) for name, values in found.items()}
    busy = {name: statistics.median(cores for _, cores in values) for name, values in found.items()}
    rsa, ecdsa = rate["rsa2048 software"], rate["ecdsap256 software"]
    rows = [
        ("null operations/s, batch 64", rate["null, batch 64"], 400_000),
        ("rsa2048 async 64, one worker / software", rate["rsa2048 async 64, one worker"] / rsa, 0.95),
        ("rsa2048 async 64, two workers / software", rate["rsa2048 async 64, two workers"] / rsa, 1.7),
        ("ecdsap256 async 8 / software", rate["ecdsap256 async 8"] / ecdsa, 0.7),
    ]
    for name, value in rate.items():
        print(f"{name:32}{value:>12,.0f}/s")
    print(f"cores busy in the calling process, rsa2048 async 64: {busy['rsa2048 async 64, one worker']:.2f}")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    for row, figure, target in rows:
        print(f"{row:44}{figure:>12,.2f}  target {target:>10,}  {'reached' if figure >= target else 'NOT reached'}")


if __name__ == "__main__":
    main()
