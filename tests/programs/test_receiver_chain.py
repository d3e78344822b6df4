# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of a reception, made from its settings."""

from types import SimpleNamespace

import pytest

from gr_jadce import make_pilots
from gr_jadce.programs.receiver_chain import framer_of
from gr_jadce.programs.settings import SlotGrid
from gr_jadce.waveform import Waveform


@pytest.mark.parametrize("waveform", [None, Waveform(4)])
def test_a_negative_offset_is_taken_with_and_without_a_matched_filter(waveform):
    settings = SimpleNamespace(grid=SlotGrid(200, offset=-3), waveform=waveform)
    source = SimpleNamespace(n_antennas=2, rate=1e6)
    assert framer_of(settings, make_pilots("qpsk", 20, 16), source).frames() == 0
