"""Plays scenarios on a server. Each gets a fresh server and a fresh device, so that none depends on another."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from simaccel.certify.catalogue import CATALOGUE
from simaccel.certify.certificates import write_client_certificate
from simaccel.certify.clients import Clients
from simaccel.certify.device.handle import DeviceGone, ScriptedDevice
from simaccel.certify.manner import PROBED, DoesNotApply, Failed, Manner, Way, check_applies
from simaccel.certify.results.verdict import CertifyVerdict, Decision, Result
from simaccel.certify.scenarios.scenario import BASE, ServerScenario
from simaccel.certify.server_process.resources import NotOurs
from simaccel.certify.server_process.server import CannotStart, ServerProcess
from simaccel.certify.stage import Stage
from simaccel.certify.target import Target
from simaccel.cli.commands.openssl import configuration
from simaccel.cli.openssl_setup.diagnosis import diagnose
from simaccel.cli.openssl_setup.exec_program import environment_of_caller
from simaccel.cli.openssl_setup.running_process import Process


class Certification:
    """Scenarios played on one server."""

    def __init__(self, target: Target, module: Path, folder: Path, seed: int) -> None:
        """`module`: the provider. `folder`: for configurations and output; the server must be able to read it."""
        self.target = target
        self.seed = seed
        self._module = module
        self._folder = folder
        self._certificate = target.certificate or folder / "client.pem"
        if target.certificate is None:
            write_client_certificate(self._certificate)

    def play(
        self, scenarios: Sequence[ServerScenario], again: Callable[[str], str], tell: Callable[[CertifyVerdict], object]
    ) -> Result:
        """Play them. `tell` gets each verdict as it comes; `again` returns the command that plays one scenario alone.

        Blocks. Raises CannotStart if the server can't be judged at all.
        """
        manner = self._probe()
        verdicts = []
        for scenario in scenarios:
            verdict = self._verdict(scenario, manner, again(scenario.name))
            verdicts.append(verdict)
            tell(verdict)
        return Result(" ".join(self.target.command), manner.summary, self.seed, tuple(verdicts))

    def _probe(self) -> Manner:
        """Find out how the server waits for the device."""
        unknown = Manner(Way.PAUSES, True)
        with self._stage("probe", BASE, unknown) as stage:
            try:
                for _ in range(2):
                    stage.handshakes()
            except Failed:  # not raised here: the scenarios will report it, one by one
                return unknown
            told = stage.device.state().told
            if not stage.device.state().done:
                return Manner(Way.UNUSED, False, _why_unused(stage.server))
            if not told.get("pauses"):
                return Manner(Way.BLOCKS, False)
            return Manner(Way.PAUSES, self._is_parallel(stage))

    def _is_parallel(self, stage: Stage) -> bool:
        try:
            stage.paused(PROBED)
        except Failed:
            return False
        return True

    def _verdict(self, scenario: ServerScenario, manner: Manner, again: str) -> CertifyVerdict:
        begun_s = time.monotonic()
        outcome, since_s = Decision.PASSED, 0.0
        try:
            check_applies(scenario.name, scenario.whom, manner)
            with self._stage(scenario.name, {**BASE, **scenario.settings}, manner) as stage:
                try:
                    stage.warm_up()
                    scenario.play(stage)
                    stage.calm()
                    seen = "; ".join(stage.notes)
                except (Failed, DeviceGone, NotOurs) as failed:
                    outcome, seen = Decision.FAILED, str(failed)
                    since_s = time.monotonic() - stage.since_s
        except DoesNotApply as reason:
            outcome, seen = Decision.DOES_NOT_APPLY, str(reason)
        except (Failed, CannotStart, DeviceGone) as failed:
            outcome, seen = Decision.FAILED, str(failed)
        took_s = time.monotonic() - begun_s
        stands_for = CATALOGUE[scenario.name].stands_for
        return CertifyVerdict(scenario.name, scenario.what, outcome, seen, since_s, took_s, again, stands_for)

    @contextmanager
    def _stage(self, name: str, settings: Mapping[str, object], manner: Manner) -> Iterator[Stage]:
        with ExitStack() as opened:
            device = opened.enter_context(ScriptedDevice(self.target.uids))
            config = self._folder / f"{name}.cnf"
            config.write_text(configuration(self._module, device.address, settings))
            environment = {
                name: value for name, value in environment_of_caller().items() if not name.startswith("SIMACCEL_")
            }
            environment["OPENSSL_CONF"] = str(config)
            server = opened.enter_context(ServerProcess(self.target, environment, self._folder / f"{name}.log"))
            clients = Clients(server.family, server.address)
            opened.callback(clients.close)
            yield Stage(
                self.target,
                device,
                server,
                clients,
                self.seed,
                manner,
                random.Random(f"{self.seed} {name}"),
                str(self._certificate),
            )


def _why_unused(server: ServerProcess) -> str:
    sentences = [diagnose(process).sentence for process in Process.all_of(server.pids())]
    return next(
        (sentence for sentence in sentences if "OPENSSL_CONF" not in sentence), sentences[0] if sentences else ""
    )
