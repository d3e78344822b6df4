# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in a browser shows what has been reported, and asks for nothing from elsewhere."""

from urllib.parse import urlsplit

import numpy as np
import pytest
from page_state import MODULE, SOURCE, colour_at, expected_colour, newest, pixels
from reports import make_taps
from slot_reports import push_slots, slot_report
from waiting import wait_until

from gr_jadce.monitoring.figures import figure_texts
from gr_jadce.monitoring.raster import QUIET

STORE = f"""{MODULE}.then(({{ store }}) => Array.from({{ length: store.frames }}, (_, age) => {{
  const start = store.column(age) * store.cells;
  return Array.from(store.codes.subarray(start, start + store.cells));
}}))"""
TILES = """Object.fromEntries([...document.querySelectorAll('.tile')].map((tile) => [
  tile.children[0].textContent,
  [tile.children[1].firstChild.textContent, tile.querySelector('i').textContent]]))"""
LIST = """Object.fromEntries([...document.querySelectorAll('#figures dt')].map(
  (term) => [term.textContent, term.nextElementSibling.textContent]))"""


def shown(page):
    return page.evaluate(TILES) | {name: [text, ""] for name, text in page.evaluate(LIST).items()}


def bare(text):
    """Text without parentheses: a tile shows their content below."""
    return text.replace(" (", "").replace(")", "")


def test_what_it_shows_is_what_was_reported(serve, look, monitor):
    page = look(serve(title="the roof"))
    push_slots(monitor, range(2**63, 2**63 + 150), n_devices=1000)
    monitor.push_status({"slots_lost": 12})
    newest(page, 2**63 + 149)
    cells = monitor.raster()[0]
    assert np.array_equal(page.evaluate(STORE), cells[::-1])
    page.wait(f"({LIST})['Slots lost'] === '12'")
    texts = figure_texts(monitor.figures(), monitor.counts())
    figures = {name: bare("".join(parts).replace("−", "-")) for name, parts in shown(page).items()}
    for caption, (text, _) in texts.items():
        assert figures[caption] == bare(text), caption
    assert page.evaluate("document.title") == "the roof · gr-jadce"


def test_it_loads_from_its_server_alone(serve, look, monitor):
    server = serve()
    page = look(server)
    push_slots(monitor, range(3))
    newest(page, 2)
    asked = [event["request"]["url"] for event in page.events("Network.requestWillBeSent")]
    assert len(asked) >= 8
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(server.url).netloc}


def test_the_policy_refuses_what_is_not_of_the_page(serve, browser, monitor):
    page = browser.open(serve().url)
    page.wait(f"{SOURCE} !== 'connecting'")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.x = 1'}))"
    )
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=\"http://127.0.0.1:1/x.png\">')")
    wait_until(lambda: len(page.complaints()) >= 2)
    assert page.evaluate("window.x") is None
    page.close()


def test_the_channels_are_those_of_the_newest_frame(serve, look, monitor):
    page = look(serve())
    monitor.push(
        slot_report(4, [17, 23], channel=np.array([[1, 2, 4], [1j, -2, 0]]), device_id=("pump", "gate"))
    )
    newest(page, 4)
    page.evaluate(f"{MODULE}.then(({{ panels }}) => (window.values = panels.charts.channels.values, 0))")
    values = page.evaluate("[values.device.map(values.name), values.gain]")
    assert values == [["pump", "gate"], [[1, 2, 4], [1, 2, 0]]]
    assert page.evaluate("document.getElementById('steps').hidden")


def test_delays_and_offsets_show_where_they_are_reported(serve, look, monitor):
    page = look(serve())
    monitor.push(slot_report(4, [1], delay=np.float32([0.25]), carrier_offset=np.float32([1e-3])))
    newest(page, 4)
    assert not page.evaluate("document.getElementById('steps').hidden")


RESPONSE = """import('./main.js').then(({ panels }) => [document.getElementById('response').hidden,
  document.getElementById('response-device').textContent, panels.charts.response.values?.delay])"""


def test_the_response_of_the_strongest_device_shows_where_it_is_reported(serve, look, monitor):
    page = look(serve())
    monitor.push(slot_report(4, [1]))
    newest(page, 4)
    assert page.evaluate(RESPONSE)[0]
    taps = make_taps([2, 3])
    monitor.push(slot_report(5, [1, 8], score=[4, 9], delay=[0.5, 0.25], taps=taps))
    newest(page, 5)
    hidden, device, delay = page.evaluate(RESPONSE)
    assert not hidden and device == "device 8"
    assert delay == pytest.approx(taps.delay[2:], rel=1e-3)
    page.evaluate(
        "document.getElementById('wanted').value = '1'; document.getElementById('search').requestSubmit()"
    )
    page.wait("!document.getElementById('device').hidden")
    hidden, device, delay = page.evaluate(RESPONSE)
    assert not hidden and device == "device 1"
    assert delay == pytest.approx(taps.delay[:2], rel=1e-3)
    monitor.push(slot_report(6))
    newest(page, 6)
    page.evaluate("document.getElementById('all').click()")
    assert page.evaluate(RESPONSE)[0]


