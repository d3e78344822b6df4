# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.pilots import make_pilots
from gr_jadce.uplink.activity import PeriodicActivity, RandomActivity, ScriptedActivity
from gr_jadce.uplink.bursts import Bursts
from gr_jadce.waveform import Waveform

BOOK = make_pilots("qpsk", 20, 16, seed=1)
ALL = np.arange(20)


def test_random_activity_has_its_rate_and_depends_on_slot_and_seed_only():
    activity = RandomActivity(0.2, seed=3)
    drawn = [activity.active(slot, ALL) for slot in range(2000)]
    assert np.mean([len(active) for active in drawn]) == pytest.approx(4, rel=0.05)
    assert np.array_equal(activity.active(77, ALL), drawn[77])
    some = np.array([2, 5, 9])
    assert np.array_equal(activity.active(77, some), np.intersect1d(drawn[77], some))
    assert any(len(RandomActivity(0.2, seed=4).active(slot, ALL)) != len(drawn[slot]) for slot in range(20))


def test_periodic_devices_take_turns():
    activity = PeriodicActivity(5)
    for slot in range(20):
        assert activity.active(slot, ALL).tolist() == [n for n in range(20) if (slot + n) % 5 == 0]


def test_a_script_is_followed():
    lines = ['{"frame_id": 3, "device": [4, 1]}', "", '{"frame_id": 7, "device": [], "channel": []}']
    activity = ScriptedActivity(lines, 20)
    assert activity.active(3, ALL).tolist() == [1, 4]
    assert activity.active(3, np.array([4, 6])).tolist() == [4]
    assert activity.active(0, ALL).tolist() == activity.active(7, ALL).tolist() == []
    assert activity.n_slots == 8


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("[1]", "expected a JSON object"),
        ("{", "Expecting"),
        ('{"device": [1]}', "frame_id: expected an integer"),
        ('{"frame_id": 1}', "device: expected a list"),
        ('{"frame_id": 1, "device": [20]}', "device: expected an integer from 0 to 19, got 20"),
        ('{"frame_id": 0, "device": [2]}', "expected each slot once, got 0 again"),
        ("[" * 100_000, ""),
    ],
)
def test_a_wrong_line_of_a_script_is_named(line, what):
    with pytest.raises(ValueError, match=f"^script, line 2: {what}"):
        ScriptedActivity(['{"frame_id": 0, "device": [1]}', line], 20)


def test_bursts_have_the_power_asked_for_and_add_up():
    waveform = Waveform(4)
    bursts = Bursts(BOOK, waveform, [3, 8, 11], backoff_db=20)
    one, share = bursts.of(np.array([8]))
    assert share == 1
    assert np.sum(np.abs(one) ** 2) / (16 * 4) == pytest.approx(0.01)
    both, _ = bursts.of(np.array([3, 8]))
    assert both - one == pytest.approx(bursts.of(np.array([3]))[0], abs=1e-6)
    pilot = np.convolve(one, waveform.taps)[waveform.offset :: 4][:16]
    assert pilot / bursts.gains(np.array([8])) == pytest.approx(BOOK.matrix[:, 8], abs=0.02)
    assert not bursts.of(np.empty(0, int))[0].any()


def test_what_would_clip_is_scaled_down_or_refused():
    bursts = Bursts(BOOK, Waveform(4), ALL, backoff_db=8)
    burst, share = bursts.of(ALL)
    assert share < 1
    assert np.abs(burst.view(np.float32)).max() == pytest.approx(1)
    with pytest.raises(ValueError, match=r"^backoff_db: expected at least \d"):
        Bursts(BOOK, Waveform(4), [1], backoff_db=0)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: RandomActivity(1.5), "activity_rate"),
        (lambda: RandomActivity(0.5, -1), "seed"),
        (lambda: PeriodicActivity(0), "every"),
        (lambda: Bursts(BOOK, Waveform(4), [20], 10), "devices"),
        (lambda: Bursts(BOOK, Waveform(4), [2], -1), "backoff_db"),
    ],
)
def test_wrong_arguments_are_named(make, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        make()
