# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports on their way: lines to files and pipes, ZeroMQ to other machines, several receivers' put in order.

Import from the modules: this face does not load zmq.
"""
