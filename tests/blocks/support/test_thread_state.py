# SPDX-License-Identifier: GPL-3.0-or-later
"""The interpreter's state of a block's thread lasts from the block's start to its stop."""

import ctypes

import pytest
from gnuradio import blocks, gr
from publisher import publish
from reports import make_report

from gr_jadce.blocks import pilot_framer, receiver
from gr_jadce.blocks.support.report_sink import report_sink
from gr_jadce.blocks.support.thread_state import ThreadState
from gr_jadce.pilots import make_pilots
from gr_jadce.reports.pdus import to_pmts

_current = ctypes.pythonapi.PyThreadState_Get
_current.restype = ctypes.c_void_p
_number = ctypes.pythonapi.PyThreadState_GetID
_number.restype, _number.argtypes = ctypes.c_uint64, [ctypes.c_void_p]


def thread_state():
    """A number that no other thread state of this process ever has."""
    return _number(_current())


class recorder(report_sink):
    def __init__(self):
        report_sink.__init__(self, "recorder")
        self.states = []

    def take_report(self, report):
        self.states.append(thread_state())


def test_all_messages_are_handled_in_one_state():
    sink = recorder()
    publish([message for k in range(50) for message in to_pmts(make_report(frame_id=k))], sink)
    assert len(sink.states) == 50
    assert len(set(sink.states)) == 1


@pytest.mark.parametrize(
    ("block", "method"),
    [(pilot_framer(8, 1, 8), "general_work"), (receiver(make_pilots("gaussian", 20, 8, seed=1), 1), "work")],
    ids=["pilot_framer", "receiver"],
)
def test_all_calls_of_work_are_made_in_one_state(block, method):
    states, work = [], getattr(block, method)

    def recording(*arguments):
        states.append(thread_state())
        return work(*arguments)

    setattr(block, method, recording)
    flowgraph = gr.top_block()
    size = 8 if method == "work" else 1
    source = blocks.vector_source_c([1.0] * 24_000, False, size)
    flowgraph.connect(source, block)
    if method == "general_work":
        flowgraph.connect(block, blocks.null_sink(64))
    flowgraph.run(1)
    assert len(states) > 1
    assert len(set(states)) == 1


def test_what_is_not_held_is_not_released():
    state = ThreadState()
    state.release()
    state.hold()
    state.hold()
    state.release()
    state.release()
    assert thread_state() == thread_state()
