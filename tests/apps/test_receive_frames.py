# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-receive takes frames of a framer elsewhere, of as many antennas as they tell."""

import contextlib
import re
import signal
import threading

import pytest
import zmq
from gnuradio import gr, zeromq
from waiting import wait_until

from gr_jadce import Scenario
from gr_jadce.blocks import pilot_framer, uplink_source
from gr_jadce.delivery.publishing import Subscriber
from gr_jadce.reports.status import read_line

N_SLOTS, PERIOD = 200, 40


@pytest.fixture
def address(tmp_path):
    return f"ipc://{tmp_path}/zmq"


@pytest.fixture
def send_frames(book, address):
    """Start a flowgraph of an uplink, its framer and GNU Radio's ZMQ PUSH Sink."""
    running = []

    def start(n_slots=N_SLOTS, n_antennas=1):
        scenario = Scenario(book, n_antennas=n_antennas, activity_rate=0.1, snr_db=20.0)
        source = uplink_source(
            book,
            n_antennas,
            scenario.activity_rate,
            snr_db=scenario.snr_db,
            slot_period=PERIOD,
            n_slots=n_slots,
        )
        framer = pilot_framer(book.pilot_length, n_antennas, PERIOD, tag_every_frame=True)
        size = book.pilot_length * n_antennas
        sink = zeromq.push_sink(gr.sizeof_gr_complex, size, address, 100, True, 2)
        flowgraph = gr.top_block()
        for antenna in range(n_antennas):
            flowgraph.connect((source, antenna), (framer, antenna))
        flowgraph.connect(framer, sink)
        flowgraph.start()
        running.append((flowgraph, sink))

    yield start
    with reader(address):
        for flowgraph, _ in running:
            flowgraph.stop()
            flowgraph.wait()


@contextlib.contextmanager
def reader(address):
    """Read all that comes: GNU Radio's sink waits for ever where its last reader goes while it sends."""
    stop = threading.Event()
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.connect(address)
        thread = threading.Thread(target=read_until, args=(socket, stop))
        thread.start()
        yield
        stop.set()
        thread.join()


def read_until(socket, stop):
    while not stop.is_set():
        if socket.poll(50):
            socket.recv()


def summary(process):
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", process.stderr)}


@pytest.mark.parametrize("n_antennas", [1, 4])
def test_frames_from_elsewhere_are_reported_as_those_from_here(
    app, book, send_frames, address, tmp_path, n_antennas
):
    """However many antennas they are of: they tell."""
    send_frames(n_antennas=n_antennas)
    options = ["--pilots", "book.npz", "--json"]
    process = app("jadce-receive", *options, "there.jsonl", "--frames", address, "--slots", N_SLOTS)
    assert process.returncode == 0, process.stderr
    counts = summary(process)
    assert (counts["frames"], counts["solved"], counts["gaps"]) == (N_SLOTS, N_SLOTS, 0)
    assert counts["samples"] == (N_SLOTS - 1) * PERIOD + book.pilot_length
    app(
        "jadce-receive", *options, "here.jsonl", "--simulate", "--slots", N_SLOTS, "--slot-period", PERIOD,
        "--snr-db", 20, "--seed", 0, "--antennas", n_antennas,
    )  # fmt: skip
    here, there = (
        [read_line(line) for line in (tmp_path / name).read_text().splitlines()]
        for name in ("here.jsonl", "there.jsonl")
    )
    assert len(there) == N_SLOTS
    for ours, theirs in zip(here, there, strict=True):
        assert (ours.frame_id, ours.rx_time) == (theirs.frame_id, theirs.rx_time)
        assert ours.device.tolist() == theirs.device.tolist()
        assert theirs.channel.shape == (len(theirs.device), n_antennas)


@pytest.mark.parametrize("n_antennas", [1, 2])
def test_frames_of_another_shape_are_refused(app, book, send_frames, address, n_antennas):
    send_frames(n_antennas=4)
    process = app("jadce-receive", "--pilots", "book.npz", "--frames", address, "--antennas", n_antennas)
    assert process.returncode == 1, process.stderr
    assert f"error: n_antennas: the frames have 4, this receiver is for {n_antennas}" in process.stderr
    assert summary(process)["solved"] == 0


