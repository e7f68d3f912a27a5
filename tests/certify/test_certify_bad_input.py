"""What can't be judged gets one clear line, and nothing is left running, whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from simaccel.certify.server_process.process_tree import descendants
from tests.bridge.tls import free_port
from tests.bridge.toolbox import PATH, ROOT, Toolbox
from tests.certify.servers import Workshop, certify, simaccel_certify
from tests.limits import WAIT_S
from tests.waiting import wait_until

WRONG = [
    (["--connect", "4433"], "--connect 4433", "127.0.0.1:4433"),
    (["--connect", "127.0.0.1:0"], "port 0", "1 to 65535"),
    (["--scenario", "ring-ful"], "'ring-ful'", "did you mean ring-full?"),
    (["--scenario", "x"], "'x'", "use one of offload"),
    (["--reload-signal", "NONE"], "'NONE'", "such as HUP"),
    (["--stop-signal", "999"], "'999'", "such as HUP"),
    (["--connects", "0"], "--connects 0", "1 to 20,000"),
    (["--limit", "0"], "--limit 0", "above 0"),
    (["--limit", "soon"], "'soon'", "no number"),
    (["--seed", "-1"], "--seed -1", "0 to"),
    (["--user", "nobody-here"], "nobody-here", "give the name of one"),
    (["--json", "/no/such/folder/x"], "/no/such/folder/x", "can be written"),
    (["--junit", "/"], "--junit /", "can be written"),
    (["--client-certificate", "/no/such/file"], "/no/such/file", "that can be read"),
]


@pytest.mark.parametrize(("arguments", "value", "cure"), WRONG, ids=lambda part: " ".join(part) if part else None)
def test_wrong_usage(toolbox: Toolbox, arguments: list[str], value: str, cure: str) -> None:
    _refused(simaccel_certify(*arguments, "--", "true", toolbox=toolbox), value, cure)


def _refused(done: tuple[int, str, str], *parts: str) -> None:
    code, out, err = done
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("simaccel: ")
    for part in parts:
        assert part in line


def test_no_command(toolbox: Toolbox) -> None:
    _refused(simaccel_certify(toolbox=toolbox), "give the server's command after --")


def test_a_command_that_is_not_there(toolbox: Toolbox) -> None:
    _refused(simaccel_certify("--", "/no/such/server", toolbox=toolbox), "/no/such/server can't be run", "No such file")


def test_a_server_that_never_listens(toolbox: Toolbox) -> None:
    port = free_port()
    done = simaccel_certify(
        *("--connect", f"127.0.0.1:{port}", "--limit", "0.5", "--", "sh", "-c", "echo I am well; exec sleep 1000"),
        toolbox=toolbox,
    )
    _refused(done, f"nobody listens at 127.0.0.1:{port} after 0 s", "another port than --connect", "I am well")


def test_a_server_that_ends_at_once(toolbox: Toolbox) -> None:
    """As one does whose configuration can't be read: its last line says so."""
    port = free_port()
    done = simaccel_certify(
        *("--connect", f"127.0.0.1:{port}", "--", "openssl", "s_server", "-accept", f"127.0.0.1:{port}"),
        *("-cert", "/no/such/certificate.pem"),
        toolbox=toolbox,
    )
    _refused(done, "the server ended at once with exit code 1", "/no/such/certificate.pem")


def test_a_host_that_is_not_known(toolbox: Toolbox) -> None:
    done = simaccel_certify("--connect", "nobody.invalid:4433", "--", "sleep", "1000", toolbox=toolbox)
    _refused(done, "--connect nobody.invalid:4433")


def test_a_port_in_use(toolbox: Toolbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = simaccel_certify("--connect", f"127.0.0.1:{port}", "--", "sleep", "1000", toolbox=toolbox)
    _refused(done, f"something listens at 127.0.0.1:{port} already")


def test_a_server_that_does_not_use_the_device(workshop: Workshop, toolbox: Toolbox) -> None:
    code, result = certify(workshop.ours("fd", "offload"), toolbox, "offload", "error")
    offload, error = result["verdicts"]
    assert code == 1
    assert "no operation has come to it" in offload["seen"]
    assert error["outcome"] == "does not apply"


def test_what_speaks_no_tls(toolbox: Toolbox) -> None:
    port = free_port()
    script = (
        f"import socket\nlistener = socket.create_server(('127.0.0.1', {port}))\n"
        "while True:\n    peer = listener.accept()[0]\n    peer.sendall(b'220 hello\\r\\n')\n    peer.close()\n"
    )
    code, out, _ = simaccel_certify(
        *("--connect", f"127.0.0.1:{port}", "--scenario", "error", "--", sys.executable, "-c", script), toolbox=toolbox
    )
    assert code == 1
    assert "a handshake failed" in out


@pytest.mark.skipif(os.geteuid() != 0, reason="the limit is lowered for good, which only root can do for a child alone")
def test_a_hard_limit_of_open_files(workshop: Workshop, toolbox: Toolbox) -> None:
    subject = workshop.ours()
    words = [sys.executable, "-m", "simaccel", "certify", "server", "--connect", f"127.0.0.1:{subject.port}"]
    words += ["--scenario", "many-connects", "--scenario", "tls-1.3", "--", *subject.command]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 300; exec "$@"', "sh", *words],
        env=_environment(toolbox),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "only root can raise the hard limit of 300: give fewer with --connects" in done.stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_nothing_is_left_running(toolbox: Toolbox, tmp_path: Path, how: signal.Signals) -> None:
    """The server has a child that is a daemon in a session of its own, and ignores what asks it to end. It takes
    connections and never answers, so that it is being waited for whenever the signal comes."""
    port = free_port()
    answers_never = f"import signal, socket\nlistener = socket.create_server(('127.0.0.1', {port}))\nsignal.pause()"
    said = tmp_path / "pid"
    daemon = f"trap '' HUP INT TERM; echo $$ >{said}.new; mv {said}.new {said}; while :; do sleep 1000; done"
    words = [sys.executable, "-m", "simaccel", "certify", "server", "--connect", f"127.0.0.1:{port}"]
    words += ["--limit", str(int(WAIT_S)), "--", "sh", "-c", 'setsid sh -c "$0" & exec "$@"', daemon]
    folder = tmp_path / "tmp"
    folder.mkdir()
    process = subprocess.Popen(
        [*words, sys.executable, "-c", answers_never],
        env={**_environment(toolbox), "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        wait_until(lambda: said.exists() and _listens(port))
        started = [*descendants(process.pid), int(said.read_text())]
        process.send_signal(how)
        _, err = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == (130 if how is signal.SIGINT else -how)
    assert b"Traceback" not in err
    assert len(set(started)) >= 4, "the device, the keeper, the server, its daemon"
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in started))
    left = list(folder.glob("simaccel-certify-*"))
    assert len(left) == (how != signal.SIGINT), "only Python's handler of Ctrl-C lets it tidy up"


def _environment(toolbox: Toolbox) -> dict[str, str]:
    return {"SIMACCEL_MODULE": str(toolbox.provider), "PATH": PATH, "PYTHONPATH": str(ROOT)}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
