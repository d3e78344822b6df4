# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines reach every subscriber that keeps up; one that does not knows what it missed."""

import contextlib
import errno
import socket
import time
from math import nan

import pytest
from reports import assert_same, make_report
from waiting import LIMIT_S

from gr_jadce.delivery.publishing import Publisher, Subscriber, full_address
from gr_jadce.reports.json_lines import to_json
from gr_jadce.reports.status import read_line, single_line, status_to_json


@pytest.fixture
def address(tmp_path):
    return f"ipc://{tmp_path}/reports"


@pytest.fixture
def opened():
    """Make publishers and subscribers, which are closed at the end of the test."""
    things = []

    def make(cls, *arguments, **options):
        things.append(cls(*arguments, **options))
        return things[-1]

    yield make
    for thing in things:
        thing.close()


def wait_until(condition, subscriber):
    """The lines that came in the meantime."""
    found, give_up = [], time.monotonic() + LIMIT_S
    while not condition(found):
        assert time.monotonic() < give_up
        found += [line for _, line in subscriber.lines(0.02)]
    return found


def subscribed(subscriber, *publishers):
    """The subscriber, once it hears the publishers: a subscription follows its connection."""
    heard = set()
    while len(heard) < len(publishers):
        for publisher in publishers:
            publisher.send("hello")
        heard |= {place for place, _ in subscriber.lines(0.02)}
    while subscriber.lines(0.1):
        pass
    return subscriber


def test_all_subscribers_get_all_lines(opened, address):
    publisher = opened(Publisher, address)
    subscribers = [opened(Subscriber, [address]) for _ in range(3)]
    for subscriber in subscribers:
        subscribed(subscriber, publisher)
    while any([subscriber.lines(0.1) for subscriber in subscribers]):
        pass
    greetings = publisher.sent
    lines = [to_json(make_report(frame_id=k)) for k in range(100)]
    for line in lines:
        publisher.send(line)
    for subscriber in subscribers:
        assert wait_until(lambda found: len(found) == 100, subscriber) == lines
    assert (publisher.sent - greetings, publisher.overflows) == (100, 0)


def test_a_slow_subscriber_knows_what_it_missed_and_holds_nobody_up(opened, address):
    publisher = opened(Publisher, address, queue=200)
    fast, slow = (opened(Subscriber, [address], queue=200) for _ in range(2))
    for subscriber in (fast, slow):
        subscribed(subscriber, publisher)
    while fast.lines(0.1):
        pass
    publisher.send_status({})
    wait_until(lambda found: len(found) == 1, fast)
    for k in range(2000):
        publisher.send(str(k) * 1000)
        if k % 50 == 0:
            wait_until(lambda found, line=str(k) * 1000: line in found, fast)
            time.sleep(0.005)  # ZeroMQ looks for room in its queues every few milliseconds
    assert publisher.overflows >= 1
    received = len(slow.lines(0.2))
    while more := slow.lines(0.2):
        received += len(more)
    publisher.send_status({})
    received += len(wait_until(lambda found: found, slow))
    assert (slow.missed[0], fast.missed[0]) == (2002 - received, 0)
    assert slow.missed[0] > 0


def test_a_subscriber_tells_publishers_apart_and_connects_again(opened, address):
    addresses = [address + "1", address + "2"]
    first, second = (opened(Publisher, each) for each in addresses)
    subscriber = subscribed(opened(Subscriber, addresses), first, second)
    assert subscriber.connected == [True, True]
    first.send("one")
    second.send("two")
    found, give_up = [], time.monotonic() + LIMIT_S
    while len(found) < 2 and time.monotonic() < give_up:
        found += subscriber.lines()
    assert sorted(found) == [(0, "one"), (1, "two")]
    second.close()
    wait_until(lambda _: subscriber.connected == [True, False], subscriber)
    again = opened(Publisher, addresses[1])
    subscribed(subscriber, again)
    assert subscriber.connected == [True, True]
    again.send("three")
    assert wait_until(lambda found: found, subscriber) == ["three"]