def test_frames_end_when_none_has_come_for_long(app, book, send_frames, address):
    send_frames(n_slots=20)
    process = app("jadce-receive", "--pilots", "book.npz", "--frames", address, "--idle", 2)
    assert process.returncode == 0, process.stderr
    assert summary(process)["frames"] == 20


@pytest.fixture
def push(address):
    """Send a message as it is."""
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.bind(address)
    yield socket.send
    context.destroy(linger=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_wait_for_the_first_frame(start_app, book, address, environment, tmp_path, number):
    environment["TMPDIR"] = str(tmp_path / "tmp")
    (tmp_path / "tmp").mkdir()
    reports = f"ipc://{tmp_path}/reports"
    subscriber, lines = Subscriber([reports]), []
    process = start_app("jadce-receive", "--pilots", "book.npz", "--frames", address, "--zmq", reports)

    def status_comes():
        lines.extend(read_line(line) for _, line in subscriber.lines())
        return lines

    wait_until(status_comes, "a status while no frame has come")
    assert (lines[-1]["frames_in"], lines[-1]["final"]) == (0, False)
    process.send_signal(number)
    wait_until(lambda: status_comes()[-1]["final"], "the last status")
    subscriber.close()
    _, said = process.communicate()
    assert (process.returncode, "frames=0 solved=0" in said) == (0, True), said
    assert not list((tmp_path / "tmp").iterdir())


def test_a_signal_ends_a_reception_whose_frames_go_on(start_app, book, send_frames, address, tmp_path):
    send_frames(n_slots=10**7, n_antennas=4)
    process = start_app("jadce-receive", "--pilots", "book.npz", "--frames", address, "--json", "out.jsonl")
    out = tmp_path / "out.jsonl"
    wait_until(lambda: out.exists() and out.stat().st_size, "the first reports")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 0, said
    frames = [read_line(line).frame_id for line in out.read_text().splitlines()]
    assert frames == list(range(len(frames)))  # none is lost on the way


def test_no_frames_at_all_end_when_none_has_come_for_long(app, book, address):
    process = app("jadce-receive", "--pilots", "book.npz", "--frames", address, "--idle", 0.1)
    assert process.returncode == 0, process.stderr
    assert summary(process)["frames"] == 0


def test_settings_are_checked_before_a_frame_comes(app, fails, book, address):
    options = ["--pilots", "book.npz", "--frames", address, "--estimator", "none:x=1"]
    fails(app("jadce-receive", *options), "none")


def test_frames_that_do_not_tell_their_antennas_are_refused(start_app, book, address, push):
    process = start_app("jadce-receive", "--pilots", "book.npz", "--frames", address)
    push(b"\xf0\x5f\x01" + bytes(16) + bytes(24 * 8))  # a header without tags, and a frame
    _, said = process.communicate()
    assert process.returncode == 1
    assert "error: n_antennas: the first message does not tell it" in said.splitlines()[-1]
    assert "--antennas" in said.splitlines()[-1]


def test_a_block_that_died_is_an_error_not_a_standstill(start_app, book, address, push):
    """GNU Radio's ZMQ PULL Source dies of a message that does not hold whole frames."""
    process = start_app("jadce-receive", "--pilots", "book.npz", "--frames", address, "--antennas", 1)
    push(b"not frames")
    text = process.stderr.read()
    assert process.wait() == 1
    assert "error: 'pull_source' has died" in text.splitlines()[-1]


@pytest.mark.parametrize(
    "options",
    [
        ["--frames", "5", "--slot-period", "40"],
        ["--frames", "5", "--duration", "4"],
        ["--frames", "5", "--hold-rate"],
        ["--frames", "5", "--record", "x"],
        ["--simulate", "--idle", "3"],
    ],
)
def test_options_that_do_not_go_together(app, fails, book, options):
    fails(app("jadce-receive", "--pilots", "book.npz", *options), code=2)


def test_a_wrong_address_of_frames_is_told(app, fails, book):
    fails(app("jadce-receive", "--pilots", "book.npz", "--frames", "here"), "address", "'here'")
