"""The commands of `simaccel`, run to their end as users run them."""

from __future__ import annotations

import os
import subprocess
import sys

from tests import forked
from tests.bridge.toolbox import PATH, ROOT
from tests.limits import WAIT_S, patient_variables


def simaccel(
    *arguments: str, address: str = "", check: bool = False, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs `simaccel` with these arguments. `address`: of the device, if it is no argument. `check`: that it exits 0.

    Of the environment variables that begin with SIMACCEL_ it sees only those that are given, and how patient a provider
    is.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIMACCEL_")}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "PATH": f"{PATH}:{environment['PATH']}",
        **patient_variables(),
        **({"SIMACCEL_SOCKET": address} if address else {}),
        **variables,
    }
    if "OPENSSL_CONF" in environment:  # only a new interpreter reads it
        command = [sys.executable, "-m", "simaccel", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, timeout=WAIT_S, check=False)
    else:
        done = forked.run("simaccel", *arguments, environment=environment)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0 or not check, err
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)
