"""Open load, which is work that arrives even if earlier work is not done, and what a card makes of it.

`simulate` runs such a load on a model of one card or many, without jobs and without doing the work: a million
operations take seconds. `simaccel run --rate` sends the same load through the real engine.
"""

from simaccel.load.arrivals import Arrivals, Bursts, Closed, Constant, Poisson, TraceArrivals, parse_arrivals
from simaccel.load.cards import Card
from simaccel.load.latency import Latency
from simaccel.load.mix import HANDSHAKES, Mix, Step, Transaction, parse_handshake, parse_mix
from simaccel.load.rates import format_rate, parse_rate
from simaccel.load.result import LoadResult
from simaccel.load.simulation import simulate

__all__ = [
    "HANDSHAKES",
    "Arrivals",
    "Bursts",
    "Card",
    "Closed",
    "Constant",
    "Latency",
    "LoadResult",
    "Mix",
    "Poisson",
    "Step",
    "TraceArrivals",
    "Transaction",
    "format_rate",
    "parse_arrivals",
    "parse_handshake",
    "parse_mix",
    "parse_rate",
    "simulate",
]
