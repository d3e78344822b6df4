# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever takes the messages, all of them or with gaps, has what the monitor has."""

import json

import numpy as np
import pytest
from reports import make_taps
from slot_reports import push_slots, slot_report

from gr_jadce.monitoring.web.columns import plain
from gr_jadce.monitoring.web.updates import Updates


class Viewer:
    """What a page does with the messages, in the fewest words."""

    def __init__(self, updates):
        self.updates, self.number, self.cells, self.last, self.names = updates, None, None, {}, {}

    def look(self):
        message = self.updates.message(self.number)
        self.number = self.updates.number
        if message is not None:
            self.take(json.loads(message))

    def take(self, update):
        self.last |= update
        self.names |= update["names"]
        if "shape" in update:
            self.cells = np.zeros((update["shape"]["frames"], update["shape"]["cells"]), np.uint8)
        columns, at = update["columns"], 0
        self.cells = np.roll(self.cells, -update.get("shift", 0), axis=0)
        for age, background, count in zip(
            columns["age"], columns["background"], columns["count"], strict=True
        ):
            self.cells[-1 - age] = background
            self.cells[-1 - age, columns["cell"][at : at + count]] = columns["code"][at : at + count]
            at += count


@pytest.fixture
def updates(monitor):
    return Updates(monitor, lambda: ("receiving", False))


def advance(updates, *viewers, ticks=1):
    for _ in range(ticks):
        updates.advance()
        for viewer in viewers:
            viewer.look()


def test_a_viewer_of_all_and_one_of_some_messages_have_the_raster(monitor, updates):
    rng, diligent, lazy = np.random.default_rng(2), Viewer(updates), Viewer(updates)
    newest = 2**63
    for step in range(60):
        jump = [1, 3, 0, -2, 59, 61, -70][rng.choice(7, p=[0.5, 0.2, 0.1, 0.1, 0.04, 0.03, 0.03])]
        push_slots(monitor, range(newest, newest + 4), seed=step, with_truth=step % 2)
        if step % 10 == 5:
            monitor.push(slot_report(newest + 2, status="bad_input"))
        newest += 4 + jump
        advance(updates, diligent, *[lazy] * (step % 3 == 0))
        assert np.array_equal(diligent.cells, monitor.raster()[0])
        if step % 3 == 0:
            assert np.array_equal(lazy.cells, diligent.cells)
            assert lazy.last["newest"] == str(monitor.snapshot().newest)


def test_only_what_has_changed_is_sent(monitor, updates):
    viewer = Viewer(updates)
    push_slots(monitor, range(50))
    advance(updates, viewer)
    push_slots(monitor, [50], with_truth=False)
    advance(updates, viewer)
    assert viewer.last["shift"] == 1 and viewer.last["columns"]["age"] == [0]
    monitor.push(slot_report(48, [7, 9]))
    advance(updates, viewer)
    assert viewer.last["shift"] == 0 and viewer.last["columns"]["age"] == [2]
    updates.advance()
    assert updates.message(viewer.number) is None


def test_another_number_of_devices_begins_anew(monitor, updates):
    viewer = Viewer(updates)
    push_slots(monitor, range(5))
    advance(updates, viewer)
    push_slots(monitor, range(5, 8), n_devices=100_000, rate=1e-4)
    advance(updates, viewer)
    assert viewer.last["shape"] == {"frames": 60, "cells": 4000, "devicesPerCell": 25, "devices": 100_000}
    assert np.array_equal(viewer.cells, monitor.raster()[0])


def test_figures_of_the_last_report_come_though_nothing_follows(monitor, updates):
    viewer = Viewer(updates)
    push_slots(monitor, range(5))
    advance(updates, viewer, ticks=2)
    push_slots(monitor, [5])
    monitor.push_status({"slots_lost": 7})
    advance(updates, viewer, ticks=5)
    texts = {caption: text for caption, text, _ in viewer.last["figures"]}
    assert (texts["Frames"], texts["Slots lost"]) == ("6", "7")


def test_a_state_that_changes_is_told(monitor):
    states = [("receiving", False)]
    updates = Updates(monitor, lambda: states[-1])
    viewer = Viewer(updates)
    push_slots(monitor, [1])
    advance(updates, viewer, ticks=5)
    states.append(("nothing for 4 s", True))
    advance(updates, viewer, ticks=5)
    assert viewer.last["source"] == ["nothing for 4 s", True]


