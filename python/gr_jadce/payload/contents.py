# SPDX-License-Identifier: GPL-3.0-or-later
"""What devices say: the packets that they send behind their pilots."""

from collections import deque
from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ..checks import check_integer
from .format import PayloadFormat

MESSAGES = "messages"  # packets that come while devices send
_MAX_WAITING = 1024  # packets of a device
_PACKET_STREAM = (0, 0, 0, 4)  # of a slot's random numbers


Contents = Callable[[int, NDArray], NDArray]  # packets (K, n_bytes) of a slot and its active devices (K,)


def random_contents(format: PayloadFormat, seed: int = 0) -> Contents:
    """Random packets; that of a device in a slot does not depend on which others are active."""
    seed = check_integer("seed", seed, 0, 2**64 - 1)

    def packets(slot: int, devices: NDArray) -> NDArray:
        rng = np.random.Generator(np.random.Philox(key=[seed, slot], counter=list(_PACKET_STREAM)))
        return format.random_packets(rng, int(devices.max(initial=-1)) + 1)[devices]

    return packets


class TextContents:
    """A text, in which ``{device}`` and ``{slot}`` stand for the numbers of device and slot.

    It is sent in UTF-8, with zeros behind it; what is too long for a packet is cut off.
    """

    def __init__(self, format: PayloadFormat, text: str) -> None:
        self._n_bytes, self._text = format.n_bytes, text

    def __call__(self, slot: int, devices: NDArray) -> NDArray:
        """The packets (K, n_bytes) uint8 of devices in a slot."""
        text = self._text.replace("{slot}", str(slot))
        said = [text.replace("{device}", str(device)).encode() for device in devices.tolist()]
        return _rows([data[: self._n_bytes] for data in said], self._n_bytes)


class WaitingContents:
    """Packets that wait, each for the next slot in which its device is active.

    A device without one repeats its last; before its first it sends zeros. Another thread may add while one
    takes.

    Parameters
    ----------
    format : PayloadFormat
    n_devices : int
    """

    def __init__(self, format: PayloadFormat, n_devices: int) -> None:
        self._n_bytes, self._n_devices = format.n_bytes, n_devices
        self._waiting: dict[int, deque[bytes]] = {}
        self._last: dict[int, bytes] = {}
        self._lock = Lock()

    def push(self, device: int, data: bytes) -> None:
        """Let a device send bytes, with zeros behind them, in its next slot.

        Raises
        ------
        ValueError
            If there is no such device, the bytes are more than a packet, or too many packets wait.
        """
        device = check_integer("device", device, 0, self._n_devices - 1)
        if len(data) > self._n_bytes:
            raise ValueError(f"payload: expected at most {self._n_bytes} bytes, got {len(data)}")
        with self._lock:
            waiting = self._waiting.setdefault(device, deque())
            if len(waiting) >= _MAX_WAITING:
                raise ValueError(f"payload: {_MAX_WAITING} packets of device {device} wait already")
            waiting.append(bytes(data))

    def __call__(self, slot: int, devices: NDArray) -> NDArray:
        """The packets (K, n_bytes) uint8 of devices in a slot, which wait no longer."""
        with self._lock:
            return _rows([self._pop(int(device)) for device in devices], self._n_bytes)

    def waiting(self) -> int:
        """Packets that wait."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def _pop(self, device: int) -> bytes:
        waiting = self._waiting.get(device)
        if waiting:
            self._last[device] = waiting.popleft()
        return self._last.get(device, b"")


def contents_of(packets: str, format: PayloadFormat, n_devices: int, seed: int = 0) -> Contents:
    """What is said by "random" bytes, by a "counter" of slots, by "messages" that come, or by a text."""
    if packets == "random":
        return random_contents(format, seed)
    if packets == MESSAGES:
        return WaitingContents(format, n_devices)
    return TextContents(format, "{slot}" if packets == "counter" else packets)


def _rows(packets: list[bytes], n_bytes: int) -> NDArray:
    """Packets as rows (K, n_bytes), with zeros behind them."""
    whole = b"".join(packet.ljust(n_bytes, b"\0") for packet in packets)
    return np.frombuffer(whole, np.uint8).reshape(len(packets), n_bytes).copy()
