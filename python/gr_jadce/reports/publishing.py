# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports and statuses as lines of text, one a ZeroMQ message, from one publisher to any subscribers."""

import json
import re
from math import isfinite

from .json_lines import from_json

# The first key of a status's line; that of a report's is "frame_id". Subscribers can filter by it.
STATUS_KEY = "receiver_status"
_STATUS_START = f'{{"{STATUS_KEY}"'
_PUBLISHED = re.compile(r'"lines_published": ([0-9]{1,19})')
_RECONNECT_MAX = 1000  # milliseconds
_MOST_BYTES = 2**30  # of a message


def status_to_json(status) -> str:
    """A receiver's status as one line of JSON, ``{"receiver_status": {...}}``; no NaN or infinity."""
    plain = {name: _finite_or_none(value) for name, value in status.items()}
    return json.dumps({STATUS_KEY: plain})


def read_line(line):
    """The `Report`, or the status dictionary, in a line of text.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if not line.startswith(_STATUS_START):
        return from_json(line)
    try:
        status = json.loads(line)[STATUS_KEY]
    except RecursionError as error:
        raise ValueError(f"{STATUS_KEY}: expected an object, got one nested too deeply") from error
    if not isinstance(status, dict):
        raise ValueError(f"{STATUS_KEY}: expected an object, got {str(status)[:80]}")
    return status


def full_address(address) -> str:
    """A ZeroMQ address; a bare port is one of this machine alone.

    Raises
    ------
    ValueError
        If it is neither a port nor an address of TCP or IPC.
    """
    text = str(address)
    text = f"tcp://127.0.0.1:{text}" if re.fullmatch(r"[0-9]+", text) else text
    found = re.fullmatch(r"tcp://[^\s/]+:([0-9]{1,5}|\*)|ipc://\S+", text)
    if not found or ((found[1] or "*") != "*" and int(found[1]) >= 2**16):
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

    def __init__(self, address, queue=1000, linger=0.5):
        import zmq

        if not 1 <= queue < 2**31:
            raise ValueError(f"queue: expected 1 to 2**31 - 1 lines, got {queue!r}")
        if not 0 <= linger <= 60:
            raise ValueError(f"linger: expected 0 to 60 seconds, got {linger!r}")
        address = full_address(address)
        self.sent = self.overflows = 0
        # A context of its own: only ending a context waits for its messages to leave.
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, queue)
        self._socket.setsockopt(zmq.LINGER, round(1000 * linger))
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise OSError(error.errno, zmq.strerror(error.errno), address) from error
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._socket.closed

    def send_status(self, status):
        """Send a status, and with it the lines sent before it, for subscribers to compare."""
        told = {"lines_published": self.sent, "publisher_overflows": self.overflows}
        self.send(status_to_json(status | told))

    def send(self, line):
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

    def close(self):
        """Let waiting lines leave, for at most `linger` seconds, and free the address."""
        if not self.closed:
            self._socket.close()
            self._context.term()


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

    def __init__(self, addresses, queue=10_000):
        import zmq

        self.addresses = [full_address(address) for address in addresses]
        self.connected = [False] * len(self.addresses)
        self.missed = [0] * len(self.addresses)
        self._received = [0] * len(self.addresses)
        self._told = [None] * len(self.addresses)
        self._context = zmq.Context()
        self._poller = zmq.Poller()
        self._places = {}
        for place, address in enumerate(self.addresses):
            try:
                self._connect(place, address, queue)
            except zmq.ZMQError as error:
                self.close()
                raise ValueError(f"address: expected one of ZeroMQ, got {address!r}: {error}") from error

    def lines(self, timeout=0.1) -> list[tuple[int, str]]:
        """Pairs (which publisher, line) that are there, after up to `timeout` seconds of waiting."""
        found = []
        for socket, _ in self._poller.poll(round(1000 * timeout)):
            place, is_monitor = self._places[socket]
            if is_monitor:
                self._note(place, socket)
            else:
                found += [(place, self._counted(place, line)) for line in _all_of(socket)]
        return found

    def close(self):
        """Close the connections."""
        self._context.destroy(linger=0)

    def _connect(self, place, address, queue):
        import zmq

        socket = self._context.socket(zmq.SUB)
        socket.setsockopt(zmq.RCVHWM, queue)
        socket.setsockopt(zmq.MAXMSGSIZE, _MOST_BYTES)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX)
        # A host that is gone is noticed by TCP's own means: ZeroMQ 4.3.4 with its heartbeats aborts the
        # process when a publisher leaves while the queue here is full.
        for option, value in (("", 1), ("_IDLE", 3), ("_INTVL", 1), ("_CNT", 3)):
            socket.setsockopt(getattr(zmq, "TCP_KEEPALIVE" + option), value)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        socket.connect(address)
        for entry, is_monitor in ((socket, False), (monitor, True)):
            self._places[entry] = place, is_monitor
            self._poller.register(entry, zmq.POLLIN)

    def _counted(self, place, line):
        published = _PUBLISHED.search(line) if line.startswith(_STATUS_START) else None
        if published:
            now, before = (int(published[1]), self._received[place]), self._told[place]
            if before and now[0] >= before[0]:  # else another publisher has taken its place
                self.missed[place] += max(now[0] - before[0] - (now[1] - before[1]), 0)
            self._told[place] = now
        self._received[place] += 1
        return line

    def _note(self, place, monitor):
        import zmq
        from zmq.utils.monitor import recv_monitor_message

        event = recv_monitor_message(monitor)["event"]
        self.connected[place] = event == zmq.EVENT_HANDSHAKE_SUCCEEDED


def _all_of(socket, most=1000):
    import zmq

    try:
        for _ in range(most):
            yield socket.recv(zmq.NOBLOCK).decode(errors="replace")
    except zmq.Again:
        return


def _finite_or_none(value):
    return None if isinstance(value, float) and not isfinite(value) else value
