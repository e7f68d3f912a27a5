"""What a TLS 1.3 handshake costs a server: RSA and elliptic curves, ML-DSA and ML-KEM; software, blocking and async.

`python -m benchmarks.post_quantum PREFIX [ROUNDS]`. PREFIX is an OpenSSL of 3.5 or later with headers, see
tests/bridge/build_openssl.sh and debian_openssl.sh. A round takes half a minute, and all contenders take turns in it. A
ratio is the median of the rounds' own ratios.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.bridge.processes import ROOT, ServedDevice
from simaccel.cli.commands.openssl import configuration
from tests.bridge.toolbox import Installed, Toolbox

SECONDS = 0.5
CERTIFICATES = {
    "RSA-2048": ["rsa:2048"],
    "ECDSA P-256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ML-DSA-44": ["ML-DSA-44"],
    "ML-DSA-65": ["ML-DSA-65"],
    "ML-DSA-87": ["ML-DSA-87"],
}
GROUPS = ("X25519", "X25519MLKEM768")
WAYS = ("software", "blocking", "async")
BASE = ("RSA-2048", "X25519", "software")

Cost = tuple[float, float]
"""Of one handshake, in us: processor time of the server's calls, and how long they kept its thread."""
Round = dict[tuple[str, str, str], Cost]


def main() -> None:
    """Prints the table."""
    openssl = Installed(str(Path(sys.argv[1]).resolve()))
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    device = ServedDevice(f"@simaccel-bench-{os.getpid()}", 1)
    try:
        with tempfile.TemporaryDirectory() as name:
            found = _measure(Path(name), openssl, device.name, rounds)
    finally:
        device.close()
    _print(found)


def _measure(folder: Path, openssl: Installed, address: str, rounds: int) -> list[Round]:
    tools = Toolbox.build_provider(folder, openssl)
    program = folder / "handshakes"
    source = ROOT / "benchmarks" / "post_quantum" / "handshakes.c"
    compile_line = ["cc", "-O2", "-Wall", "-Wextra", *openssl.flags, "-o", str(program), str(source)]
    subprocess.run([*compile_line, "-lssl", "-lcrypto"], check=True)
    config = folder / "device.cnf"
    config.write_text(configuration(tools.provider, address))
    software = {"PATH": openssl.path, "OPENSSL_CONF": os.devnull}
    # Without fallback: if the device does not answer, the run ends, instead of measuring software in its place.
    accelerated = software | {"OPENSSL_CONF": str(config), "SIMACCEL_FALLBACK": "no"}
    environments = {way: software if way == "software" else accelerated for way in WAYS}
    for name, kind in CERTIFICATES.items():
        pem = folder / name
        request = ["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-subj", "/CN=localhost", "-keyout", "-"]
        config_less = {"PATH": openssl.path, "OPENSSL_CONF": str(ROOT / "benchmarks" / "post_quantum" / "req.cnf")}
        pem.write_bytes(subprocess.run(request, env=config_less, capture_output=True, check=True).stdout)

    def cost(name: str, group: str, way: str) -> Cost:
        mode = "async" if way == "async" else "blocking"
        command = [str(program), str(folder / name), group, mode, str(SECONDS)]
        done = subprocess.run(command, env=environments[way], stdout=subprocess.PIPE, check=True, text=True)
        cpu, kept = done.stdout.split()
        return float(cpu), float(kept)

    cases = [(name, group, way) for name in CERTIFICATES for group in GROUPS for way in WAYS]
    return [{case: cost(*case) for case in cases} for _ in range(rounds)]


def _print(rounds: list[Round]) -> None:
    base = statistics.median(found[BASE][0] for found in rounds)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {len(rounds)} rounds")
    print(f"1 is the processor time of {', '.join(BASE)}: {base:,.0f} us\n")
    print("| certificate | group | software: CPU | blocking: CPU | blocking: thread | async: CPU | async: thread |")
    print("|---|---|---|---|---|---|---|")
    for name in CERTIFICATES:
        for group in GROUPS:
            cells = []
            for way, of in (("software", 0), ("blocking", 0), ("blocking", 1), ("async", 0), ("async", 1)):
                ratios = [found[name, group, way][of] / found[BASE][0] for found in rounds]
                cells.append(f"{statistics.median(ratios):.2f}")
            print(f"| {name} | {group} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
