"""Plays scenarios on a server in Python. Each gets a fresh server and device, so that none depends on another."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, Self

from engine.engine import Engine
from engine.errors import UsageError
from engine.jobs.greenlets import INSTALLED
from sim import Accelerator
from simaccel.certify.catalogue import CATALOGUE
from simaccel.certify.manner import PROBED, DoesNotApply, Failed, Manner, Way, check_applies
from simaccel.certify.results.table import end
from simaccel.certify.results.verdict import CertifyVerdict, Decision, Result
from simaccel.testing.invariants import InvariantError
from simaccel.testing.misuse import Kind, MisuseError
from simaccel.testing.python_servers.client import KINDS
from simaccel.testing.python_servers.eager import make_eager
from simaccel.testing.python_servers.real_time import RealTime
from simaccel.testing.python_servers.scenarios.all_scenarios import SCENARIOS, chosen
from simaccel.testing.python_servers.scenarios.scenario import VirtualScenario
from simaccel.testing.python_servers.server import CertifiedServer, Factory, made_by
from simaccel.testing.python_servers.stage import VirtualStage

CERTIFY_SCENARIOS = tuple(scenario.name for scenario in SCENARIOS)
"""The names of the scenarios, in the order in which they are played."""
LATENCY = "fixed:50us"
"""How long an operation takes, unless the test's options say it."""
IGNORED = (Kind.RESUMED_BLINDLY, Kind.STATUS_MISREAD)
"""Misuse that is no failure by itself. Some scenarios wake a job twice, and a server may then resume it twice. A server
that resumes jobs which nobody has woken fails in `held-for-ever`."""
ALL_KINDS = KINDS if INSTALLED else KINDS[1:]
MOST_CONNECTS = 20_000
PROBE = "probe"


class CertifyError(AssertionError):
    """A server failed. `result` has all verdicts. The message says of each failure what was seen, and how to play that
    scenario alone."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"{result.subject} failed; {result.summary}\n{end(result)}")
        self.result = result


class Parts(Protocol):
    """What is needed of an `Accel`."""

    @property
    def device(self) -> Accelerator: ...

    @property
    def engine(self) -> Engine: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Judge:
    """How servers of one factory are judged."""

    factory: Factory
    make: Callable[..., Parts]
    """Makes an `Accel` with the test's options, of which its arguments replace some."""
    seed: int
    connects: int
    kinds: Sequence[str]
    real_time: RealTime

    def _server(self, engine: Engine, name: str) -> CertifiedServer:
        """A new server. What the factory raises is a failure of that scenario. Only the probe raises it as it is."""
        if name == PROBE:
            return made_by(self.factory, engine)
        try:
            return made_by(self.factory, engine)
        except Exception as error:
            raise Failed(f"the server factory raised {error!r}") from error

    def probe(self) -> Manner:
        """Find out how a server waits for the device. Raises what the factory raises."""
        manner = Manner(Way.PAUSES, True)
        with self._staged(PROBE, {"misuse": False, "invariants": False}, manner) as stage:
            with suppress(Failed):  # the scenarios will report it, one by one
                stage.handshakes(len(self.kinds))
            if not any(client.begun for client in stage.clients):
                return Manner(Way.UNUSED, False, "nobody calls client.handshake; accept or turn must start it as a job")
            if any(client.blocked for client in stage.clients):
                return Manner(Way.BLOCKS, False)
            if all(client.closed for client in stage.clients):
                try:
                    stage.paused(PROBED)
                except Failed:
                    manner = Manner(Way.PAUSES, False)
            with suppress(Failed):
                stage.script.go()
                stage.settle()
            return manner

    def verdict(self, scenario: VirtualScenario, manner: Manner, again: str) -> CertifyVerdict:
        """Play a scenario with each of its settings, until one fails."""
        outcome, seen = Decision.PASSED, dict[str, None]()
        try:
            check_applies(scenario.name, scenario.whom, manner)
            for settings in scenario.settings:
                seen |= dict.fromkeys(self._play(scenario, settings, manner))
        except DoesNotApply as reason:
            outcome, seen = Decision.DOES_NOT_APPLY, {str(reason): None}
        except Failed as failed:
            outcome, seen = Decision.FAILED, {str(failed): None}
        entry = CATALOGUE[scenario.name]
        return CertifyVerdict(
            entry.name, entry.what, outcome, "; ".join(seen), again=again, stands_for=entry.stands_for
        )

    def _play(self, scenario: VirtualScenario, settings: Mapping[str, Any], manner: Manner) -> list[str]:
        """Returns the notes."""
        stage = None
        try:
            with self._staged(scenario.name, settings, manner, scenario.software, scenario.eager) as stage:
                stage.warm_up()
                scenario.play(stage)
                stage.calm()
        except Failed as failed:
            if stage is None:
                raise
            raise Failed(f"{failed} (since {stage.since_ns:,} ns of virtual time)") from failed
        except MisuseError as error:
            more = f"\nand {len(error.reports) - 1} more cases of misuse" if len(error.reports) > 1 else ""
            raise Failed(f"{error.reports[0]}{more}") from error
        except InvariantError as error:
            raise Failed(str(error)) from error
        return stage.notes

    @contextmanager
    def _staged(
        self, name: str, settings: Mapping[str, Any], manner: Manner, software: bool = True, eager: bool = False
    ) -> Iterator[VirtualStage]:
        self.real_time.begin_scenario()
        with ExitStack() as last, self.make(seed=self.seed, **settings) as accel:
            if eager:
                make_eager(accel.device)
            stage = VirtualStage(
                accel.device,
                accel.engine,
                self._server(accel.engine, name),
                self.real_time,
                manner,
                random.Random(f"{self.seed} {name}"),
                self.connects,
                self.kinds,
                software,
            )
            last.callback(_end, stage)
            yield stage


def _end(stage: VirtualStage) -> None:
    """Remove what is left of a server that was judged: its fds, the jobs of its clients, and its wait contexts."""
    if not stage.closed:
        with suppress(Exception):
            stage.server.close()
    for client in stage.clients:
        with suppress(Exception):
            client.forget()
    if not stage.closed:
        del stage.server
        gc.collect()  # wait contexts that nobody has closed, so that the next scenario does not find their fds


def certify(
    factory: Factory,
    make: Callable[..., Parts],
    again: Callable[[str], str],
    *,
    seed: int,
    scenarios: Sequence[str] = (),
    connects: int = 1000,
    kinds: Sequence[str] = ALL_KINDS,
) -> Result:
    """Put servers of this factory through the scenarios. `Accel.certify` says more.

    `make(**options)` makes an `Accel`, and `again(name)` returns what plays that scenario alone.
    """
    if not callable(factory):
        raise UsageError(f"server_factory={factory!r}: give a function of an engine that returns a new server")
    if not kinds or not set(kinds) <= set(ALL_KINDS):
        raise UsageError(f"kinds={kinds!r}: use some of {', '.join(ALL_KINDS)}")
    if not isinstance(connects, int) or isinstance(connects, bool) or not 1 <= connects <= MOST_CONNECTS:
        raise UsageError(f"connects={connects!r}: use a whole number from 1 to {MOST_CONNECTS:,}")
    played = chosen(scenarios)
    judge = Judge(factory, make, seed, connects, tuple(kinds), RealTime())
    with judge.real_time.watching():
        manner = judge.probe()
        verdicts = tuple(judge.verdict(scenario, manner, again(scenario.name)) for scenario in played)
    result = Result(getattr(factory, "__qualname__", repr(factory)), manner.summary, seed, verdicts)
    if result.count(Decision.FAILED):
        raise CertifyError(result)
    return result
