"""The GitHub Action: its steps run as a runner runs them, in order, with the PATH that each leaves to the next."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.limits import WAIT_S, patient_variables
from tests.project.source import ROOT

pytestmark = [
    pytest.mark.in_ci,  # pip and its index take longer than all other tests of this folder
    pytest.mark.watchdog(900),
    pytest.mark.xdist_group("wheel_provider"),
]

ACTION = ROOT / ".github" / "actions" / "simaccel" / "action.yml"
SIGNATURE = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout /dev/null -out certificate.pem"


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the action."""

    name: str
    inputs: dict[str, str]
    """The environment: a variable, and the input that it is set to."""
    condition: str | None
    script: str


def steps() -> list[Step]:
    """Those of the file. It is YAML of which we use little, so that this reads it all."""
    found = []
    for text in re.split(r"^    - ", ACTION.read_text(), flags=re.MULTILINE)[1:]:
        name, script = re.search(r"^name: (.*)$", text, re.MULTILINE), text.partition("      run: |\n")[2]
        condition = re.search(r"^      if: inputs\.(\w+) != ''$", text, re.MULTILINE)
        assert name is not None
        assert "      shell: bash\n" in text
        inputs = dict(re.findall(r"^        (\w+): \$\{\{ inputs\.(\w+) \}\}$", text, re.MULTILINE))
        found.append(Step(name[1], inputs, condition and condition[1], re.sub("^        ", "", script, flags=re.M)))
    return found


class Runner:
    """Runs the steps in a folder, as a job of GitHub does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("temp", "work", "python"):
            (folder / name).mkdir()
        # The python3 of the machine may be too old.
        (folder / "python" / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
        self._path = f"{folder / 'python'}:/usr/bin:/bin"

    def run(self, step: Step, **inputs: str) -> subprocess.CompletedProcess[str]:
        """Run a step, and take over what it adds to the PATH."""
        added = self._folder / "path"
        added.write_text("")
        environment = {
            "PATH": self._path,
            "GITHUB_ACTION_PATH": str(ACTION.parent),
            "GITHUB_PATH": str(added),
            "RUNNER_TEMP": str(self._folder / "temp"),
            # What simaccel needs comes from this environment: test_wheel.py tests that it can be installed.
            "PIP_NO_DEPS": "1",
            "PYTHONPATH": sysconfig.get_path("purelib"),
            **patient_variables(),
            **{variable: inputs.get(name, "") for variable, name in step.inputs.items()},
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.script],
            env=environment,
            cwd=self._folder / "work",
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        self._path = ":".join([*reversed(added.read_text().split()), self._path])
        return done


@pytest.fixture(scope="module")
def runner(wheel_with_provider: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """After the first step."""
    runner = Runner(tmp_path_factory.mktemp("runner"))
    install, _ = steps()
    done = runner.run(install, wheel=str(wheel_with_provider))
    assert done.returncode == 0, done.stdout + done.stderr
    return runner


def test_each_input_is_used_and_described() -> None:
    declared = re.findall(r"^  (\w+):\n    description: .+\n    default: ''$", ACTION.read_text(), re.MULTILINE)
    used = {name for step in steps() for name in step.inputs.values()}
    assert set(declared) == used == {"run", "device", "wheel"}
    assert [step.condition for step in steps()] == [None, "run"]


def test_a_program_runs_on_the_device(runner: Runner) -> None:
    done = runner.run(steps()[1], run=f"test -n x\n{SIGNATURE}", device="--fault fail:every=2 --seed 3")
    assert done.returncode == 0, done.stderr
    assert "rsa-sign" in done.stderr


@pytest.mark.parametrize(
    ("run", "status"),
    [("true", 125), (f"{SIGNATURE}; exit 3", 3), ("false; true", 1), ("no-such-program | cat", 127)],
    ids=["nothing done on the device", "fails", "fails in the middle", "fails in a pipe"],
)
def test_the_step_fails_with_the_program_and_if_that_does_not_use_the_device(
    runner: Runner, run: str, status: int
) -> None:
    assert runner.run(steps()[1], run=run).returncode == status


def test_a_job_may_use_it_again(runner: Runner, wheel_with_provider: Path) -> None:
    """For example with other options of the device."""
    for step in steps():
        done = runner.run(step, wheel=str(wheel_with_provider), run=SIGNATURE, device="--latency fixed:1us")
        assert done.returncode == 0, done.stdout + done.stderr


def test_later_steps_keep_their_python(runner: Runner) -> None:
    before = runner.run(Step("", {}, None, "command -v python3; command -v simaccel"))
    python, simaccel = before.stdout.split()
    assert Path(python).parent != Path(simaccel).parent
    assert [path.name for path in Path(simaccel).parent.iterdir()] == ["simaccel"]
