# SPDX-License-Identifier: GPL-3.0-or-later
"""The scorer pairs truth and reports that come mixed on one port, and no message stops it."""

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from publisher import publish, publisher
from reports import make_report

from gr_jadce.blocks import scorer
from gr_jadce.blocks.support import report_sink
from gr_jadce.reports.pdus import status_to_pmt, to_pmts


def truth(k):
    return make_report(frame_id=k, seed=k, estimator="truth")


def found(k, **changes):
    return make_report(frame_id=k, seed=k, **changes)


def messages_of(*reports):
    return [message for report in reports for message in to_pmts(report)]


def test_every_report_is_matched():
    sink = scorer()
    publish(messages_of(*map(truth, range(50)), *map(found, range(50))), sink)
    assert (sink.matched(), sink.unmatched_reports(), sink.truth_evicted(), sink.rejected()) == (50, 0, 0, 0)
    assert (sink.miss_probability(), sink.false_alarm_probability(), sink.nmse_db()) == (0.0, 0.0, -np.inf)


def test_lost_frames_and_reports_without_truth_are_counted():
    sink = scorer()
    publish(messages_of(*map(truth, range(10)), found(2), found(7), found(7), found(20)), sink)
    assert (sink.matched(), sink.unmatched_reports(), sink.truth_evicted()) == (2, 2, 8)
    assert sink.truth_pending() == 0


def test_waiting_truth_is_bounded():
    sink = scorer(window=8)
    publish(messages_of(*map(truth, range(20)), found(12)), sink)
    assert (sink.matched(), sink.truth_evicted(), sink.truth_pending()) == (1, 12, 7)


def test_the_score_is_the_shares_of_what_was_missed_and_wrongly_found():
    sink = scorer()
    report = found(1)
    other = np.setdiff1d(np.arange(report.n_devices), report.device)[:1]
    device = np.sort(np.append(report.device[1:], other))
    publish(messages_of(truth(1), found(1, device=device)), sink)
    assert sink.miss_probability() == 1 / 5
    assert sink.false_alarm_probability() == 1 / 195
    assert sink.activity_error_rate() == 2 / 200
    assert sink.summary()["matched"] == 1


def malformed():
    activity, channel = to_pmts(found(3))
    meta = pmt.car(activity)
    yield from (pmt.PMT_NIL, pmt.PMT_T, pmt.intern("x"), pmt.from_double(2.5), pmt.make_dict())
    yield from (pmt.cons(pmt.PMT_T, pmt.PMT_T), pmt.cons(meta, pmt.make_u8vector(3, 1)), pmt.cdr(activity))
    yield pmt.cons(pmt.dict_delete(meta, pmt.intern("frame_id")), pmt.cdr(activity))
    yield pmt.cons(pmt.dict_add(meta, pmt.intern("score"), pmt.PMT_T), pmt.cdr(activity))
    yield pmt.cons(pmt.car(channel), pmt.make_c32vector(1, 0))
    yield pmt.dict_add(pmt.make_dict(), pmt.from_long(1), pmt.from_long(2))


def test_malformed_messages_are_counted_and_do_no_harm():
    sink = scorer()
    bad = list(malformed())
    good = messages_of(truth(3), found(3))
    publish([*bad, *good, *bad, *messages_of(truth(4), found(4))], sink)
    assert sink.rejected() == 2 * len(bad)
    assert sink.matched() == 2


def test_reports_that_do_not_fit_the_truth_are_counted():
    sink = scorer()
    publish(messages_of(truth(1), found(1, n_devices=300), truth(2), found(2)), sink)
    assert (sink.matched(), sink.rejected()) == (1, 1)


def test_the_score_is_published_with_every_status():
    flowgraph, sink, debug = gr.top_block(), scorer(), blocks.message_debug()
    status = status_to_pmt({"frames_in": 1, "final": True})
    source = publisher([*messages_of(truth(1), found(1)), status, pmt.PMT_EOF])
    flowgraph.msg_connect((source, "out"), (sink, "in"))
    flowgraph.msg_connect((sink, "score"), (debug, "store"))
    flowgraph.run()
    assert debug.num_messages() == 1
    published = pmt.to_python(debug.get_message(0))
    assert published["matched"] == 1
    assert published["miss_probability_interval"] == pytest.approx(
        sink.summary()["miss_probability_interval"]
    )


def test_a_publisher_that_is_done_does_not_end_the_block(monkeypatch):
    monkeypatch.setattr(report_sink, "_LINGER_S", 0.0)
    flowgraph, sink = gr.top_block(), scorer()
    sources = [publisher(messages_of(truth(1))), publisher([*messages_of(found(1)), pmt.PMT_EOF], delay=0.3)]
    for source in sources:
        flowgraph.msg_connect((source, "out"), (sink, "in"))
    flowgraph.run()
    assert sink.matched() == 1


def test_end_of_file_left_from_one_run_does_not_end_the_next():
    flowgraph, sink = gr.top_block(), scorer()
    source = publisher([*messages_of(truth(1), found(1)), pmt.PMT_EOF], delay=0.1)
    flowgraph.msg_connect((source, "out"), (sink, "in"))
    for runs in (1, 2, 3):
        flowgraph.run()
        assert sink.matched() == runs
        sink._post(pmt.intern("in"), pmt.PMT_EOF)


def test_a_window_of_no_frames_is_refused():
    with pytest.raises(ValueError, match="^window: "):
        scorer(window=0)
