# SPDX-License-Identifier: GPL-3.0-or-later
"""The server gives its files to those who may have them, and waits for no viewer."""

import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from raw_viewer import RawViewer
from slot_reports import push_slots
from waiting import wait_until

import gr_jadce.monitoring.web

TOKEN = "correct-horse-battery"
FILES = sorted(path.name for path in (Path(gr_jadce.monitoring.web.__file__).parent / "page").iterdir())


def ask(server, path="/", **headers):
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port)
    connection.request(
        "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


@pytest.fixture
def view():
    viewers = []

    def start(server, **options):
        viewers.append(RawViewer(server.url, **options))
        return viewers[-1]

    yield start
    for viewer in viewers:
        viewer.close()


def test_every_file_of_the_page_is_served_with_a_strict_policy(serve):
    server = serve()
    for name in ["", *FILES[: FILES.index("index.html")], *FILES[FILES.index("index.html") + 1 :]]:
        answer, body = ask(server, f"/{name}")
        assert (answer.status, bool(body)) == (200, True), name
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy and "*" not in policy and "http" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "ornado" not in answer.headers["Server"]


@pytest.mark.parametrize(
    "path", ["/absent", "/..%2fserver.py", "/../server.py", "/page/main.js", "/%00", "/main.js/", "/main_js"]
)
def test_nothing_else_is(serve, path):
    answer, body = ask(serve(), path)
    assert answer.status in (400, 404)
    assert b"import" not in body


@pytest.mark.parametrize("path", ["/", "/main.js", "/live", "/absent"])
def test_a_name_from_elsewhere_is_not_answered(serve, path):
    answer, body = ask(serve(), path, Host="attacker.example")
    assert (answer.status, body[:12]) == (403, b"Not allowed:")


def test_a_page_from_elsewhere_gets_no_socket(serve, view):
    assert view(serve(), Origin="http://attacker.example").status == 403


def test_a_token_is_taken_once_and_kept_as_a_cookie(serve):
    server = serve(token=TOKEN)
    for path in ("/", "/main.js", "/live", "/?token=wrong"):
        assert ask(server, path)[0].status == 403
    answer, _ = ask(server, f"/?token={TOKEN}")
    assert (answer.status, answer.headers["Location"]) == (302, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert ask(server, "/", Cookie=cookie.split(";")[0])[0].status == 200
    assert ask(server, "/main.js", Authorization=f"Bearer {TOKEN}")[0].status == 200


def test_the_numbers_are_those_of_the_monitor_and_guarded_as_the_page(serve, monitor):
    prometheus = pytest.importorskip("gr_jadce.monitoring.prometheus")
    server = serve(token=TOKEN)
    push_slots(monitor, range(5))
    assert ask(server, "/metrics")[0].status == 403
    answer, body = ask(server, "/metrics", Authorization=f"Bearer {TOKEN}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, prometheus.CONTENT_TYPE)
    assert body == prometheus.exposition(monitor)


def test_without_the_page_there_are_the_numbers_alone(serve, monitor):
    server = serve(with_page=False)
    assert server.url.endswith("/metrics")
    assert [ask(server, path)[0].status for path in ("/metrics", "/", "/live", "/main.js")] == [
        200,
        404,
        404,
        404,
    ]


def test_a_socket_takes_the_token_too(serve, view):
    server = serve(token=TOKEN)
    assert view(server).status == 403
    assert view(server, Cookie=f"jadce_token={TOKEN}").status == 101


def test_it_listens_on_this_machine_alone(serve):
    port = urlsplit(serve().url).port
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    places = [line.split()[1] for line in listening.splitlines() if line.split()[3] == "0A"]
    assert [place for place in places if place.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_an_address_in_use_is_an_error(serve):
    port = urlsplit(serve().url).port
    with pytest.raises(OSError, match="Address already in use") as error:
        serve(address=("127.0.0.1", port))
    assert error.value.filename == f"127.0.0.1:{port}"


def test_viewers_are_let_go_at_the_end(serve, view):
    server = serve(title="the roof")
    viewer = view(server)
    assert viewer.receive() == {"title": "the roof"}
    wait_until(lambda: server.n_viewers == 1)
    server.close()
    assert viewer.file.read().endswith(b"the server ends")


def test_one_that_leaves_is_forgotten(serve, view):
    server = serve()
    viewer = view(server)
    wait_until(lambda: server.n_viewers == 1)
    viewer.close()
    wait_until(lambda: server.n_viewers == 0)


@pytest.mark.parametrize("question", [b"what", b"[]", b"{}", b'{"device": "7"}', b'{"device": -1}', b"\xff"])
def test_questions_that_are_none_disturb_nobody(serve, view, monitor, question):
    server = serve()
    viewer, other = view(server), view(server)
    viewer.send(question)
    wait_until(lambda: server.n_viewers >= 1)
    push_slots(monitor, range(3))
    other.receive()
    assert other.receive()["shape"]["devices"] == 200


def test_one_may_ask_for_a_device(serve, view, monitor):
    viewer = view(serve())
    viewer.send(b'{"device": 17}')
    push_slots(monitor, range(20), rate=0.5)
    while "selected" not in (message := viewer.receive()):
        pass
    assert message["selected"]["device"] == 17 and message["selected"]["age"]


def test_a_device_is_told_though_nothing_new_comes(serve, view, monitor):
    push_slots(monitor, range(3))
    viewer = view(serve())
    assert [sorted(viewer.receive())[0] for _ in range(2)] == ["title", "antennas"]
    viewer.send(b'{"device": 17}')
    assert viewer.receive()["selected"]["device"] == 17


def test_one_that_does_not_read_stalls_nobody_and_later_gets_all_anew(serve, view, monitor):
    server = serve()
    asleep, awake = view(server, size=4096), view(server)
    wait_until(lambda: server.n_viewers == 2)
    awake.receive()
    n_slots = 0
    for _ in range(25):  # more megabytes than a socket's buffers take
        push_slots(monitor, range(n_slots, n_slots + 60), rate=0.5, n_devices=2000)
        n_slots += 60
        while awake.receive()["newest"] != str(n_slots - 1):
            pass
    newest, kinds = None, []
    assert asleep.receive() == {"title": ""}
    while newest != str(n_slots - 1):
        message = asleep.receive()
        newest = message["newest"]
        kinds.append("shape" in message)
    assert len(kinds) < 25 and kinds[-1]  # it missed updates, and began anew
