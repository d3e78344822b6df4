# SPDX-License-Identifier: GPL-3.0-or-later
"""Strategies for input that nobody meant well."""

import numpy as np
import pmt
from hypothesis import strategies as st

_INTEGERS = [0, 1, -1, 2, 7, 2**31, 2**32 + 1, 2**63, 2**64 - 1, 2**64, -(2**63), 10**30, 10**400]
_FLOATS = [0.5, -0.0, 1e-320, 1e300, -1e300, float("nan"), float("inf"), -float("inf")]
NUMBERS = st.sampled_from([*_INTEGERS, *_FLOATS])
TEXT = st.sampled_from(["", "x", "ok", "truth", "\x00", "é\n", "\ud800", "x" * 5000]) | st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def mutated(draw, original):
    """Bytes with a few changed, cut, doubled or put in."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        change = draw(st.sampled_from(["set", "cut", "drop", "insert", "double"]))
        if change == "set" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif change == "cut":
            del data[at:]
        elif change == "drop":
            del data[at : at + draw(st.integers(1, 30))]
        elif change == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=30))
        elif change == "double":
            data += data[at:]
    return bytes(data)


@st.composite
def replaced(draw, original):
    """JSON-like data in which one value, at any depth, is another or gone."""
    if not isinstance(original, (dict, list)) or not original or draw(st.integers(0, 3)) == 0:
        return draw(JSON)
    copy = original.copy()
    key = draw(st.sampled_from(sorted(copy) if isinstance(copy, dict) else range(len(copy))))
    if draw(st.integers(0, 7)) == 0:
        del copy[key]
    else:
        copy[key] = draw(replaced(copy[key]))
    return copy


def _vector(make, values):
    return st.lists(values, max_size=4).map(lambda items: make(len(items), items))


NO_UTF8 = st.just(b"\x02\x00\x02\xff\xfe").map(pmt.deserialize_str)  # a symbol
_ATOMS = st.one_of(
    st.sampled_from([pmt.PMT_NIL, pmt.PMT_T, pmt.PMT_F, pmt.PMT_EOF, pmt.make_dict()]),
    NO_UTF8,
    st.sampled_from(["", "frame_id", "rx_time", "x" * 1000]).map(pmt.intern),
    st.integers(-(2**63), 2**63 - 1).map(pmt.from_long),
    st.sampled_from([0, 1, 2**40, 2**64 - 1]).map(pmt.from_uint64),
    st.floats().map(pmt.from_double),
    st.just(pmt.from_complex(1j)),
    _vector(pmt.init_u32vector, st.integers(0, 2**32 - 1)),
    _vector(pmt.init_f32vector, st.floats(width=32)),
    _vector(pmt.init_c32vector, st.complex_numbers(max_magnitude=1e30)),
    _vector(pmt.init_u8vector, st.integers(0, 255)),
)


def _nested(inner):
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(lambda pair: pmt.cons(*pair)),
        pairs.map(lambda pair: pmt.dict_add(pmt.make_dict(), *pair)),
        pairs.map(lambda pair: pmt.make_tuple(*pair)),
        inner.map(lambda item: pmt.make_vector(2, item)),
    )


PMT = st.recursive(_ATOMS, _nested, max_leaves=6)
ARRAYS = st.one_of(
    st.sampled_from([np.array(value) for value in ("gaussian", "dft", "hadamard", "zadoff_chu", "custom")]),
    NUMBERS.map(np.array).filter(lambda array: array.dtype != object),
    st.builds(
        lambda shape, dtype: np.ones(shape, dtype),
        st.lists(st.integers(0, 3), max_size=3),
        st.sampled_from(["f2", "f4", "f8", "c8", "c16", "i1", "u8", "?", "U2", "S2", "V3", "M8[s]"]),
    ),
    st.sampled_from([0xD800, 0x120000]).map(lambda code: np.full(3, code, "<u4").view("<U1")),
)
