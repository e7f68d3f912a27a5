"""Random job scripts: any operations in any order, within what C defines."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.oracle.script import CALLBACKS, CONTEXTS, KEYS, LIBCTXS, SLOTS, Code, Op, Program

INTS = st.integers(-(2**31), 2**31 - 1)
SMALL = st.integers(-2, 9)
"""Few fds, so that they meet again; a context never looks at them."""


def _op(code: Code, *operands: st.SearchStrategy[int]) -> st.SearchStrategy[Op]:
    return st.builds(Op, st.just(code), *operands)


def _often(times: int, frequent: st.SearchStrategy[Op], *others: st.SearchStrategy[Op]) -> st.SearchStrategy[Op]:
    """One of these. `frequent` comes as often as if it were listed `times` times, which one_of would ignore."""
    table = [*[frequent] * times, *others]
    return st.integers(0, len(table) - 1).flatmap(table.__getitem__)


# Not evenly, so that jobs and operations often use the same one.
_ctx = st.sampled_from([0, 0, 0, *range(CONTEXTS)])
_key = st.sampled_from([0, 0, *range(KEYS)])
_slot = st.integers(0, SLOTS - 1)
_none = st.just(-1)
_zero = st.just(0)

_WAIT_OPS = [
    _op(Code.SET_FD, _ctx, _key, SMALL, st.integers(0, 255), st.integers(0, 1)),
    _op(Code.CLEAR_FD, _ctx, _key),
    _op(Code.GET_FD, _ctx, _key),
    _op(Code.ALL_FDS, _ctx),
    _op(Code.CHANGED_FDS, _ctx),
    _op(Code.SET_CALLBACK, _ctx, st.integers(-1, CALLBACKS - 1), st.integers(0, 99)),
    _op(Code.GET_CALLBACK, _ctx),
    _op(Code.SET_STATUS, _ctx, SMALL | INTS),
    _op(Code.GET_STATUS, _ctx),
]
_ANYWHERE = [
    _op(Code.BLOCK),
    _op(Code.UNBLOCK),
    _op(Code.CURRENT),
    _op(Code.COUNT),
    _op(Code.INIT_THREAD, st.integers(0, 4), st.integers(0, 3)),
    _op(Code.LIBCTX, st.integers(0, LIBCTXS - 1)),
    *_WAIT_OPS,
]
_IN_BODY = [_op(Code.OWN_CTX), _op(Code.ARGS), *_ANYWHERE]


_RARE = [
    _op(Code.PAUSE),
    _op(Code.JOB_CTX, _slot),
    _op(Code.CLEANUP_THREAD),
    _op(Code.FREE_CTX, _ctx),
    *[_op(Code.CHANGED_FDS, _ctx)] * 6,
]
_PAUSE = _op(Code.PAUSE)

_QUIET_BODIES = st.lists(st.one_of(_IN_BODY), max_size=4).map(tuple)
_PAUSING = st.lists(_often(9, _PAUSE, _op(Code.UNBLOCK), *_IN_BODY), min_size=2, max_size=8).map(tuple)
_RETURNING = st.builds(lambda body, value: (*body, Op(Code.RETURN, value)), _PAUSING, INTS)


@st.composite
def programs(draw: st.DrawFn, size_zero: bool = True) -> Program:
    """A program of 8 to 40 host operations and 3 to 5 bodies, started with up to 3 arguments.

    Body 0 never pauses, and is the only one that may run without a context: in C a resume needs one. With
    `size_zero` arguments may be empty, which old versions of libcrypto answer with an error.
    """
    bodies = (draw(_QUIET_BODIES), *draw(st.lists(_PAUSING | _RETURNING, min_size=2, max_size=4)))
    args = tuple(draw(st.lists(st.binary(min_size=0 if size_zero else 1, max_size=6), max_size=3)))
    any_args = st.integers(-1, len(args) - 1)
    run = _op(Code.RUN, _slot, _ctx, st.integers(1, len(bodies) - 1), any_args)
    run_quiet = _op(Code.RUN, _slot, _none | _ctx, _zero, any_args)
    # Small pools, or few scripts would ever meet a limit.
    pool = draw(st.lists(_op(Code.INIT_THREAD, st.integers(1, 3), st.integers(0, 3)), max_size=1))
    host = draw(st.lists(_often(20, run, run_quiet, *_RARE, *_ANYWHERE), min_size=8, max_size=40))
    return Program((*pool, *host), bodies, args)
