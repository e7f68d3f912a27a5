"""The table and the configurations in docs/servers.md, made from the entries and the results:
`python -m tests.servers.page`."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from tests.docs.pages import ROOT
from tests.servers.callers import CALLERS
from tests.servers.entries import SERVERS
from tests.servers.results import read
from tests.servers.server import Server
from tests.servers.strangers import STRANGERS

TARGET = ROOT / "docs" / "servers.md"
MARKS = ("<!-- {}: begin -->\n", "<!-- {}: end -->\n")
"""What stands around each part that is made."""
_HEAD = "| server | version | how | counted exactly | device killed | reloaded |\n|---|---|---|---|---|---|"


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each server that was run."""
    rows = [_row(server, results[name]) for name, server in SERVERS.items() if name in results]
    return "\n".join([_HEAD, *rows]) + "\n"


def _row(server: Server, seen: Mapping[str, Any]) -> str:
    name = f"[{server.title}](#{_anchor(server.title)})"
    version = str(seen["version"]).partition(":")[2] or seen["version"]
    killed = f"{seen['kills']} times in {seen['killed']:,} connections, none failed"
    dropped = f"{seen['dropped']:,} dropped" if seen["dropped"] else "none dropped"
    reloaded = f"in {seen['reloaded']:,} connections, {dropped}"
    return f"| {name} | {version} | {server.way} | {seen['counted']} connections | {killed} | {reloaded} |"


def strangers(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each server that can't use the device."""
    head = "| program | package | connections | operations on the device | why |\n|---|---|---|---|---|"
    rows = []
    for name, stranger in STRANGERS.items():
        seen = results[name]
        version = str(seen["version"]).partition(":")[2] or seen["version"]
        counts = f"{seen['connections']} | {seen['operations']}"
        rows.append(f"| {stranger.title} | {stranger.packages[0]} {version} | {counts} | {stranger.why} |")
    return "\n".join([head, *rows]) + "\n"


def callers(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each program that waits by callback."""
    head = (
        "| program | version | counted exactly | called back after a full ring | device killed |\n|---|---|---|---|---|"
    )
    rows = []
    for name, caller in CALLERS.items():
        seen = results[name]
        killed = f"{seen['kills']} times, nothing failed"
        counts = f"{seen['counted']} operations | {seen['full']} times | {killed}"
        rows.append(f"| {caller.title} | {seen['version']} | {counts} |")
    return "\n".join([head, *rows]) + "\n"


def _anchor(title: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def sections() -> str:
    """What each server needs, and the configuration that was run."""
    return "\n".join(_section(server) for server in SERVERS.values())


def _section(server: Server) -> str:
    shown = server.files[server.shown] if server.shown else " ".join(server.command)
    text = shown.replace("@folder@", "/etc/tls").replace("@other@", "5199").replace("@port@", str(server.port))
    reload = f"Reload it with {server.reloads}." if server.reloads else ""
    said = " ".join(sentence for sentence in (server.needs, reload, server.drops) if sentence)
    said = fill(said, 120, break_long_words=False, break_on_hyphens=False)
    return f"### {server.title}\n\n{said}\n\n```text\n{text.rstrip()}\n```\n"


def page(text: str) -> str:
    """The page with what is made in its places. ValueError if there is no place for it."""
    results = read()
    made = f"{table(results)}\n## What can't use it\n\n{strangers(results)}\n## Configurations\n\n{sections()}"
    for part, lines in {"servers": made, "callers": callers(results)}.items():
        begin, end = (mark.format(part) for mark in MARKS)
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = before + begin + lines + end + after
    return text


if __name__ == "__main__":
    TARGET.write_text(page(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
