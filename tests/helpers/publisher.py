# SPDX-License-Identifier: GPL-3.0-or-later
"""A block that publishes given messages, to test blocks that take messages."""

from threading import Timer

import pmt
from gnuradio import gr

from gr_jadce.blocks.support.lifetime import keep_alive

_OUT, _SYSTEM = pmt.intern("out"), pmt.intern("system")
_DONE = pmt.cons(pmt.intern("done"), pmt.from_long(1))


class publisher(gr.basic_block):
    """Publish `messages` on the port `out` when started, or `delay` seconds later, and be done."""

    def __init__(self, messages, delay=0.0):
        gr.basic_block.__init__(self, "publisher", in_sig=None, out_sig=None)
        self.message_port_register_out(_OUT)
        self._messages = messages
        self._delay = delay
        keep_alive(self)

    def start(self):
        if self._delay:
            Timer(self._delay, self.publish).start()
        else:
            self.publish()
        return True

    def publish(self):
        for message in self._messages:
            self.message_port_pub(_OUT, message)
        self._post(_SYSTEM, _DONE)


def publish(messages, *sinks):
    """Run a flowgraph that gives `messages` and then pmt.PMT_EOF to the port `in` of every sink."""
    flowgraph, source = gr.top_block(), publisher([*messages, pmt.PMT_EOF])
    for sink in sinks:
        flowgraph.msg_connect((source, "out"), (sink, "in"))
    flowgraph.run()
