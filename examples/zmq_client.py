#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints who is active, from a receiver that publishes: jadce-receive --zmq 5555, or a JADCE ZMQ Sink."""

import json
import sys

import zmq

socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5555")
socket.subscribe('{"frame_id"')  # reports; the lines of statuses begin with {"receiver_status"
while True:
    report = json.loads(socket.recv())
    print(report["frame_id"], report["device"], flush=True)
