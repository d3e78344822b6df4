# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor counts every report in its own thread, and its window draws what there is."""

import os

import numpy as np
import pmt
import pytest
from publisher import publish
from reports import make_report, make_taps

from gr_jadce.blocks import activity_monitor
from gr_jadce.reports.pdus import status_to_pmt, to_pmts

os.environ["QT_QPA_PLATFORM"] = "offscreen"
GUI, WIDGETS = pytest.importorskip("PyQt5.QtGui"), pytest.importorskip("PyQt5.QtWidgets")
pytest.importorskip("pyqtgraph")
SAID = pytest.importorskip("gr_jadce.blocks.support.window.said")
MISSED, FALSE_ALARM = 0xE6A100, 0xD55E00  # as drawn on a light desktop
MISSED_IN_THE_DARK = 0xF0E442


@pytest.fixture(scope="module")
def application():
    return WIDGETS.QApplication.instance() or WIDGETS.QApplication(["test"])


def frames(count, first=1000):
    """The messages of as many frames, and of their truth: one device missed, one falsely found in each."""
    for k in range(first, first + count):
        report = make_report(frame_id=k, rx_time=(k // 100, (k % 100) / 100), seed=k)
        other = np.setdiff1d(np.arange(report.n_devices), report.device)[:1]
        found = np.sort(np.append(report.device[1:], other))
        yield from to_pmts(make_report(frame_id=k, seed=k, estimator="truth"))
        yield from to_pmts(make_report(frame_id=k, rx_time=report.rx_time, seed=k, device=found))


def shown(monitor, application):
    """The window and a picture of it."""
    window = monitor.qwidget()
    window.resize(800, 500)
    window.show()
    window.draw()
    application.processEvents()
    image = window.grab().toImage()
    window.hide()
    return window, image


@pytest.fixture
def dark(application):
    """Make the desktop dark when called; it is light again at the end of the test."""
    light, palette = application.palette(), GUI.QPalette()
    palette.setColor(GUI.QPalette.Window, GUI.QColor("#23272e"))
    palette.setColor(GUI.QPalette.WindowText, GUI.QColor("#e8edf3"))
    yield lambda: application.setPalette(palette)
    application.setPalette(light)


def colours(image):
    return {
        image.pixel(x, y) & 0xFFFFFF for x in range(image.width()) for y in range(90, image.height() - 40)
    }


def test_every_report_is_counted():
    monitor = activity_monitor()
    publish([*frames(2000), status_to_pmt({"slots_lost": 4})], monitor)
    counts = monitor.counts()
    assert (counts.frames, counts.frames_scored, counts.detections) == (2000, 2000, 10_000)
    assert (counts.missed, counts.false_alarms) == (2000, 2000)
    assert (monitor.figures().slots_lost, monitor.rejected()) == (4, 0)


def test_the_channels_are_those_of_the_newest_report():
    monitor = activity_monitor()
    messages = list(frames(3))
    later_truth = to_pmts(make_report(frame_id=2000, seed=5, estimator="truth"))
    publish([*messages, *later_truth], monitor)
    expected = make_report(frame_id=1002, seed=1002)
    device, magnitude = monitor.channel_gains()
    assert (device[1:] == expected.device[1:]).all()
    np.testing.assert_array_equal(magnitude, np.abs(expected.channel))


def test_messages_that_do_not_fit_are_counted():
    monitor = activity_monitor()
    truth = to_pmts(make_report(estimator="truth"))[0]
    without_size = pmt.cons(pmt.dict_delete(pmt.car(truth), pmt.intern("n_devices")), pmt.cdr(truth))
    bad = [pmt.PMT_T, pmt.intern("x"), without_size, pmt.cons(pmt.car(truth), pmt.PMT_T)]
    publish([*bad, *frames(1), status_to_pmt({"gaps": "many"})], monitor)
    assert (monitor.rejected(), monitor.counts().frames, monitor.counts().frames_scored) == (5, 1, 1)


def test_malformed_channels_are_not_shown():
    monitor = activity_monitor()
    *others, channel = frames(1)
    publish([*others, pmt.cons(pmt.car(channel), pmt.make_c32vector(1, 0))], monitor)
    assert monitor.channel_gains() is None


def test_the_window_shows_misses_and_figures(application):
    monitor = activity_monitor(name="title", frames=50)
    window, before = shown(monitor, application)
    publish(frames(60), monitor)
    window, image = shown(monitor, application)
    assert not {MISSED, FALSE_ALARM} & colours(before)
    assert {MISSED, FALSE_ALARM} <= colours(image)
    texts = " ".join(label.text() for label in window.findChildren(WIDGETS.QLabel))
    assert "60 (20 %)" in texts  # missed


def test_the_window_shows_the_strongest_response_once_there_is_one(application):
    monitor = activity_monitor(frames=50)
    publish(frames(3), monitor)
    window, _ = shown(monitor, application)
    assert monitor.response() is None
    assert not window._response_plot.isVisibleTo(window)
    taps = make_taps([2, 1, 3])
    taps.gain[2] = 10
    names = ("a", "<i>b</i>", "c")
    publish(to_pmts(make_report(3, frame_id=2000, device=[3, 5, 9], taps=taps, device_id=names)), monitor)
    response = monitor.response()
    assert (response.device, response.delay.tolist()) == (5, taps.delay[2:3].tolist())
    assert response.power_db == pytest.approx(20)
    window, _ = shown(monitor, application)
    assert window._response_plot.isVisibleTo(window)
    assert "&lt;i&gt;b" in window._response_plot._title
    window.resize(800, 300)
    window.show()
    application.processEvents()
    assert not window._response_plot.isVisible()
    window.hide()


def test_the_window_becomes_dark_with_the_desktop(application, dark):
    monitor = activity_monitor(frames=50)
    publish(frames(60), monitor)
    _, light_image = shown(monitor, application)
    dark()
    _, image = shown(monitor, application)
    assert MISSED in colours(light_image) and MISSED not in colours(image)
    assert MISSED_IN_THE_DARK in colours(image)
    corners = [
        GUI.QColor(picture.pixel(3, picture.height() // 2)).lightness() for picture in (light_image, image)
    ]
    assert corners[0] > 200 and corners[1] < 60
    assert GUI.QColor("#e8edf3").rgb() & 0xFFFFFF in colours(image)  # of letters and axes


@pytest.mark.parametrize(("height", "hidden"), [(700, []), (250, ["_panel"]), (150, ["_panel", "_legend"])])
def test_in_a_low_window_the_raster_stays(application, height, hidden):
    monitor = activity_monitor(frames=50)
    publish(frames(60), monitor)
    window, _ = shown(monitor, application)
    window.resize(800, height)
    window.show()
    window.draw()
    application.processEvents()
    assert [name for name in ("_panel", "_legend") if not getattr(window, name).isVisible()] == hidden
    assert window._plots._view.height() >= 40
    window.hide()


def test_letters_grow_with_the_window(application):
    monitor = activity_monitor(frames=50)
    publish(frames(3), monitor)
    window, _ = shown(monitor, application)
    sizes = []
    for size in ((800, 500), (1920, 1080), (3840, 2160)):
        window.resize(*size)
        window.show()
        application.processEvents()
        sizes.append([label.font().pixelSize() for label in window.findChildren(WIDGETS.QLabel)])
    window.hide()
    assert all(small < middle < large for small, middle, large in zip(*sizes, strict=True))
    assert min(sizes[0]) >= 11


@pytest.mark.parametrize("n_devices", [1, 1000])
def test_devices_are_numbered_by_integers(application, n_devices):
    monitor = activity_monitor(frames=50)
    publish(to_pmts(make_report(n_devices=n_devices, n_active=1, device=[0])), monitor)
    window, _ = shown(monitor, application)
    axis = window._plots._plots[0].getAxis("left")
    ticks = [tick for _, ticks in axis.tickValues(-0.5, n_devices - 0.5, 300) for tick in ticks]
    assert ticks and all(tick == int(tick) for tick in ticks)


def test_the_scale_of_gains_does_not_jump(application):
    monitor = activity_monitor()
    window = monitor.qwidget()
    publish(frames(1), monitor)
    figures, tops = monitor.figures(), []
    for magnitude in (1.0, 0.9, 0.05, 0.3, 1.2, 0.02):
        window._plots.show_channel((np.array([3]), np.full((1, 3), magnitude)), figures)
        tops.append(window._plots._bar.levels()[1])
    assert tops == [0, 0, 0, 0, 5, 5]


def test_a_rare_miss_shows_among_many_devices(application):
    monitor = activity_monitor(frames=2000)
    report = make_report(n_devices=100_000, frame_id=1, device=[], channel=np.empty((0, 3)), score=[])
    truth = make_report(
        n_devices=100_000, n_active=1, device=[70_001], frame_id=1, estimator="truth", score=[0.0]
    )
    publish([*to_pmts(truth), *to_pmts(report)], monitor)
    assert monitor.counts().missed == 1
    assert MISSED in colours(shown(monitor, application)[1])


@pytest.mark.parametrize("change", [{"status": "bad_input", "noise_var": np.nan, "snr_db": np.nan}, {}])
def test_a_first_frame_without_devices_is_drawn(application, change):
    monitor = activity_monitor()
    report = make_report(n_active=0, **change)
    publish(to_pmts(report), monitor)
    shown(monitor, application)
    assert monitor.counts().frames == 1


def test_numpy_scalars_are_numbers():
    monitor = activity_monitor(frames=np.int64(5), update_time=np.float32(0.5))
    publish(frames(3), monitor)
    assert monitor.counts().frames == 3


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="frames"):
        activity_monitor(frames=1)
    with pytest.raises(ValueError, match="update_time"):
        activity_monitor(update_time=0.0)


def test_names_from_the_network_are_no_markup(application):
    monitor = activity_monitor(name="<i>")
    publish(to_pmts(make_report(estimator="<img src=x>\x1b")), monitor)
    window, _ = shown(monitor, application)
    texts = " ".join(label.text() for label in window.findChildren(WIDGETS.QLabel))
    assert "&lt;img src=x&gt;\\x1b" in texts and "<b>&lt;i&gt;</b>" in texts


def test_a_slow_window_is_drawn_less_often(application, monkeypatch):
    monitor = activity_monitor()
    window, drawn = monitor.qwidget(), []
    window.show()
    application.processEvents()
    monkeypatch.setattr(window, "draw", lambda: drawn.append(True))
    publish(frames(1), monitor)  # only now, or a slow machine has drawn it already
    for painting_time, times in ((1e6, 0), (0.0, 1), (0.0, 1)):  # the third time there is nothing new
        window._plots.painting_time = painting_time
        window._tick()
        assert len(drawn) == times
    window.hide()


def test_devices_have_their_names_beside_the_raster(application):
    monitor = activity_monitor()
    names = tuple(f"meter {n}, with a long name\x1b" for n in range(5))
    publish(to_pmts(make_report(device_id=names)), monitor)
    window, _ = shown(monitor, application)
    device, *_ = make_report().device.tolist()
    axis = window._plots._plots[0].getAxis("left")
    assert axis.tickStrings([float(device), device + 0.5], 1.0, 1.0)[0] == "meter 0, with "
    assert monitor.names()[device] == names[0]


def test_a_button_counts_anew(application):
    monitor = activity_monitor()
    publish(frames(3), monitor)
    window, _ = shown(monitor, application)
    window.findChild(WIDGETS.QPushButton).click()
    assert (monitor.counts().frames, monitor.counts().missed, monitor.counts().recent.missed) == (0, 0, 0)


def test_the_window_shows_what_devices_said(application):
    monitor = activity_monitor()
    figures = np.zeros(2, np.float32)
    payload = {"payload": (b"21.5 \xc2\xb0C\0", b"<b>"), "evm_db": figures, "payload_snr_db": figures}
    publish(to_pmts(make_report(n_active=2, device=[3, 8], **payload)), monitor)
    window = monitor.qwidget()
    window.resize(900, 900)
    window.show()
    window.draw()
    application.processEvents()
    table = window.findChild(SAID.SaidTable)
    assert table.isVisible()
    assert "<b>21.5 °C</b>" in table.text() and "<b>&lt;b&gt;</b>" in table.text()
    window.resize(900, 300)
    application.processEvents()
    assert not table.isVisible()
    window.hide()