def test_the_newest_frame_has_what_its_report_has(monitor, updates):
    viewer = Viewer(updates)
    channel = np.array([[1, 1j, 2], [0, 0, 3]])
    delay, offset = np.float32([0.25, -0.5]), np.float32([0, 1e-3])
    monitor.push(slot_report(2**63, [3, 5], channel=channel, delay=delay, carrier_offset=offset))
    advance(updates, viewer)
    frame = viewer.last["frame"]
    assert frame["slot"] == str(2**63)
    assert (frame["device"], frame["gain"]) == ([3, 5], [[1, 1, 2], [0, 0, 3]])
    assert (frame["delay"], frame["offset"]) == ([0.25, -0.5], [0, 1e-3])


def test_the_newest_frame_has_the_response_of_its_strongest_device(monitor, updates):
    viewer = Viewer(updates)
    taps = make_taps([1, 2])
    taps.gain[1:] = [[1, 1j, 1], [0.1, 0.1, 0]]
    monitor.push(slot_report(1, [3, 5], score=[4, 5], delay=[0, 1], taps=taps))
    advance(updates, viewer)
    response = viewer.last["frame"]["response"]
    assert response["device"] == 5
    assert response["delay"] == pytest.approx(taps.delay[1:], rel=1e-3)
    assert response["power"] == pytest.approx([0, 10 * np.log10(0.02 / 3)], abs=1e-2)


def test_names_are_learned_once_and_told_to_those_who_come_later(monitor, updates):
    early, late = Viewer(updates), Viewer(updates)
    monitor.push(slot_report(1, [3, 5], device_id=("pump", "gate")))
    advance(updates, early)
    monitor.push(slot_report(2, [5, 7], device_id=("gate", "<i>lamp</i>")))
    advance(updates, early)
    assert early.last["names"] == {"7": "<i>lamp</i>"}
    advance(updates, late)
    assert early.names == late.names == {"3": "pump", "5": "gate", "7": "<i>lamp</i>"}


def test_names_of_another_book_take_the_place_of_the_old(monitor, updates):
    monitor.push(slot_report(1, [3], device_id=("pump",)))
    updates.advance()
    monitor.push(slot_report(2, [5], device_id=("gate",), n_devices=20))
    viewer = Viewer(updates)
    advance(updates, viewer)
    assert viewer.names == {"5": "gate"}


def test_what_is_no_live_source_has_no_load(monitor):
    updates = Updates(monitor, lambda: ("read to its end", False), is_live=lambda: False)
    viewer = Viewer(updates)
    push_slots(monitor, range(5))
    advance(updates, viewer)
    assert {caption: text for caption, text, _ in viewer.last["figures"]}["Load"] == "–"


def test_names_of_reports_from_before_are_known(monitor):
    monitor.push(slot_report(1, [3], device_id=("pump",)))
    viewer = Viewer(Updates(monitor, lambda: ("receiving", False)))
    viewer.look()
    assert viewer.names == {"3": "pump"}


def test_a_device_is_told_with_its_last_slots(monitor, updates):
    channel = np.array([[1j, 2, 0]])
    monitor.push(slot_report(10, [4], score=[5.0]))
    monitor.push(slot_report(11))
    monitor.push(slot_report(12, [4], score=[np.inf], channel=channel))
    monitor.push(slot_report(13, [9]))
    updates.advance()
    panel = json.loads(updates.device(4))["selected"]
    assert (panel["age"], panel["score"], panel["frames"]) == ([3, 1], [5, None], 4)
    assert (panel["slot"], panel["real"], panel["imaginary"]) == ("12", [0, 2, 0], [1, 0, 0])
    assert panel["gain"] == [0, pytest.approx(10 * np.log10(5 / 3), rel=1e-3)]
    assert json.loads(updates.device(5))["selected"]["age"] == []
    assert updates.device(200) is None


def test_numbers_that_are_none_become_null():
    values = {"a": float("nan"), "b": np.array([1 / 3, np.inf]), "c": [(True, 2**63)], "d": "text"}
    assert plain(values) == {"a": None, "b": [0.3333, None], "c": [[True, 2**63]], "d": "text"}


def test_messages_are_made_once_for_all_viewers(monitor, updates):
    push_slots(monitor, range(3))
    updates.advance()
    assert updates.message(None) is updates.message(None)
    push_slots(monitor, range(3, 5))
    updates.advance()
    assert updates.message(updates.number - 1) is updates.message(updates.number - 1)
    assert len(updates.message(updates.number - 1)) < len(updates.message(None))
