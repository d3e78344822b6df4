# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server of the page answers: the page's files, and a web socket to each viewer."""

import asyncio
import contextlib
import json
from importlib import resources
from typing import Any

from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ..monitor import Monitor
from .access import COOKIE, Access

_PING_INTERVAL_S, _PING_TIMEOUT_S = 20, 60  # a viewer that is silent for so long has gone
_MAX_QUESTION_BYTES = 256
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Server": "gr-jadce",
}


class _Guarded(RequestHandler):
    """What is only for those who may look."""

    def initialize(self, access: Access, source: Any = None) -> None:
        self.access = access
        self._source = source

    def set_default_headers(self):
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def prepare(self):
        if not self.access.is_allowed(self.request.host, self.get_cookie(COOKIE), self.request.headers):
            raise HTTPError(403)

    def write_error(self, status_code, **_):
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(_EXPLANATIONS.get(status_code, self._reason) + "\n")


_EXPLANATIONS = {
    403: "Not allowed: open the address that jadce-monitor has printed, with its token.",
    404: "There is nothing here.",
    501: "This needs prometheus_client (Debian's python3-prometheus-client).",
}


class _Page(_Guarded):
    """The page. A token in its address becomes a cookie, so that it is seen no longer."""

    def prepare(self):
        if self.access.is_token(self.get_query_argument("token", "")):
            self.set_cookie(COOKIE, self.access.token or "", httponly=True, samesite="Strict")
            self.redirect("/")
            return
        super().prepare()

    def get(self):
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(_file("index.html"))


class _File(_Guarded):
    def get(self, name):
        self.set_header("Content-Type", f"{_TYPES['.' + name.rpartition('.')[2]]}; charset=utf-8")
        self.finish(_file(name))


class _Metrics(_Guarded):
    """Numbers for Prometheus."""

    def get(self):
        try:  # needed for this alone
            from ..prometheus import CONTENT_TYPE, exposition
        except ImportError:
            raise HTTPError(501) from None
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(exposition(self._source))


class _Missing(_Guarded):
    def prepare(self):
        super().prepare()
        raise HTTPError(404)


class Viewer(_Guarded, WebSocketHandler):
    """One who looks at the page; may ask for a device, or for none, as {"device": 17}."""

    def initialize(self, access: Access, source: Any = None) -> None:
        super().initialize(access, source)
        self.device: int | None = None
        self.asks = False  # and has no answer yet
        self._pending: set[Any] = set()

    @property
    def is_sending(self) -> bool:
        """Whether something has not left yet."""
        return bool(self._pending)

    def prepare(self) -> None:
        super().prepare()
        if self._source.is_full:
            raise HTTPError(503)

    def open(self, *_args: str, **_options: str) -> None:
        self.set_nodelay(True)
        self.send(json.dumps({"title": self._source.title}))
        self._source.viewers[self] = None

    def on_message(self, message: str | bytes) -> None:
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            device = json.loads(message).get("device")
            self.device = device if isinstance(device, int) and 0 <= device < 2**32 else None
            self.asks = True

    def on_close(self) -> None:
        self._source.viewers.pop(self, None)

    def send(self, message: str) -> None:
        """Send a text, in its own time; `is_sending` until it has left."""
        task = asyncio.ensure_future(self._write(message))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _write(self, message):
        with contextlib.suppress(WebSocketClosedError):
            await self.write_message(message)


def application(access: Access, monitor: Monitor, broadcast: Any) -> Application:
    """Numbers for Prometheus and, where there is a broadcast to keep viewers in, the page and its socket."""
    options: dict[str, Any] = {"access": access}
    page = [] if broadcast is None else _page(options, broadcast)
    return Application(
        [("/metrics", _Metrics, options | {"source": monitor}), *page],
        default_handler_class=_Missing,
        default_handler_args=options,
        log_function=lambda _: None,
        websocket_ping_interval=_PING_INTERVAL_S,
        websocket_ping_timeout=_PING_TIMEOUT_S,
        websocket_max_message_size=_MAX_QUESTION_BYTES,
    )


def _page(options: dict[str, Any], broadcast: Any) -> list[Any]:
    """The addresses of the page, its socket and its files."""
    names = "|".join(sorted(path.name for path in _folder().iterdir() if path.name != "index.html"))
    return [
        ("/", _Page, options),
        ("/live", Viewer, options | {"source": broadcast}),
        (f"/({names.replace('.', '[.]')})", _File, options),
    ]


def _folder():
    return resources.files(__package__) / "page"


def _file(name: str) -> bytes:
    return (_folder() / name).read_bytes()
