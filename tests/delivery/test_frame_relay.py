# SPDX-License-Identifier: GPL-3.0-or-later
"""The relay of frames reads M in the first message, and hands on every message in order."""

import pmt
import pytest
import zmq
from waiting import wait_until

from gr_jadce.delivery.frame_relay import FrameRelay

L = 16


@pytest.fixture
def address(tmp_path):
    return f"ipc://{tmp_path}/frames"


@pytest.fixture
def context():
    with zmq.Context() as context:
        yield context


@pytest.fixture
def send(context, address):
    """Send a message to whoever pulls."""
    with context.socket(zmq.PUSH) as socket:
        socket.linger = 0
        socket.bind(address)
        yield socket.send


@pytest.fixture
def relay(address, send):
    relay = FrameRelay(address, L)
    yield relay
    relay.close()


def message(n_samples, **tags):
    """Items behind the header that GNU Radio's ZMQ sinks write where tags are passed."""
    header = b"\xf0\x5f\x01" + bytes(8) + len(tags).to_bytes(8, "little")
    for name, value in tags.items():
        parts = (pmt.intern(name), value, pmt.PMT_F)
        header += bytes(8) + b"".join(map(pmt.serialize_str, parts))
    return header + bytes(8 * n_samples)


def wait_for_frames(relay):
    wait_until(lambda: relay.wait(0.1), "the first frames")


def shape(n_antennas, pilot_length=L):
    return {
        "pilot_length": pmt.from_uint64(pilot_length),
        "framer": pmt.to_pmt({"gaps": 0}),
        "n_antennas": pmt.from_uint64(n_antennas),
    }


def test_the_first_message_tells_the_antennas_and_none_is_lost(relay, send, context):
    assert not relay.wait(0)
    first, *others = [message(4 * L, **shape(4)), *(message(k * 4 * L) for k in range(1, 300))]
    send(first)
    wait_for_frames(relay)
    assert relay.n_antennas == 4
    relay.start()
    with context.socket(zmq.PULL) as receiver:
        receiver.connect(relay.address)
        assert receiver.recv() == first
        for other in others:
            send(other)
            assert receiver.recv() == other


@pytest.mark.parametrize("started", [False, True])
def test_a_relay_is_closed_while_nobody_takes_what_waits(relay, send, started):
    for _ in range(3):
        send(message(L, **shape(1)))
    wait_for_frames(relay)
    if started:
        relay.start()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"not frames", "n_antennas: the first message does not tell it"),
        (message(4 * L), "n_antennas: the first message does not tell it"),
        (message(4 * L, **shape(0)), "n_antennas: the first message does not tell it"),
        (message(4 * L, **shape(4))[3:], "n_antennas: the first message does not tell it"),
        (message(4 * L, **shape(4, 17)), "pilot_length: the frames have 17, this receiver is for 16"),
        (message(4 * L, **shape(2**40)), f"n_antennas: the first message tells {2**40}, and is too short"),
    ],
)
def test_frames_that_do_not_fit_are_refused(relay, send, text, complaint):
    send(text)
    with pytest.raises(ValueError, match=f"^{complaint}"):
        wait_for_frames(relay)
    assert relay.n_antennas == 0


@pytest.mark.parametrize("address", ["here", "tcp://127.0.0.1:70000", "ipc:///nonexistent" + "x" * 200])
def test_a_wrong_address_is_refused(address):
    with pytest.raises(ValueError, match="^address: expected"):
        FrameRelay(address, L)
