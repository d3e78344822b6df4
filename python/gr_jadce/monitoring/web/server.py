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
_MAX_HEADER_BYTES = 16_384


class PageServer:
    """Serves the page of a monitor, and numbers for Prometheus at ``/metrics``, in a thread of its own.

    Every viewer is sent what has changed, 25 times a second at most. One that is too slow to take it misses
    what comes meanwhile, and is then sent all anew; nobody waits for it.

    Parameters
    ----------
    monitor : monitoring.Monitor
    state : callable
        Gives a text on how the source is, and whether that is bad.
    is_live : callable
        Whether frames come as they are sent, so that the load means something.
    address : (str, int)
        Host and port to listen at; port 0 takes a free one.
    token : str, optional
        See `Access`.
    title : str
        Of the page.
    with_page : bool
        Whether to serve more than the numbers.

    Attributes
    ----------
    port : int
    url : str
        The address of the page, with the token if there is one, or that of the numbers.

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
        is_live: Callable[[], bool] = lambda: True,
        address: tuple[str, int] = ("127.0.0.1", 0),
        token: str | None = None,
        title: str = "",
        with_page: bool = True,
    ) -> None:
        access = Access(address[0], token)
        self._socket = _listening(*address)
        self.port = self._socket.getsockname()[1]
        self.url = page_url(address[0], self.port, token)
        if not with_page:
            self.url = page_url(address[0], self.port) + "metrics"
        self._broadcast = _Broadcast(Updates(monitor, state, is_live=is_live), title) if with_page else None
        self._access, self._monitor = access, monitor
        self._ready, self._stop = threading.Event(), lambda: None
        self._thread = threading.Thread(target=self._run, name="gr_jadce page", daemon=True)

    @property
    def is_closed(self) -> bool:
        """Whether it has been closed."""
        return self._socket.fileno() < 0

    @property
    def n_viewers(self) -> int:
        """How many look at the page now."""
        return len(self._broadcast.viewers) if self._broadcast else 0

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
        answers = application(self._access, self._monitor, self._broadcast)
        server = HTTPServer(answers, max_header_size=_MAX_HEADER_BYTES)
        server.add_socket(self._socket)
        if self._broadcast:
            self._broadcast.start()
        self._ready.set()
        await stopped.wait()
        server.stop()
        if self._broadcast:
            self._broadcast.close()
        await server.close_all_connections()


class _Broadcast:
    """The viewers, each with the number of the state that it has."""

    def __init__(self, updates: Updates, title: str) -> None:
        self.viewers: dict[Viewer, int | None] = {}
        self.title = title
        self._updates = updates
        self._ticks = PeriodicCallback(self._tick, _TICK_MS)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._max_viewers = max(files // 4, 1)

    @property
    def is_full(self):
        return len(self.viewers) >= self._max_viewers

    def start(self):
        self._ticks.start()

    def _tick(self):
        self._updates.advance()
        for viewer, number in self.viewers.items():
            self._bring_up_to_date(viewer, number)

    def close(self):
        self._ticks.stop()
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
