# SPDX-License-Identifier: GPL-3.0-or-later
"""Stream tags, for sources that tests give samples and tags to."""

import pmt
from gnuradio import gr


def tag(offset, key, value):
    """A tag of a name and a PMT on one sample."""
    result = gr.tag_t()
    result.offset, result.key, result.value = offset, pmt.intern(key), value
    return result


def time_tag(offset, seconds, fraction, key="rx_time"):
    """A tag that tells the device time of one sample, as UHD does."""
    return tag(offset, key, pmt.make_tuple(pmt.from_uint64(seconds), pmt.from_double(fraction)))
