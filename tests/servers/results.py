"""What was seen of the servers, in a file of the repository: results.json, by name."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "results.json"

Results = dict[str, dict[str, Any]]


def read(file: Path = FILE) -> Results:
    """Read all results. There are none if there is no file."""
    results: Results = json.loads(file.read_text()) if file.exists() else {}
    return results


def add(name: str, version: str, openssl: str, seen: dict[str, Any], file: Path = FILE) -> None:
    """Replace what is known of a server, by what was seen today."""
    row = {"version": version, "openssl": openssl, "date": f"{datetime.now(UTC):%Y-%m-%d}", **seen}
    results = read(file) | {name: row}
    file.write_text(json.dumps(dict(sorted(results.items())), indent=2) + "\n")
