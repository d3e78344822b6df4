# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of the page of a monitor, in a thread of its own, which keeps every viewer up to date."""

import asyncio
import os
import resource
import socket
import threading
from collections.abc import Callable

from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback

from ..monitor import Monitor
from .access import Access, page_url
from .handlers import Viewer, application
from .updates import Updates

_TICK_MS = 40


class PageServer:
    """Serves the page of a monitor in a thread of its own.

    Every viewer is sent what has changed, 25 times a second at most. One that is too slow to take it misses
    what comes meanwhile, and is then sent all anew; nobody waits for it.

    Parameters
    ----------
    monitor : monitoring.Monitor
    state : callable
        Gives a text on how the source is, and whether that is bad.
    address : (str, int)
        Host and port to listen at; port 0 takes a free one.
    token : str, optional
        See `Access`.
    title : str
        Of the page.

    Attributes
    ----------
    url : str
        The address of the page, with the token if there is one.

    Raises
    ------
    ValueError
        If the token is none, or lacks where it is needed.
    OSError
        If the address is in use or not of this machine.
    """

    def __init__(
        self,
        monitor: Monitor,
        state: Callable[[], tuple[str, bool]],
        *,
        address: tuple[str, int] = ("127.0.0.1", 0),
        token: str | None = None,
        title: str = "",
    ) -> None:
        access = Access(address[0], token)
        self._socket = _listening(*address)
        self.url = page_url(address[0], self._socket.getsockname()[1], token)
        self._broadcast = _Broadcast(Updates(monitor, state), title)
        self._access = access
        self._ready, self._stop = threading.Event(), lambda: None
        self._thread = threading.Thread(target=self._run, name="gr_jadce page", daemon=True)

    @property
    def n_viewers(self) -> int:
        """How many look at the page now."""
        return len(self._broadcast.viewers)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """Let go of all viewers and of the address; nothing happens a second time."""
        if self._thread.is_alive():
            self._stop()
            self._thread.join()
        self._socket.close()

    def _run(self):
        asyncio.run(self._serve())

    async def _serve(self):
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
        server = HTTPServer(application(self._access, self._broadcast), max_header_size=16_384)
        server.add_socket(self._socket)
        ticks = PeriodicCallback(self._broadcast.tick, _TICK_MS)
        ticks.start()
        self._ready.set()
        await stopped.wait()
        ticks.stop()
        server.stop()
        self._broadcast.close()
        await server.close_all_connections()


class _Broadcast:
    """The viewers, each with the number of the state that it has."""

    def __init__(self, updates: Updates, title: str) -> None:
        self.viewers: dict[Viewer, int | None] = {}
        self.title = title
        self._updates = updates
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._max_viewers = max(files // 4, 1)

    @property
    def is_full(self):
        return len(self.viewers) >= self._max_viewers

    def tick(self):
        self._updates.advance()
        for viewer, number in self.viewers.items():
            self._bring_up_to_date(viewer, number)

    def close(self):
        for viewer in list(self.viewers):
            viewer.close(1001, "the server ends")

    def _bring_up_to_date(self, viewer, number):
        if viewer.is_sending:
            return
        message = self._updates.message(number)
        if message is not None:
            viewer.send(message)
            self.viewers[viewer] = self._updates.number
        is_device_due = viewer.asks or (message is not None and self._updates.has_panels)
        if viewer.device is not None and is_device_due:
            viewer.asks = False
            if (detail := self._updates.device(viewer.device)) is not None:
                viewer.send(detail)


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens at an address; OSError says at which it cannot."""
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128
        )
    except OSError as error:
        text = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise OSError(error.errno, text, f"{host}:{port}") from error
    listener.setblocking(False)
    return listener
