# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.pilots import as_pilot_book, make_pilots
from gr_jadce.pilots.delays import check_delays


@pytest.mark.parametrize("kind", ["gaussian", "qpsk"])
@pytest.mark.parametrize("max_delay", [0, 8])
def test_random_pilots_differ_at_all_delays(kind, max_delay):
    check_delays(make_pilots(kind, 200, 64, seed=1), max_delay)


@pytest.mark.parametrize("as_matrix", [False, True])
def test_all_shifts_of_a_sequence_are_refused(as_matrix):
    book = make_pilots("zadoff_chu", 100, 64, seed=1)
    book = as_pilot_book(book.matrix) if as_matrix else book
    with pytest.raises(
        ValueError, match="^pilots: expected none that is another's up to 4 symbols late"
    ) as error:
        check_delays(book, 3)
    words = str(error.value).replace("'s", "").replace(",", "").replace(";", "").split()
    numbers = [int(word) for word in words if word.isdigit()]
    first, lag, second = numbers[-3:]
    assert abs(np.vdot(np.roll(book.matrix[:, first], lag), book.matrix[:, second])) > 0.99


def test_shifts_further_apart_than_the_delays_will_do():
    sequence = make_pilots("zadoff_chu", 1, 64, seed=1).matrix[:, 0]
    apart = as_pilot_book(np.stack([np.roll(sequence, 5 * n) for n in range(12)], axis=1))
    check_delays(apart, 3)
    with pytest.raises(ValueError, match="which 5 late is that of device"):
        check_delays(apart, 4)


def test_a_receiver_of_devices_out_of_step_refuses_them():
    with pytest.raises(ValueError, match="^pilots: expected none"):
        Delayed(make_pilots("zadoff_chu", 100, 64, seed=1), Asynchrony(2, prefix=2))
