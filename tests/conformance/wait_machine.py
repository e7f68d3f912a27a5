"""The state machine behind the random wait-context programs: any calls, in any order, on a few contexts."""

from __future__ import annotations

from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.oracle.sides import FUNCTIONS, KEYS
from tests.oracle.wait_pair import WaitPair

_INTS = st.integers(-(2**31), 2**31 - 1)
_FDS = st.integers(-1, 5) | _INTS
_KEYS = st.sampled_from(KEYS)
_CTX = st.integers(0, 9)
"""Which of the open contexts: taken modulo their number."""
_DATA = st.sampled_from([None, "some data", "other data"])


class WaitMachine(RuleBasedStateMachine):
    """Drives both sides; the pair compares them after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = WaitPair()
        self.pair.new()

    def ctx(self, number: int) -> int:
        return self.pair.open[number % len(self.pair.open)]

    @precondition(lambda self: len(self.pair.open) < 2)
    @rule()
    def new(self) -> None:
        self.pair.new()

    @rule(ctx=_CTX, key=_KEYS, fd=_FDS, custom_data=_DATA, with_cleanup=st.booleans())
    def set_wait_fd(self, ctx: int, key: str, fd: int, custom_data: object, with_cleanup: bool) -> None:
        self.pair.set_wait_fd(self.ctx(ctx), key, fd, custom_data, with_cleanup)

    @rule(ctx=_CTX, key=_KEYS)
    def clear_fd(self, ctx: int, key: str) -> None:
        self.pair.call("clear_fd", self.ctx(ctx), key)

    @rule(ctx=_CTX, which=st.integers(0, len(KEYS) - 1))
    def clear_what_is_set(self, ctx: int, which: int) -> None:
        """The same as clear_fd, but with a key that has an entry. Random keys mostly have none."""
        there = self.pair.keys_set(self.ctx(ctx))
        if there:
            self.pair.call("clear_fd", self.ctx(ctx), there[which % len(there)])

    @rule(ctx=_CTX)
    def resume(self, ctx: int) -> None:
        self.pair.call("resume", self.ctx(ctx))

    @rule(ctx=_CTX, callback=st.sampled_from([None, *FUNCTIONS]), arg=_DATA)
    def set_callback(self, ctx: int, callback: object, arg: object) -> None:
        self.pair.call("set_callback", self.ctx(ctx), callback, arg)

    @rule(ctx=_CTX, status=st.integers(0, 3) | _INTS)
    def set_status(self, ctx: int, status: int) -> None:
        self.pair.call("set_status", self.ctx(ctx), status)

    @precondition(lambda self: len(self.pair.open) > 1)
    @rule(ctx=_CTX)
    def free(self, ctx: int) -> None:
        self.pair.free(self.ctx(ctx))

    def teardown(self) -> None:
        self.pair.free_all()


def run_wait_programs(options: settings, chosen_seed: int) -> None:
    """Run the machine. If the sides differ, raise DisagreementError with the smallest program that was found."""
    run_state_machine_as_test(seed(chosen_seed)(WaitMachine), settings=options)
