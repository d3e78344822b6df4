# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may look: this machine alone, or those who have a token."""

import hmac
import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

COOKIE = "jadce_token"
_MIN_TOKEN = 12  # characters


def web_address(text: str) -> tuple[str, int]:
    """Host and port of ``PORT`` (of this machine alone), ``HOST:PORT`` or ``[HOST]:PORT``.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    match = re.fullmatch(r"(?:(\[[0-9a-fA-F:.]+\]|[\w.-]+):)?([0-9]{1,5})", text, re.ASCII)
    if not match or int(match[2]) >= 2**16:
        raise ValueError(f"address: expected PORT or HOST:PORT, got {text!r}")
    return (match[1] or "127.0.0.1").strip("[]"), int(match[2])


@dataclass(frozen=True)
class Access:
    """The rule by which a request is let in.

    Without a token only names of this machine are answered: a page elsewhere that had its own name lead here
    could read what this one shows. With a token whoever has it is let in, by whatever name.

    Parameters
    ----------
    host : str
        Where the server listens.
    token : str, optional
        The secret, of at least 12 characters from A–Z, a–z, 0–9, ``-`` and ``_``; needed where other machines
        can reach the server.

    Raises
    ------
    ValueError
        If the token is none, or lacks where it is needed.
    """

    host: str
    token: str | None = None

    def __post_init__(self) -> None:
        if self.token is None:
            if not is_loopback(self.host):
                raise ValueError(f"token: expected one, for {self.host} is open to other machines, got none")
        elif not re.fullmatch(rf"[\w-]{{{_MIN_TOKEN},}}", self.token, re.ASCII):
            expected = f"at least {_MIN_TOKEN} letters, digits, - or _"
            raise ValueError(f"token: expected {expected}, got {len(self.token)} characters")

    def is_allowed(self, host: str, cookie: str | None, headers: Mapping[str, str]) -> bool:
        """Whether to answer a request to a host (and port), with this cookie and these headers."""
        if self.token is None:
            return is_loopback(_name_of(host))
        bearer = headers.get("Authorization", "").removeprefix("Bearer ")
        return self.is_token(cookie or "") or self.is_token(bearer)

    def is_token(self, text: str) -> bool:
        """Whether this is the token; takes as long whatever of it is right."""
        return self.token is not None and hmac.compare_digest(text.encode(), self.token.encode())


def is_loopback(host: str) -> bool:
    """Whether a host is a name or address that leads to this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def page_url(host: str, port: int, token: str | None = None) -> str:
    """The address to type into a browser; for a server at all addresses, with the name of this machine."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
