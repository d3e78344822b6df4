# SPDX-License-Identifier: GPL-3.0-or-later
"""A block that publishes given messages, to test blocks that take messages."""

import pmt
from gnuradio import gr

from gr_jadce.blocks.lifetime import keep_alive

_OUT = pmt.intern("out")


class publisher(gr.basic_block):
    """Publish `messages` on the port `out` and be done at once, as GNU Radio means it."""

    def __init__(self, messages):
        gr.basic_block.__init__(self, "publisher", in_sig=None, out_sig=None)
        self.message_port_register_out(_OUT)
        self._messages = messages
        keep_alive(self)

    def start(self):
        for message in self._messages:
            self.message_port_pub(_OUT, message)
        self._post(pmt.intern("system"), pmt.cons(pmt.intern("done"), pmt.from_long(1)))
        return True


def publish(messages, *sinks):
    """Run a flowgraph that gives `messages` and then pmt.PMT_EOF to the port `in` of every sink."""
    flowgraph, source = gr.top_block(), publisher([*messages, pmt.PMT_EOF])
    for sink in sinks:
        flowgraph.msg_connect((source, "out"), (sink, "in"))
    flowgraph.run()
