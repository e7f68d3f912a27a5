"""System calls for one operation in real time, as strace counts them. They include both threads and the GIL.

Unlike exact_counts.py, these depend on the machine, on its load, and on strace, which slows down every call.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from simaccel.bench import child_process
from simaccel.bench.null_operations import jobs_ns
from simaccel.bench.rig import Rig

_JOBS, _FEW, _MANY = 64, 20, 120


def measure(rig: Rig, notify: str, stackless: bool) -> dict[str, float]:
    """The calls for an operation, by name, the most frequent first. Empty if there is no strace, or it is not
    allowed."""
    few, many = (_traced(rig, notify, stackless, each) for each in (_FEW, _MANY))
    if few is None or many is None:
        return {}
    each = {name: (count - few.get(name, 0)) / (_JOBS * (_MANY - _FEW)) for name, count in many.items()}
    found = {name: round(count, 3) for name, count in each.items() if count >= 0.005}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _traced(rig: Rig, notify: str, stackless: bool, each: int) -> dict[str, int] | None:
    strace = shutil.which("strace")
    if strace is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report")
        load = child_process.command(jobs_ns, rig, notify, stackless, _JOBS, each)
        command = [strace, "-f", "-c", "-U", "calls,name", "-o", str(report), *load]
        if subprocess.run(command, capture_output=True).returncode:
            return None
        counts = {}
        for line in report.read_text().splitlines():
            words = line.split()
            if len(words) == 2 and words[0].isdigit() and words[1] != "total":
                counts[words[1]] = int(words[0])
        return counts
