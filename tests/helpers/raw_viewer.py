# SPDX-License-Identifier: GPL-3.0-or-later
"""A web socket of the page, without a browser."""

import base64
import json
import socket
from urllib.parse import urlsplit


class RawViewer:
    """A web socket, read only when asked."""

    def __init__(self, url, size=None, **headers):
        address = urlsplit(url)
        self.socket = socket.socket()
        if size:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        self.socket.connect((address.hostname, address.port))
        wanted = {
            "Host": f"{address.hostname}:{address.port}", "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(), "Sec-WebSocket-Version": "13",
        } | headers  # fmt: skip
        lines = "".join(f"{name}: {value}\r\n" for name, value in wanted.items())
        self.socket.sendall(f"GET /live HTTP/1.1\r\n{lines}\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline().strip():
            pass

    def receive(self):
        """The next message of text; pings are passed over."""
        while True:
            kind, length = self.file.read(2)
            if length >= 126:
                length = int.from_bytes(self.file.read(2 if length == 126 else 8), "big")
            data = self.file.read(length)
            if kind == 0x81:
                return json.loads(data)

    def send(self, data):
        self.socket.sendall(bytes([0x81, 0x80 | len(data)]) + bytes(4) + data)

    def close(self):
        self.file.close()
        self.socket.close()
