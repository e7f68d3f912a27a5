"""Queueing theory: the closed forms that check the simulation, and that a plan starts from.

Arrivals come at `rate` and each service takes `service` on average, in any unit. Results are in the same unit. A result
is `inf` if the queue grows for ever. Sources: Kleinrock, Queueing Systems I; Gross and others, Fundamentals of Queueing
Theory; Crommelin 1932 for M/D/1.
"""

from __future__ import annotations

import math


def erlang_b(servers: int, load: float) -> float:
    """M/G/c/c: the share that is lost; `load` = rate * service. Computed by the recursion, which never overflows."""
    lost = 1.0
    for number in range(1, servers + 1):
        lost = load * lost / (number + load * lost)
    return lost


def erlang_c(servers: int, load: float) -> float:
    """M/M/c: the share that has to wait. It is 1 if the queue grows for ever."""
    if load >= servers:
        return 1.0
    lost = erlang_b(servers, load)
    return lost / (1 - load / servers * (1 - lost))


def mm1_latency(rate: float, service: float) -> float:
    """M/M/1: the mean time from arrival to end."""
    return service / (1 - rate * service) if rate * service < 1 else math.inf


def mm1_latency_below(share: float, rate: float, service: float) -> float:
    """M/M/1: the latency that this share of the operations does not exceed. The latency is exponential."""
    return -math.log(1 - share) * mm1_latency(rate, service)


def mmc_latency(servers: int, rate: float, service: float) -> float:
    """M/M/c: the mean time from arrival to end."""
    load = rate * service
    if load >= servers:
        return math.inf
    return service + erlang_c(servers, load) * service / (servers - load)


def mmc_share_above(servers: int, rate: float, service: float, limit: float) -> float:
    """M/M/c: the share whose time from arrival to end is above the limit."""
    load = rate * service
    if load >= servers:
        return 1.0
    waits, spare, at = erlang_c(servers, load), servers - load, limit / service
    if abs(spare - 1) < 1e-9:  # both exponentials have the same rate
        return math.exp(-at) * (1 + waits * at)
    return math.exp(-at) + waits * (math.exp(-at * spare) - math.exp(-at)) / (1 - spare)


def mmc_latency_below(share: float, servers: int, rate: float, service: float) -> float:
    """M/M/c: the latency that this share of the operations does not exceed. By bisection, to one part in 10**9."""
    if rate * service >= servers:
        return math.inf
    low, high = 0.0, service
    while mmc_share_above(servers, rate, service, high) > 1 - share:
        high *= 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        if mmc_share_above(servers, rate, service, middle) > 1 - share:
            low = middle
        else:
            high = middle
    return high


def mg1_latency(rate: float, service: float, variation: float) -> float:
    """M/G/1, Pollaczek and Khinchine: the mean time. `variation`: the variance of the service / service**2."""
    load = rate * service
    return service + load * service * (1 + variation) / (2 * (1 - load)) if load < 1 else math.inf


def md1_latency(rate: float, service: float) -> float:
    """M/D/1: the mean time, with a service that is always the same."""
    return mg1_latency(rate, service, 0)


def md1_share_waiting_above(rate: float, service: float, limit: float) -> float:
    """M/D/1: the share that waits longer than the limit before it is served. Crommelin's series, for loads below 0.95.

    Its terms alternate, so for long waits beyond some 20 services it is no longer exact: do not use it there.
    """
    load = rate * service
    terms = (
        (rate * (number * service - limit)) ** number
        * math.exp(-rate * (number * service - limit))
        / math.factorial(number)
        for number in range(int(limit // service) + 1)
    )
    return 1 - (1 - load) * math.fsum(terms)


def md1_latency_below(share: float, rate: float, service: float) -> float:
    """M/D/1: the latency that this share of the operations does not exceed. By bisection, to one part in 10**6."""
    low, high = 0.0, service
    while md1_share_waiting_above(rate, service, high) > 1 - share:
        high *= 2
    while high - low > 1e-6 * service:
        middle = (low + high) / 2
        if md1_share_waiting_above(rate, service, middle) > 1 - share:
            low = middle
        else:
            high = middle
    return service + high


def mmck(servers: int, room: int, rate: float, service: float) -> tuple[float, float]:
    """M/M/c/K, with room for K in all: the share that is lost, and the mean time of those that are not."""
    load = rate * service
    weights = [1.0]
    for number in range(1, room + 1):
        weights.append(weights[-1] * load / min(number, servers))
    whole = math.fsum(weights)
    lost = weights[-1] / whole
    inside = math.fsum(number * weight for number, weight in enumerate(weights)) / whole
    return lost, inside / (rate * (1 - lost))


def mmc_share_finding(servers: int, held: int, rate: float, service: float) -> float:
    """M/M/c: the share that finds `held` or more inside. With so many slots, these submits get EAGAIN."""
    load = rate * service
    if load >= servers:
        return 1.0
    waits = erlang_c(servers, load)
    if held >= servers:
        return waits * (load / servers) ** (held - servers)
    # Begins with the share of exactly c inside. The share of one fewer is that times number / load, and so on down.
    weight = waits * (1 - load / servers)
    found = waits
    for number in range(servers, held, -1):
        weight *= number / load
        found += weight
    return found


def repairman(machines: int, servers: int, think: float, service: float) -> tuple[float, float]:
    """A closed load of this many callers, which think, ask and wait: the rate of answers, and the mean time until
    one."""
    weights = [1.0]
    for number in range(1, machines + 1):
        weights.append(weights[-1] * (machines - number + 1) * service / (think * min(number, servers)))
    whole = math.fsum(weights)
    inside = math.fsum(number * weight for number, weight in enumerate(weights)) / whole
    rate = (machines - inside) / think
    return rate, inside / rate
