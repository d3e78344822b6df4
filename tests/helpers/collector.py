# SPDX-License-Identifier: GPL-3.0-or-later
"""A block that keeps all messages of a receiver."""

from gr_jadce.blocks.support.report_sink import report_sink


class collector(report_sink):
    def __init__(self):
        self.reports = []
        self.statuses = []
        report_sink.__init__(self, "collector")

    def take_report(self, report):
        self.reports.append(report)

    def take_status(self, status):
        self.statuses.append(status)

    def listen_to(self, flowgraph, receiver, ports=("activity", "channel", "status")):
        for port in ports:
            flowgraph.msg_connect((receiver, port), (self, "in"))
