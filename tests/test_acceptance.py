# SPDX-License-Identifier: GPL-3.0-or-later
"""The accuracy that the receiver promises, through GNU Radio.

The noise variance is known; λ and the threshold follow their rules; one threshold serves the
decisions and the channel estimates. 2,100 frames a case, over three seeds and pilot books.
"""

import numpy as np
import pytest
from gnuradio import gr

from gr_jadce import Scenario, make_pilots
from gr_jadce.blocks import pilot_framer, receiver, scorer, uplink_source

SINGLE, MULTI = {"size": (100, 40), "n_antennas": 1}, {"size": (200, 64), "n_antennas": 4}


def score(estimator, size, n_antennas, snr_db, seed, n_slots):
    book = make_pilots("gaussian", *size, seed=seed)
    noise_var = Scenario(book, n_antennas, snr_db=snr_db).noise_var
    flowgraph = gr.top_block()
    source = uplink_source(
        book, n_antennas, snr_db=snr_db, n_slots=n_slots, slot_period=size[1] + 16, seed=seed
    )
    framer = pilot_framer(size[1], n_antennas, size[1] + 16)
    detector, judge = receiver(book, n_antennas, estimator, noise_var=noise_var), scorer()
    for antenna in range(n_antennas):
        flowgraph.connect((source, antenna), (framer, antenna))
    flowgraph.connect(framer, detector)
    for port in ("activity", "channel"):
        flowgraph.msg_connect((source, port), (judge, "in"))
        flowgraph.msg_connect((detector, port), (judge, "in"))
    flowgraph.msg_connect((detector, "status"), (judge, "in"))
    flowgraph.run()
    assert judge.matched() == n_slots
    return judge.miss_probability(), judge.false_alarm_probability(), judge.nmse_db()


@pytest.mark.parametrize(
    ("estimator", "case", "snr_db", "nmse_bar", "miss_bar"),
    [
        ("pc_admm", SINGLE, 10, -9.3, None),
        ("pc_admm", SINGLE, 20, -21.0, None),
        ("pc_admm", MULTI, 10, -12.0, 0.01),
        ("pc_admm", MULTI, 15, -17.5, 0.01),
        ("unrolled", SINGLE, 10, -10.9, None),
        ("unrolled", SINGLE, 20, -23.3, None),
        ("unrolled", MULTI, 10, -13.3, 0.01),
        ("unrolled", MULTI, 15, -18.3, 0.01),
    ],
)
def test_the_promised_accuracy(estimator, case, snr_db, nmse_bar, miss_bar):
    scores = np.array(
        [score(estimator, **case, snr_db=snr_db, seed=seed, n_slots=700) for seed in (101, 102, 103)]
    )
    miss, false_alarm, nmse_db = scores[:, 0].mean(), scores[:, 1].mean(), scores[:, 2]
    pooled_db = 10 * np.log10(np.mean(10 ** (nmse_db / 10)))  # equal numbers of frames
    assert pooled_db <= nmse_bar
    assert false_alarm <= 0.01
    assert miss_bar is None or miss <= miss_bar
