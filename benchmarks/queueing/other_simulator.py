"""Ciw, a queueing simulator by others, on systems for which there is no closed form: the second opinion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simaccel.load import Card, Poisson, parse_handshake, parse_mix, simulate


@dataclass(frozen=True, slots=True)
class System:
    """A system in our words and in Ciw's. Times in us."""

    name: str
    latency: str
    units: int
    rate: float
    """Arrivals in a us."""
    steps: int = 1
    """How often a transaction goes through the same units."""

    def ours(self, count: int, seed: int) -> npt.NDArray[np.float64]:
        """The latency of each transaction, by us."""
        card = Card.of(self.latency, self.units, 1 << 20)
        mix = parse_mix("null=1") if self.steps == 1 else parse_handshake("+".join(["null"] * self.steps))
        return simulate(Poisson(self.rate * 1e6), mix, card, count=count, seed=seed).latencies_ns / 1e3

    def theirs(self, count: int, seed: int) -> npt.NDArray[np.float64]:
        """The latency of each transaction, by Ciw. ImportError without it."""
        import ciw

        kind, _, rest = self.latency.partition(":")
        service: Any = {"lognormal": _lognormal, "uniform": _uniform}[kind](ciw, *rest.split(","))
        arrivals = [ciw.dists.Exponential(self.rate)]
        routing: Any = {"routing": [[0.0]]}
        if self.steps > 1:
            routing = {"routing": ciw.routing.NetworkRouting([_so_many_times(ciw, self.steps)])}
        network = ciw.create_network(
            arrival_distributions=arrivals, service_distributions=[service], number_of_servers=[self.units], **routing
        )
        ciw.seed(seed)
        simulation = ciw.Simulation(network)
        simulation.simulate_until_max_customers(count, method="Finish")
        whole: dict[int, float] = {}
        for record in simulation.get_all_records():
            whole[record.id_number] = whole.get(record.id_number, 0.0) + record.exit_date - record.arrival_date
        return np.array([whole[number] for number in sorted(whole)])


def _lognormal(ciw: Any, median: str, sigma: str) -> Any:
    return ciw.dists.Lognormal(math.log(float(median.removesuffix("us"))), float(sigma))


def _uniform(ciw: Any, low: str, high: str) -> Any:
    return ciw.dists.Uniform(float(low.removesuffix("us")), float(high.removesuffix("us")))


def _so_many_times(ciw: Any, times: int) -> Any:
    class Router(ciw.routing.NodeRouting):  # type: ignore[misc]
        """Back to the same units until all steps are done."""

        def next_node(self, individual: Any) -> Any:
            done = len(individual.data_records)
            return self.simulation.nodes[1 if done + 1 < times else -1]

    return Router()


SYSTEMS = (
    System("M/G/3, lognormal", "lognormal:100us,0.8", 3, 0.0165),
    System("M/G/4, uniform", "uniform:20us,180us", 4, 0.032),
    System("M/G/5, two steps of a handshake", "lognormal:80us,0.3", 5, 0.021, steps=2),
)
