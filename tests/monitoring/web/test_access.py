# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine alone looks at the page, or who has the token."""

import socket

import pytest

from gr_jadce.monitoring.web.access import Access, page_url, web_address

TOKEN = "correct-horse-battery"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8088", ("127.0.0.1", 8088)),
        ("0", ("127.0.0.1", 0)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("host.example-1.org:8080", ("host.example-1.org", 8080)),
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_addresses(text, address):
    assert web_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "x", "65536", "host:", ":80", "::1:80", "http://a:80", "a b:80", "８０"]
)
def test_what_is_no_address(text):
    with pytest.raises(ValueError, match="address: expected PORT or HOST:PORT, got "):
        web_address(text)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "192.168.1.2", "::", "host.example.org", "127.0.0.1.example.org"]
)
def test_other_machines_take_a_token(host):
    with pytest.raises(ValueError, match="token: expected one"):
        Access(host)
    Access(host, TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_this_machine_takes_none(host):
    Access(host)


@pytest.mark.parametrize("token", ["", "short", "with spaces in it", "a;b=c; path=/ .....", "éééééééééééé"])
def test_tokens_that_are_none(token):
    with pytest.raises(ValueError, match="token: expected at least 12 letters"):
        Access("0.0.0.0", token)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8088", True), ("localhost:8088", True), ("[::1]:8088", True), ("LOCALHOST", True),
        ("attacker.example:8088", False), ("192.168.1.2:8088", False), ("", False), ("[::1", False),
    ],
)  # fmt: skip
def test_without_a_token_only_names_of_this_machine_are_answered(host, allowed):
    assert Access("127.0.0.1").is_allowed(host, None, {}) == allowed


@pytest.mark.parametrize(
    ("cookie", "header", "allowed"),
    [
        (TOKEN, "", True), (None, f"Bearer {TOKEN}", True), (None, TOKEN, True), (None, "", False),
        (TOKEN[:-1], "", False), ("é", "Bearer é", False), (None, f"Basic {TOKEN}", False),
    ],
)  # fmt: skip
def test_with_a_token_it_is_needed_by_whatever_name(cookie, header, allowed):
    access = Access("127.0.0.1", TOKEN)
    assert access.is_allowed("any.example:1", cookie, {"Authorization": header}) == allowed


def test_the_address_of_the_page():
    assert page_url("127.0.0.1", 80, None) == "http://127.0.0.1:80/"
    assert page_url("::1", 80, TOKEN) == f"http://[::1]:80/?token={TOKEN}"
    assert page_url("0.0.0.0", 80, TOKEN) == f"http://{socket.gethostname()}:80/?token={TOKEN}"
