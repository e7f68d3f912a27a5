"""Pictures of a real terminal for the pages: `python -m tests.docs.pictures` draws what the commands print.

Each command runs on a terminal of its own, so it prints what a person sees, colours included. Its figures are those of
the machine that it ran on.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "pictures"
COLUMNS = 100
PICTURES = {"run": "simaccel run --seed 7 --notify callback --virtual --latency preset:qat-dh895xcc"}
"""Name of the picture -> the command that it shows."""


def shown(command: str) -> str:
    """What the command prints on a terminal of COLUMNS columns, with its escape sequences."""
    head, *arguments = shlex.split(command)
    assert head == "simaccel"
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "simaccel", *arguments], stdout=theirs, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        os.close(theirs)
        printed = b""
        try:
            while part := os.read(ours, 65_536):
                printed += part
        except OSError:  # how a terminal tells that its last writer has gone
            pass
        os.close(ours)
    assert process.returncode == 0, f"{command} ended with {process.returncode}"
    return printed.decode().replace("\r\n", "\n")


def drawn(command: str, printed: str) -> str:
    """An SVG of a terminal that shows the command and what it printed. It names no font on another machine."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(printed), end="")
    svg = console.export_svg(title="simaccel", unique_id=command.split()[1])
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def main() -> None:
    """Draw all pictures anew."""
    FOLDER.mkdir(exist_ok=True)
    for name, command in PICTURES.items():
        (FOLDER / f"{name}.svg").write_text(drawn(command, shown(command)), encoding="utf-8")


if __name__ == "__main__":
    main()
