# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames by ZeroMQ of which the number of antennas is not known until the first of them comes."""

import re
import tempfile
import threading

from .publishing import full_address

_TAG_HEADER = b"\xf0\x5f\x01"  # of GNU Radio's ZMQ sinks, in front of the items where tags are passed
_BYTES_PER_SAMPLE = 8


class FrameRelay:
    """Takes messages of frames from a ZMQ PUSH Sink, reads M in the first, and hands all of them on.

    GNU Radio's ZMQ PULL Source is made for frames of one size. It can be made when this size is known,
    and takes from `address`, in this process, what came from the sender. Few messages wait here: what
    waits is lost with this receiver.

    Parameters
    ----------
    source : str or int
        Address of the sender (see `full_address`).
    pilot_length : int
        L of this receiver.
    queue : int
        Messages that may wait on either side.

    Attributes
    ----------
    address : str
        Where all messages can be pulled from, once `start` is called.
    n_antennas : int
        M of the first frames; 0 before they have come.

    Raises
    ------
    ValueError
        If the address is none.
    """

    def __init__(self, source: str | int, pilot_length: int, *, queue: int = 1) -> None:
        import zmq

        full = full_address(source)
        self.n_antennas, self._pilot_length = 0, pilot_length
        self._first = b""
        self._folder = tempfile.TemporaryDirectory(prefix="jadce-")  # nobody else may pull from it
        self.address = f"ipc://{self._folder.name}/frames"
        self._context = zmq.Context()
        self._intake, self._outlet = self._context.socket(zmq.PULL), self._context.socket(zmq.PUSH)
        for socket, option in ((self._intake, zmq.RCVHWM), (self._outlet, zmq.SNDHWM)):
            socket.setsockopt(option, queue)
            socket.setsockopt(zmq.LINGER, 0)
        self._thread = threading.Thread(target=self._run, name="gr_jadce frames", daemon=True)
        try:
            self._intake.connect(full)
            self._outlet.bind(self.address)
        except zmq.ZMQError as error:
            self.close()
            raise ValueError(f"address: expected one of ZeroMQ, got {source!r}: {error}") from error

    def wait(self, timeout: float) -> bool:
        """Wait for the first frames, for some seconds at most; whether they have come.

        Raises
        ------
        ValueError
            If they do not tell M, or are not for this receiver; the message says which.
        """
        if self._intake.poll(round(1000 * timeout)):
            self._first = self._intake.recv()
            self.n_antennas = _antennas_of(self._first, self._pilot_length)
        return self.n_antennas > 0

    def start(self) -> None:
        """Hand on the first message and all later ones, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and free what was taken; messages that wait are lost."""
        if self._thread.ident is None:
            self._close_sockets()
        self._context.term()  # ends the thread
        self._folder.cleanup()

    def _run(self) -> None:
        import zmq

        try:
            self._outlet.send(self._first)
            zmq.proxy(self._intake, self._outlet)  # without the interpreter
        except zmq.ContextTerminated:
            pass
        finally:
            self._close_sockets()

    def _close_sockets(self) -> None:
        self._intake.close()
        self._outlet.close()


def _antennas_of(message: bytes, pilot_length: int) -> int:
    """M, as the tags of a message of frames tell it; ValueError if it is not for this pilot length."""
    n_antennas, length = (_tag_of(message, name) for name in ("n_antennas", "pilot_length"))
    if not n_antennas:
        raise ValueError(
            "n_antennas: the first message does not tell it: expected one of a framer with Tag Every Frame, "
            "through a sink with Pass Tags, or the number (--antennas)"
        )
    if length not in (0, pilot_length):
        raise ValueError(f"pilot_length: the frames have {length}, this receiver is for {pilot_length}")
    if n_antennas * pilot_length * _BYTES_PER_SAMPLE > len(message):
        raise ValueError(f"n_antennas: the first message tells {n_antennas}, and is too short for a frame")
    return n_antennas


def _tag_of(message: bytes, name: str) -> int:
    """The unsigned integer that the first tag of this name holds; 0 if there is none.

    Key and value stand behind each other, as `pmt.serialize_str` writes them.
    """
    key = b"\x02" + len(name).to_bytes(2, "big") + name.encode()
    match = re.search(re.escape(key) + rb"\x0b(.{8})", message, re.DOTALL)
    return int.from_bytes(match[1], "big") if match and message.startswith(_TAG_HEADER) else 0
