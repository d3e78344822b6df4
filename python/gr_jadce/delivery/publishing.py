# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of reports and statuses, one a ZeroMQ message, from one publisher to its subscribers."""

import contextlib
import re
import resource
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..checks import check_integer, check_number
from ..reports.status import STATUS_START, status_to_json

_PUBLISHED = re.compile(r'"lines_published": ([0-9]{1,19})')
_MAX_RECONNECT_INTERVAL_MS = 1000
_MAX_MESSAGE_BYTES = 2**30


def full_address(address: str | int) -> str:
    """A ZeroMQ address; a bare port is one of this machine alone.

    Raises
    ------
    ValueError
        If it is neither a port nor an address of TCP or IPC.
    """
    text = str(address)
    text = f"tcp://127.0.0.1:{text}" if re.fullmatch(r"[0-9]+", text) else text
    match = re.fullmatch(r"tcp://[^\s/]+:([0-9]{1,5}|\*)|ipc://\S+", text)
    if not match or ((match[1] or "*") != "*" and int(match[1]) >= 2**16):
        raise ValueError(f"address: expected a port, tcp://HOST:PORT or ipc://PATH, got {address!r}")
    return text


class Publisher:
    """Sends lines to whoever listens, and waits for nobody: a subscriber that is too slow misses lines.

    ZeroMQ tells the sender when a subscriber's queue has become full, and not how much it misses
    then; the subscriber knows, from the number of lines published that every status tells.
    Lines sent while nobody listens go nowhere.

    Parameters
    ----------
    address : str or int
        Where to listen for subscribers: a port of this machine alone (tcp://127.0.0.1:PORT), or an
        address of ZeroMQ, ``tcp://*:PORT`` for all networks.
    queue : int
        Lines that may wait for each subscriber.
    linger : float
        Seconds that closing waits for lines to leave.
    max_subscribers : int
        Connections at once, and at most a quarter of the files that this process may open. With so many,
        nobody else is let in.

    Attributes
    ----------
    address : str
        The address with the actual port, if it was 0 or ``*``.
    sent : int
        Lines sent.
    overflows : int
        How often the queue of a subscriber became full, so that it missed lines from then on until
        there was room.

    Raises
    ------
    ValueError
        If an argument is out of range.
    OSError
        If the address is in use or not of this machine.
    """

    def __init__(
        self, address: str | int, *, queue: int = 1000, linger: float = 0.5, max_subscribers: int = 256
    ) -> None:
        import zmq

        check_integer("queue", queue, 1, 2**31 - 1)
        check_number("linger", linger, 0, 60)
        check_integer("max_subscribers", max_subscribers, 1)
        address = full_address(address)
        self.sent = self.overflows = 0
        # A context of its own: only ending a context waits for its messages to leave.
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, queue)
        self._socket.setsockopt(zmq.LINGER, round(1000 * linger))
        self._limit = _ConnectionLimit(self._socket, max_subscribers)
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self._limit.stop()
            self._context.destroy(linger=0)
            raise OSError(error.errno, zmq.strerror(error.errno), address) from error
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    @property
    def refusals(self) -> int:
        """Connections that were not let in, since there were too many."""
        return self._limit.refusals

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return bool(self._socket.closed)

    def send_status(self, status: Mapping[str, Any]) -> None:
        """Send a status, and with it the lines sent before it, for subscribers to compare."""
        counts = {"lines_published": self.sent, "publisher_overflows": self.overflows}
        self.send(status_to_json({**status, **counts}))

    def send(self, line: str) -> None:
        """Send a line to all that listen; those with a full queue miss it."""
        import zmq

        data = line.encode()
        self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        try:
            self._socket.send(data, zmq.NOBLOCK)
        except zmq.Again:
            self.overflows += 1
            self._socket.setsockopt(zmq.XPUB_NODROP, 0)
            self._socket.send(data, zmq.NOBLOCK)
        self.sent += 1

    def close(self) -> None:
        """Let waiting lines leave, for at most `linger` seconds, and free the address."""
        if not self.closed:
            self._limit.stop()
            self._socket.close()
            self._context.term()


