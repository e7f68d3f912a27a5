"""The device as a process of its own, and the processor time that a process has used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


class ServedDevice:
    """`simaccel serve` with this many workers."""

    def __init__(self, name: str, workers: int) -> None:
        self.name = name
        command = [sys.executable, "-m", "simaccel.bridge", name, str(workers)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def close(self) -> None:
        """Stops it."""
        self.process.terminate()
        self.process.communicate()


def cpu_s(pid: int) -> float:
    """The processor time in seconds, user and system, of all living threads of a process, exact to a nanosecond."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def compile_null_client(out: Path, built: Path = ROOT / "provider" / "build") -> Path:
    """Compiles batch_client.c, with the object files of the provider that `make` has put into this folder.

    It gets all of the provider, so it links whatever file a function stands in.
    """
    objects = [str(built / f"{source.stem}.o") for source in sorted((ROOT / "provider").glob("*.c"))]
    return compile_c(Path(__file__).with_name("batch_client.c"), out, *objects, "-lcrypto", "-ldl", "-pthread")


def compile_c(source: Path, out: Path, *more: str) -> Path:
    """Compiles a program of this folder."""
    subprocess.run(["cc", "-O2", "-o", str(out), str(source), *more], check=True)
    return out