def test_what_is_sent_before_closing_still_leaves(opened, address):
    publisher = opened(Publisher, address)
    subscriber = subscribed(opened(Subscriber, [address]), publisher)
    for k in range(500):
        publisher.send(str(k))
    publisher.close()
    assert len(wait_until(lambda found: len(found) == 500, subscriber)) == 500


def test_closing_waits_no_longer_than_it_may(opened, address):
    publisher = opened(Publisher, address, linger=0.1)
    subscribed(opened(Subscriber, [address], queue=1), publisher)
    for _ in range(100):
        publisher.send("x" * 10**6)
    began = time.monotonic()
    publisher.close()
    assert time.monotonic() - began < 120  # never ends without a limit


def test_statuses_are_told_from_reports():
    report = make_report(frame_id=3)
    assert_same(read_line(to_json(report)), report)
    assert read_line(status_to_json({"frames_in": 5, "final": True, "rate": nan})) == {
        "frames_in": 5,
        "final": True,
        "rate": None,
    }


@pytest.mark.parametrize(
    "line", ["", "{", '{"receiver_status": 3}', '{"receiver_status": ' + "[" * 10**5, "{}"]
)
def test_lines_that_are_neither_are_refused(line):
    with pytest.raises(ValueError):  # noqa: PT011
        read_line(line)


@pytest.mark.parametrize(("given", "address"), [(5555, "tcp://127.0.0.1:5555"), ("80", "tcp://127.0.0.1:80")])
def test_a_bare_port_is_of_this_machine_alone(given, address):
    assert full_address(given) == address


@pytest.mark.parametrize("address", ["", "65536", "tcp://", "tcp://host", "host:5555", "tcp://*:99999", "-1"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match=r"^address: expected a port, tcp://HOST:PORT or ipc://PATH, got "):
        Publisher(address)
    with pytest.raises(ValueError, match=r"^address: "):
        Subscriber([address])


def test_an_address_in_use_is_named(opened):
    address = opened(Publisher, "tcp://127.0.0.1:*").address
    with pytest.raises(OSError, match=address) as error:
        Publisher(address)
    assert error.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(("name", "value"), [("queue", 0), ("queue", 2**31), ("linger", -1), ("linger", nan)])
def test_options_out_of_range_are_refused(address, name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        Publisher(address, **{name: value})


@pytest.mark.parametrize(
    "value",
    [
        '"frames_dropped": null',
        '"frames_dropped": "7"',
        '"slots_lost": -1',
        '"slots_lost": 1e300',
        '"slots_lost": true',
        '"samples": 1000000000000000000000000',
        '"estimator": "\\ud800"',
        '"estimator": 5',
        '"noise_var": "x"',
        '"final": 1',
    ],
)
def test_a_value_of_a_status_that_is_not_of_its_kind_is_refused(value):
    name = value.split('"')[1]
    with pytest.raises(ValueError, match=f"^receiver_status: {name}: expected"):
        read_line(f'{{"receiver_status": {{{value}}}}}')


def test_json_of_several_lines_becomes_one():
    line = to_json(make_report())
    assert single_line(line) is line
    broken = line.replace(", ", ",\r\n")
    assert "\n" not in single_line(broken)
    assert_same(read_line(single_line(broken)), make_report())


def test_connections_beyond_the_limit_are_not_let_in(opened):
    publisher = opened(Publisher, "tcp://127.0.0.1:*", max_subscribers=3)
    subscriber = subscribed(opened(Subscriber, [publisher.address]), publisher)
    port = int(publisher.address.rsplit(":", 1)[1])
    strangers = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    refused = sum(is_ended(stranger) for stranger in strangers[2:])
    assert refused == publisher.refusals == 18
    publisher.send("still")  # those who are there go on
    assert "still" in wait_until(lambda lines: "still" in lines, subscriber)
    for stranger in strangers:
        stranger.close()
    subscribed(opened(Subscriber, [publisher.address]), publisher)


def is_ended(connection):
    connection.settimeout(LIMIT_S)
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(1000):
            pass
    return True
