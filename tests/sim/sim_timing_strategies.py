"""Hypothesis strategies for models of time: every kind, nested as the grammar allows."""

from __future__ import annotations

from hypothesis import strategies as st

from sim.timing import Exponential, Fixed, Lognormal, Model, PerByte, PerOperation, Recorded, Tail, Uniform
from sim.timing.quantities import MAX_NS

DURATIONS = st.integers(0, MAX_NS)
NUMBERS = st.floats(0, 1)
SIMPLE: st.SearchStrategy[Model] = st.one_of(
    st.builds(Fixed, DURATIONS),
    st.builds(lambda pair: Uniform(*sorted(pair)), st.tuples(DURATIONS, DURATIONS)),
    st.builds(Lognormal, DURATIONS, st.floats(0, 10)),
    st.builds(Exponential, DURATIONS),
    st.builds(PerByte, DURATIONS, st.integers(1, 10**12)),
    st.builds(Recorded, st.lists(DURATIONS, min_size=1, max_size=5).map(tuple)),
)
MODELS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds(Tail, NUMBERS, inner, factor=st.floats(0, 1e9)),
        st.builds(Tail, NUMBERS, inner, add_ns=DURATIONS),
    ),
    max_leaves=3,
)
OPS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
PARTS = st.one_of(MODELS, st.builds(PerOperation, st.dictionaries(OPS, MODELS, max_size=3), MODELS))