def test_names_that_come_later_get_their_room(serve, look, monitor):
    page = look(serve())
    monitor.push(slot_report(1, [3], n_devices=20))
    newest(page, 1)
    left = f"{MODULE}.then(({{ raster }}) => raster.area.left)"
    before = page.evaluate(left)
    monitor.push(slot_report(2, [3], n_devices=20, device_id=("the pump behind the house",)))
    newest(page, 2)
    assert page.evaluate(left) > before + 50


def test_one_may_look_at_a_device_by_name_and_at_all_again(serve, look, monitor):
    page = look(serve())
    for k in range(30):
        monitor.push(
            slot_report(k, [3, 170] if k % 3 else [3], device_id=("pump", "gate")[: 2 if k % 3 else 1])
        )
    newest(page, 29)
    page.evaluate(
        "document.getElementById('wanted').value = 'GATE'; document.getElementById('search').requestSubmit()"
    )
    page.wait("!document.getElementById('device').hidden")
    text = page.evaluate("document.getElementById('device').innerText")
    assert "gate" in text and "last in slot 29" in text and "found in 20 of the last 30 slots" in text
    assert page.evaluate(f"{MODULE}.then(({{ raster }}) => [raster.cells.first, raster.cells.last])") == [
        158,
        183,
    ]
    assert colour_at(page, 170, 0).tolist() != expected_colour(page, QUIET)
    page.evaluate("document.getElementById('all').click()")
    assert page.evaluate(f"{MODULE}.then(({{ raster }}) => raster.cells.last)") == 200
    assert page.evaluate("document.getElementById('device').hidden")


def test_a_click_on_the_raster_selects_the_device_there(serve, look, monitor):
    page = look(serve())
    monitor.push(slot_report(1, [0], n_devices=10))
    newest(page, 1)
    x, y = page.evaluate(f"""{MODULE}.then(({{ raster }}) => {{
      const box = raster.canvas.element.getBoundingClientRect(), {{ left, top, width, height }} = raster.area;
      return [box.left + left + width - 2, box.top + top + height * 0.65];
    }})""")
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    page.wait("!document.getElementById('device').hidden")
    assert page.evaluate("document.getElementById('device-name').textContent") == "device 6"
    assert page.evaluate("document.getElementById('tip').textContent") == "device 6 · slot 1 · quiet"


def test_a_pause_holds_the_picture_and_going_on_shows_all(serve, look, monitor):
    server = serve()
    page = look(server)
    push_slots(monitor, range(10))
    newest(page, 9)
    page.call("Input.dispatchKeyEvent", type="keyDown", key=" ", text=" ")
    page.wait(f"{SOURCE} === 'paused'")
    wait_until(lambda: server.n_viewers == 0)
    push_slots(monitor, range(10, 20))
    assert shown(page)["Frames"][0] == "10"
    page.evaluate("document.getElementById('pause').click()")
    newest(page, 19)
    assert np.array_equal(page.evaluate(STORE), monitor.raster()[0][::-1])


def test_it_comes_back_when_the_server_does(serve, look, monitor):
    server = serve()
    page = look(server)
    push_slots(monitor, range(3))
    newest(page, 2)
    server.close()
    page.wait(f"{SOURCE}.startsWith('not connected')")
    push_slots(monitor, range(3, 6))
    serve(address=("127.0.0.1", urlsplit(server.url).port))
    newest(page, 5)
    page.wait(f"{SOURCE} === 'receiving'")
    page.forget()  # what it complained of while there was no server


def test_a_bad_source_is_told(serve, look):
    page = look(serve(lambda: ("nothing for 7 s", True)))
    page.wait(f"{SOURCE} === 'nothing for 7 s'")
    assert page.evaluate("document.getElementById('source').classList.contains('bad')")


def test_it_follows_the_desktop_until_the_viewer_chooses(serve, look):
    page = look(serve())
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "light"
    page.prefer("dark")
    page.wait(f"{theme} === 'dark'")
    assert sum(pixels(page)[2, 2]) < 120
    page.evaluate("document.getElementById('theme').click()")
    assert page.evaluate(theme) == "light"
    page.evaluate("localStorage.clear()")


@pytest.mark.parametrize("n_devices", [1, 1000])
@pytest.mark.parametrize(
    ("width", "height"), [(360, 640), (768, 1024), (1280, 720), (1920, 1080), (3840, 2160)]
)
def test_all_is_within_the_width_and_the_raster_has_room(serve, look, monitor, n_devices, width, height):
    page = look(serve(), width=width, height=height)
    push_slots(monitor, range(20), n_devices=n_devices, rate=0.5 if n_devices == 1 else 0.05)
    newest(page, 19)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(f"{MODULE}.then(({{ raster }}) => raster.area.height)") > (
        50 if n_devices == 1 else 200
    )
    if width > 900:
        assert page.evaluate("document.documentElement.scrollHeight") <= height


def test_with_a_token_the_address_that_is_printed_opens_it(serve, look, monitor):
    page = look(serve(token="correct-horse-battery"))
    push_slots(monitor, range(3))
    newest(page, 2)
    assert "token" not in page.evaluate("location.href")


def test_names_from_the_network_are_text(serve, look, monitor):
    page = look(serve(title="<b>x</b>"))
    name = "<img src=x onerror=window.y=1>"
    monitor.push(slot_report(1, [1], device_id=(name,), estimator=name))
    newest(page, 1)
    assert shown(page)["Estimator"][0] == name
    assert page.evaluate("document.querySelectorAll('main img, #title b').length") == 0
