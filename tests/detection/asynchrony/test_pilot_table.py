# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.detection.asynchrony.asynchrony import Asynchrony
from gr_jadce.detection.asynchrony.pilot_table import PilotTable
from gr_jadce.pilots import make_pilots
from gr_jadce.waveform import Waveform, late, turn

BOOK = make_pilots("gaussian", 6, 32, seed=4)


def delivered(waveform, delay):
    """The pilots (L, N) of bursts behind the matched filter, with exact pulses."""
    step = waveform.samples_per_symbol
    bursts = waveform.bursts(BOOK.matrix, np.full(6, delay + 1.0))  # a symbol later, as none may be early
    bursts = np.pad(bursts, ((0, 4 * step * waveform.span), (0, 0)))
    filtered = np.stack([np.convolve(burst, waveform.taps) for burst in bursts.T], axis=1)
    return filtered[waveform.offset + step :: step][:32]


@pytest.mark.parametrize("prefix", [0, 5])
@pytest.mark.parametrize("delay", [-0.5, -0.21, 0.0, 0.4, 1.77])
def test_the_table_has_the_pilots_as_a_waveform_delivers_them(prefix, delay):
    table = PilotTable(BOOK, Asynchrony(max_delay=2, prefix=prefix))
    expected = delivered(Waveform(4, span=16, cyclic_prefix=prefix), delay)
    for device in range(6):
        pilot = table.at(device, np.array([delay]), 0.0)[:, 0]
        assert np.linalg.norm(pilot - expected[:, device]) < 0.005


def test_between_its_entries_it_is_right_to_73_db():
    table = PilotTable(BOOK, Asynchrony(max_delay=2, prefix=4))
    for delay in np.linspace(-0.45, 2.4, 40):
        exact = late(delay, 32, 0.25, prefix=4)[0] @ BOOK.matrix
        near = np.stack([table.at(n, np.array([delay]), 0.0)[:, 0] for n in range(6)], axis=1)
        assert np.sum(np.abs(near - exact) ** 2) < 10**-7.2 * np.sum(np.abs(exact) ** 2)


def test_an_offset_turns_a_pilot_from_its_first_symbol_on():
    table = PilotTable(BOOK, Asynchrony(max_offset=0.01))
    still, turned = (table.at(1, np.array([0.2]), offset)[:, 0] for offset in (0.0, 0.004))
    assert turned == pytest.approx(still * turn(0.004, 32), abs=1e-6)


def test_delays_out_of_range_count_as_its_edge():
    table = PilotTable(BOOK, Asynchrony())
    far, edge = table.at(0, np.array([30.0, 0.5 + 1 / 16]), 0.0).T
    assert np.linalg.norm(far) == pytest.approx(np.linalg.norm(edge), rel=0.1)


@pytest.mark.parametrize(("max_offset", "count"), [(0.0, 1), (0.2 / 32, 1), (0.5 / 32, 3), (2 / 32, 9)])
def test_offsets_are_searched_about_half_a_cycle_apart(max_offset, count):
    offsets = PilotTable(BOOK, Asynchrony(max_offset=max_offset)).offsets
    assert len(offsets) == count
    assert offsets == pytest.approx(-offsets[::-1])
    reach = np.linspace(-max_offset, max_offset, 99)
    assert np.abs(reach[:, None] - offsets).min(axis=1).max() * 32 < 0.25


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"max_delay": -1}, "max_delay"),
        ({"max_delay": 3}, "max_delay"),
        ({"max_delay": 5, "prefix": 4}, "max_delay"),
        ({"max_offset": 0.6}, "max_offset"),
        ({"max_offset": -1}, "max_offset"),
        ({"prefix": -1}, "prefix"),
        ({"roll_off": -1}, "roll_off"),
        ({"max_paths": 0}, "max_paths"),
    ],
)
def test_wrong_arguments_are_named(arguments, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        Asynchrony(**arguments)


def test_several_paths_are_looked_for_behind_a_prefix():
    assert Asynchrony().max_paths == 1
    assert Asynchrony(max_delay=2).max_paths == 1
    assert Asynchrony(max_delay=2, prefix=2).max_paths == 4
    assert Asynchrony(max_delay=2, prefix=2, max_paths=1).max_paths == 1
