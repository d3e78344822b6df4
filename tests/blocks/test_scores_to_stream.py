# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports become whole frames of scores, the newest wins, and the stream ends with the receiver's."""

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from publisher import publisher
from reports import make_report

from gr_jadce.blocks import scores_to_stream
from gr_jadce.reports.pdus import to_pmts


def streamed(*messages):
    source, stream, sink = publisher([*messages, pmt.PMT_EOF]), scores_to_stream(200), blocks.vector_sink_f()
    flowgraph = gr.top_block()
    flowgraph.msg_connect((source, "out"), (stream, "in"))
    flowgraph.connect(stream, sink)
    flowgraph.run()
    return stream, np.array(sink.data(), np.float32).reshape(-1, 200)


def activity(report):
    return to_pmts(report)[0]


def test_the_scores_of_a_report_are_at_its_devices():
    report = make_report()
    stream, (scores,) = streamed(activity(report))
    assert (scores[report.device] == report.score).all()
    assert np.count_nonzero(scores) == np.count_nonzero(report.score)
    assert (stream.taken(), stream.skipped(), stream.rejected()) == (1, 0, 0)


def test_the_newest_report_wins_and_every_report_is_counted():
    reports = [make_report(seed=k) for k in range(100)]
    stream, frames = streamed(*map(activity, reports))
    assert stream.taken() == 100
    assert len(frames) == 100 - stream.skipped()
    assert (frames[-1][reports[-1].device] == reports[-1].score).all()


def test_messages_that_do_not_fit_are_left_out():
    good, bad = make_report(), make_report(n_devices=300)
    stream, frames = streamed(activity(bad), pmt.PMT_T, to_pmts(good)[1], activity(good))
    assert (stream.taken(), stream.rejected(), len(frames)) == (1, 3, 1)


def test_the_number_of_devices_is_checked():
    with pytest.raises(ValueError, match="n_devices"):
        scores_to_stream(0)