class _ConnectionLimit:
    """Shuts down the connections of a socket that are too many, in a thread.

    Connections need not be subscribers: anybody may open them, and each takes a file of this process.
    """

    def __init__(self, publisher: Any, max_connections: int) -> None:
        import zmq

        self.refusals = 0
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._max_connections = max(min(max_connections, files // 4), 1)
        self._socket = publisher
        events = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_MONITOR_STOPPED
        self._thread = threading.Thread(
            target=self._watch,
            args=[publisher.get_monitor_socket(events)],
            name="gr_jadce subscribers",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        self._socket.disable_monitor()  # ends the thread
        self._thread.join()

    def _watch(self, monitor: Any) -> None:
        import zmq
        from zmq.utils.monitor import recv_monitor_message

        count = 0
        while (event := recv_monitor_message(monitor))["event"] != zmq.EVENT_MONITOR_STOPPED:
            count += 1 if event["event"] == zmq.EVENT_ACCEPTED else -1
            if event["event"] == zmq.EVENT_ACCEPTED and count > self._max_connections:
                self.refusals += 1
                _shut_down(event["value"], event["endpoint"].decode())
        monitor.close()


def _shut_down(descriptor: int, endpoint: str) -> None:
    """End a connection that was accepted at an endpoint, unless its descriptor is another file's by now."""
    with contextlib.suppress(OSError):
        connection = socket.socket(fileno=descriptor)
        try:
            name = connection.getsockname()
            if endpoint.endswith(f":{name[1]}" if isinstance(name, tuple) else name):
                connection.shutdown(socket.SHUT_RDWR)
        finally:
            connection.detach()


class Subscriber:
    """Receives the lines of publishers, tells them apart, and knows which are there and what it missed.

    Connections that are lost are made again by ZeroMQ, as soon as the publisher is back.

    Parameters
    ----------
    addresses : sequence of str or int
        Addresses of publishers (see `full_address`).
    queue : int
        Lines of each that may wait here.

    Attributes
    ----------
    addresses : list of str
    connected : list of bool
        For each publisher, whether it is there.
    missed : list of int
        For each publisher, the lines it sent between the first status received and the last that
        did not arrive: this subscriber was too slow, or not connected.

    Raises
    ------
    ValueError
        If an address is none.
    """

    def __init__(self, addresses: Sequence[str | int], *, queue: int = 10_000) -> None:
        import zmq

        self.addresses = [full_address(address) for address in addresses]
        self.connected = [False] * len(self.addresses)
        self.missed = [0] * len(self.addresses)
        self._received = [0] * len(self.addresses)
        self._last_counts: list[tuple[int, int] | None] = [None] * len(self.addresses)
        self._context = zmq.Context()
        self._poller = zmq.Poller()
        self._places: dict[Any, tuple[int, bool]] = {}
        for place, address in enumerate(self.addresses):
            try:
                self._connect(place, address, queue)
            except zmq.ZMQError as error:
                self.close()
                raise ValueError(f"address: expected one of ZeroMQ, got {address!r}: {error}") from error

    def lines(self, timeout: float = 0.1) -> list[tuple[int, str]]:
        """Pairs (which publisher, line) that are there, after up to `timeout` seconds of waiting."""
        lines: list[tuple[int, str]] = []
        for ready, _ in self._poller.poll(round(1000 * timeout)):
            place, is_monitor = self._places[ready]
            if is_monitor:
                self._note(place, ready)
            else:
                lines += [(place, self._counted(place, line)) for line in _all_of(ready)]
        return lines

    def close(self) -> None:
        """Close the connections."""
        self._context.destroy(linger=0)

    def _connect(self, place: int, address: str, queue: int) -> None:
        import zmq

        subscriber = self._context.socket(zmq.SUB)
        subscriber.setsockopt(zmq.RCVHWM, queue)
        subscriber.setsockopt(zmq.MAXMSGSIZE, _MAX_MESSAGE_BYTES)
        subscriber.setsockopt(zmq.RECONNECT_IVL_MAX, _MAX_RECONNECT_INTERVAL_MS)
        # A host that is gone is noticed by TCP's own means: ZeroMQ 4.3.4 with its heartbeats aborts the
        # process when a publisher leaves while the queue here is full.
        for option, value in (("", 1), ("_IDLE", 3), ("_INTVL", 1), ("_CNT", 3)):
            subscriber.setsockopt(getattr(zmq, "TCP_KEEPALIVE" + option), value)
        subscriber.setsockopt(zmq.SUBSCRIBE, b"")
        monitor = subscriber.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        subscriber.connect(address)
        for entry, is_monitor in ((subscriber, False), (monitor, True)):
            self._places[entry] = place, is_monitor
            self._poller.register(entry, zmq.POLLIN)

    def _counted(self, place: int, line: str) -> str:
        published = _PUBLISHED.search(line) if line.startswith(STATUS_START) else None
        if published:
            now, before = (int(published[1]), self._received[place]), self._last_counts[place]
            if before and now[0] >= before[0]:  # else another publisher has taken its place
                self.missed[place] += max(now[0] - before[0] - (now[1] - before[1]), 0)
            self._last_counts[place] = now
        self._received[place] += 1
        return line

    def _note(self, place: int, monitor: Any) -> None:
        import zmq
        from zmq.utils.monitor import recv_monitor_message

        event = recv_monitor_message(monitor)["event"]
        self.connected[place] = event == zmq.EVENT_HANDSHAKE_SUCCEEDED


def _all_of(subscriber: Any, limit: int = 1000) -> Iterator[str]:
    import zmq

    try:
        for _ in range(limit):
            yield subscriber.recv(zmq.NOBLOCK).decode(errors="replace")
    except zmq.Again:
        return
