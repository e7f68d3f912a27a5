"""Several devices as one accelerator. It decides which device takes a request, and what happens when one fails."""

from simaccel.fleet.fleet import Fleet
from simaccel.fleet.policies import POLICIES
from simaccel.fleet.router import FleetDownError
from simaccel.fleet.statistics import FleetStatistics, MemberStatistics

__all__ = ["POLICIES", "Fleet", "FleetDownError", "FleetStatistics", "MemberStatistics"]
