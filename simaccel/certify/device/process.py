"""The device process of `simaccel certify`: it serves a socket, and takes commands from the process that forked it."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from typing import Any, NoReturn

from simaccel.certify.device.script import Ending, Script, ScriptedServer, Treatment
from simaccel.certify.server_process.process_tree import die_with, keep_only

MOST_BYTES = 1 << 16
"""The largest message between the two processes."""


def serve(address: str, uids: tuple[int, ...], control: socket.socket, parent: int) -> NoReturn:
    """Serve until `control` is closed by the parent, or the parent is gone. For the child of a fork."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    keep_only(control.fileno())
    script = Script()
    try:
        server = ScriptedServer(address, depth=4096, uids=uids)
        server.follow(script)
        threading.Thread(target=script.work, daemon=True).start()
        threading.Thread(target=_obey, args=(control, script, server), daemon=True).start()
        server.serve()
    finally:
        os._exit(1)


def _obey(control: socket.socket, script: Script, server: ScriptedServer) -> NoReturn:
    try:
        control.send(b"{}")  # it is listening by now
        while data := control.recv(MOST_BYTES):
            answer = _carry_out(json.loads(data), script) | script.state()
            report = server.report()
            answer |= {"told": report["told"], "connects": report["connects"], "outstanding": report["in_flight"]}
            control.send(json.dumps(answer).encode())
    finally:
        os._exit(0)


def _carry_out(command: dict[str, Any], script: Script) -> dict[str, Any]:
    match command["do"]:
        case "follow":
            script.follow(Treatment(command["holding"], command["delay_ns"], Ending(command["ending"])))
        case "release":
            script.release(command["count"], command["order"], Ending(command["ending"]))
        case "wake":
            return {"woken": script.wake()}
    return {}
