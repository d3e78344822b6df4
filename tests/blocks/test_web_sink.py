# SPDX-License-Identifier: GPL-3.0-or-later
"""The page and the numbers of a flowgraph."""

from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from gnuradio import gr
from publisher import publish, publisher
from slot_reports import slot_report
from waiting import wait_until

from gr_jadce.blocks import web_sink
from gr_jadce.reports.pdus import status_to_pmt, to_pmts

parser = pytest.importorskip("prometheus_client.parser")
pytest.importorskip("tornado")
TOKEN = "correct-horse-battery"


def numbers(url, **headers):
    text = urlopen(Request(url, headers=headers)).read().decode()
    return {
        sample.name: sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def messages(n_slots):
    for k in range(n_slots):
        yield from to_pmts(slot_report(k, [3, 5], truth=True))
        yield from to_pmts(slot_report(k, [3, 9]))


@pytest.fixture
def running():
    """Start a flowgraph that gives messages to a sink; it goes on until the test ends."""
    graphs = []

    def start(sink, given=()):
        graph, source = gr.top_block(), publisher(list(given))
        graph.msg_connect((source, "out"), (sink, "in"))
        graph.start()
        graphs.append(graph)
        return sink

    yield start
    for graph in graphs:
        graph.stop()
        graph.wait()


def test_reports_and_truth_are_counted():
    sink = web_sink(0)
    publish(messages(20), sink)
    counts = sink.monitor().counts()
    assert (counts.frames, counts.frames_scored, counts.missed, counts.false_alarms) == (20, 20, 20, 20)


def test_the_page_and_the_numbers_are_served_while_it_runs(running):
    sink = running(web_sink(0, title="the roof"), messages(10))
    assert b"gr-jadce" in urlopen(sink.url()).read()
    wait_until(lambda: numbers(f"{sink.url()}metrics")["jadce_frames_in_total"] == 10)


def test_numbers_alone(running):
    sink = running(web_sink(0, page=False), messages(3))
    assert sink.url().endswith("/metrics")
    wait_until(lambda: numbers(sink.url())["jadce_frames_in_total"] == 3)
    with pytest.raises(HTTPError, match="404") as refused:
        urlopen(sink.url().removesuffix("metrics"))
    refused.value.close()


def test_a_token_guards_the_numbers(running):
    sink = running(web_sink(0, token=TOKEN, page=False))
    with pytest.raises(HTTPError, match="403") as refused:
        urlopen(sink.url())
    refused.value.close()
    assert "jadce_frames_in_total" in numbers(sink.url(), Authorization=f"Bearer {TOKEN}")


def test_it_may_run_again_at_the_same_address():
    sink = web_sink(0)
    url = sink.url()
    for frames in (2, 4):
        publish(messages(2), sink)
        with pytest.raises(URLError):
            urlopen(url)
        assert sink.monitor().counts().frames == frames
    assert sink.url() == url


@pytest.mark.parametrize("address", ["here", "1.2.3.4.5:", "0.0.0.0:0"])
def test_mistakes_are_refused(address):
    with pytest.raises(ValueError, match="address: expected PORT|token: expected one"):
        web_sink(address)


def test_a_status_gives_its_counts():
    sink = web_sink(0)
    publish([status_to_pmt({"frames_in": 9, "gaps": 2})], sink)
    assert sink.monitor().snapshot().status()["frames_in"] == 9
