# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve a file of samples as a simulated USRP E320, until standard input closes.

    sim_usrp.py IQ_FILE [--serial S] [--lose SAMPLE:COUNT] [--capture FILE]

IQ_FILE holds interleaved little-endian int16 I, Q (UHD's sc16 wire format): one receive channel.
This runs the simulator that Ettus ships inside Debian's python3-uhd package (usrp_mpm), completed
with what a receiver of several radios needs: a clock that can be set and a time on every packet,
so that UHD's own client code, gnuradio's `uhd.usrp_source` for one, streams from it over UDP and
aligns several. `--lose` drops, once a stream, the packets that hold COUNT samples from SAMPLE on:
UHD reports an out-of-sequence overflow, realigns the radios, and gr-uhd tags the time again.
`--capture` appends what is transmitted to FILE, as int16 I, Q, and to FILE.jsonl a line a packet:
its tick (null if it has no time), its number of samples, and whether it ends a burst.

Needs pyroute2 0.5.19 (newer ones do not work with usrp_mpm) and the Debian packages named in
`radios.py`, which starts this program, one a network namespace. The parts that usrp_mpm imports
and Debian lacks, mprpc and libpyusrp_periphs, are stood in for below.
"""

import argparse
import collections
import collections.abc
import contextlib
import json
import math
import multiprocessing
import os
import socket
import sys
import tempfile
import time
import types
from pathlib import Path
from unittest import mock

import msgpack

DEFAULT_TICK_RATE = 16e6  # Hz
BYTES_PER_SAMPLE = 4
DISCOVERY_PORT, MAX_PACKET_BYTES = 49600, 9000
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2  # of Linux; Python has no names for them


class RPCServer:
    """The part of mprpc.RPCServer that usrp_mpm uses: msgpack-rpc over a socket."""

    def __init__(self, *_args, pack_params=None, unpack_params=None, **_kwargs):
        self._pack_params = dict(pack_params or {})
        self._unpack_params = dict(unpack_params or {})
        self.client_host = self.client_port = None

    def __call__(self, sock, address):
        self.client_host, self.client_port = address[:2]
        packer = msgpack.Packer(**self._pack_params)
        unpacker = msgpack.Unpacker(**self._unpack_params)
        while data := sock.recv(65536):
            unpacker.feed(data)
            for _kind, message_id, method, args in unpacker:
                result, error = self._answer(method, args)
                sock.sendall(packer.pack((1, message_id, error, result)))

    def _answer(self, method, args):
        try:
            result = getattr(self, method)(*args)
        except Exception as error:  # the client is told
            return None, str(error)
        if isinstance(result, dict):  # UHD reads these as maps of strings
            result = {key: "" if value is None else value for key, value in result.items()}
        return result, None


def install_stand_ins():
    """Provide the modules and names that usrp_mpm's imports need and Debian does not have."""
    sys.modules["mprpc"] = types.ModuleType("mprpc")
    sys.modules["mprpc"].RPCServer = RPCServer
    periphs = mock.MagicMock()
    periphs.types.log_buf.make_singleton.return_value.pop.return_value = (0, "", "")
    sys.modules["usrp_mpm.libpyusrp_periphs"] = periphs
    for name in ("Mapping", "MutableMapping", "Iterable", "Callable", "Set", "Sequence"):
        setattr(collections, name, getattr(collections.abc, name))  # pyroute2 0.5 takes them from there


def add_clock():
    """Give the simulator a clock that can be set and read, and the sources of a shared one."""
    from usrp_mpm.periph_manager.sim import sim

    sources = {"clock_source": "internal", "time_source": "internal"}
    sim.get_time_source = lambda self: "internal"
    sim.set_time_source = lambda self, _source: None
    sim.get_time_sources = lambda self: ("internal", "external")
    sim.get_sync_source = lambda self: sources
    sim.set_sync_source = lambda self, _source: None
    sim.get_sync_sources = lambda self: [sources]
    sim.synchronize = lambda self, *_args: {}
    sim.clock = (0, 0.0)  # ticks at a time of this host, which all radios share
    sim.tick_rate = DEFAULT_TICK_RATE
    shipped_set_rate = sim._simulator_sample_rate

    def set_rate(self, rate):
        self.tick_rate = rate  # no decimation in the simulator: one tick is one sample
        shipped_set_rate(self, rate)

    def set_time(self, _index, ticks, next_pps):
        self.clock = (ticks, math.ceil(time.time()) if next_pps else time.time())

    def get_time(self, _index, last_pps):
        ticks, since = self.clock
        now = math.floor(time.time()) if last_pps else time.time()
        if not since:
            return round((now % 1e6) * self.tick_rate)
        return max(0, ticks + round((now - since) * self.tick_rate))

    sim._simulator_sample_rate = set_rate
    sim.set_timekeeper_time = set_time
    sim.get_timekeeper_time = get_time


def add_sensors():
    """Report every lock sensor as locked."""
    from usrp_mpm.simulator import sim_dboard

    def get_sensor(_self, _direction, name, _channel=0):
        kind, value = ("BOOLEAN", "true") if "lock" in name else ("REALNUM", "25.0")
        return {"name": name, "type": kind, "unit": "", "value": value}

    sim_dboard.SimulatedCatalinaDboard.get_sensor = get_sensor


def add_timed_file_source():
    """Add a source of samples with a time on every packet, and loss on demand."""
    from uhd.chdr import ChdrPacket, ChdrWidth, PacketType
    from usrp_mpm.simulator import sample_source

    class TimedFileSource(sample_source.FileSource):
        def __init__(self, read_file, repeat, lose):
            super().__init__(read_file, repeat)
            first, count = (int(number) for number in lose.split(":"))
            self.lost = range(first, first + count)
            self.sample = self.seq_offset = 0
            self.start = None

        def fill_packet(self, packet, payload_size):
            payload_size -= payload_size % 8  # whole 64-bit words, or the padding is taken for a sample
            if self.start is None:
                self.start = packet.get_timestamp() or 0
            while self._is_lost(range(self.sample, self.sample + payload_size // BYTES_PER_SAMPLE)):
                self.read_obj.read(payload_size)
                self.sample += payload_size // BYTES_PER_SAMPLE
                self.seq_offset += 1
            if super().fill_packet(packet, payload_size) is None:
                return None
            header, payload = packet.get_header(), bytes(packet.get_payload_bytes())
            header.pkt_type = PacketType.DATA_WITH_TS
            header.seq_num = (header.seq_num + self.seq_offset) & 0xFFFF
            timed = ChdrPacket(ChdrWidth.W64, header, payload, self.start + self.sample)
            self.sample += len(payload) // BYTES_PER_SAMPLE
            return timed

        def _is_lost(self, samples):
            return samples.start < self.lost.stop and self.lost.start < samples.stop

    sample_source.sources["TimedFileSource"] = TimedFileSource


def add_capture_sink():
    """Add a sink that writes samples down with the times at which they are to be sent."""
    from usrp_mpm.simulator import chdr_stream, sample_source

    class CaptureSink(sample_source.SampleSink):
        def __init__(self, write_file):
            self.samples = open(write_file, "ab", buffering=0)
            self.lines = open(write_file + ".jsonl", "a", buffering=1)

        def accept_packet(self, packet):
            header, payload = packet.get_header(), bytes(packet.get_payload_bytes())
            self.samples.write(payload)
            line = {"tick": packet.get_timestamp(), "n_samples": len(payload) // BYTES_PER_SAMPLE}
            self.lines.write(json.dumps(line | {"eob": bool(header.eob)}) + "\n")

        def close(self):
            self.samples.close()
            self.lines.close()

    chdr_stream.ChdrInputStream.CAPACITY_BYTES = 2**16  # as shipped, less than one packet of UHD's
    sample_source.sinks["CaptureSink"] = CaptureSink


def make_streams_robust():
    """Let long streams, late flow-control reports and registers of newer clients pass."""
    from usrp_mpm.simulator import chdr_stream, stream_endpoint_node, stream_ep_regs

    def queue_newest(self, packet):
        if self.strs_queue.full():  # the shipped queue overflows in long streams
            self.strs_queue.get_nowait()
        self.strs_queue.put_nowait(packet)

    node = stream_endpoint_node.StreamEndpointNode
    shipped_handle = node._handle_strs_packet

    def handle_status(self, packet, **kwargs):
        if self.output_stream is None and packet.get_header().dst_epid not in self.strs_handlers:
            return None  # its stream has ended
        return shipped_handle(self, packet, **kwargs)

    shipped_write = stream_ep_regs.StreamEpRegs.write

    def write(self, addr, value):
        with contextlib.suppress(NotImplementedError):
            shipped_write(self, addr, value)

    chdr_stream.ChdrOutputStream.queue_packet = queue_newest
    node._handle_strs_packet = handle_status
    stream_ep_regs.StreamEpRegs.write = write


def answer_discovery(state):
    """Answer UHD's discoveries and echoes, in place of usrp_mpm's own process.

    UHD waits 20 ms for an echo, and says "No CHDR connection available!" without one: the real-time
    priority keeps that limit on a loaded host. The answer never says that the radio is claimed: in the
    addresses of several radios UHD takes that word for a part of the address, and so opens them twice.
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", DISCOVERY_PORT))
        server.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        while True:
            request, client = server.recvfrom(MAX_PACKET_BYTES)
            answer = request if request.startswith(b"MPM-ECHO") else description(state)
            with contextlib.suppress(OSError):  # an echo that is longer than the MTU
                server.sendto(answer, client)


def description(state):
    values = {
        b"type": state.dev_type, b"product": state.dev_product, b"serial": state.dev_serial,
        b"name": state.dev_name, b"fpga": state.dev_fpga_type,
    }  # fmt: skip
    fields = [key + b"=" + value.value for key, value in values.items()]
    return b";".join([b"USRP-MPM", *fields, b"claimed=False"])


def serve(config, until):
    """Run the radio's processes until `until()` returns."""
    import usrp_mpm as mpm
    from usrp_mpm import rpc_server
    from usrp_mpm.mpmtypes import MPM_RPC_PORT, SharedState

    mpm.get_main_logger(use_logbuf=False)
    shared = SharedState()
    rpc = multiprocessing.Process(  # usrp_mpm's own spawn_* differs between releases
        target=rpc_server._rpc_server_process, args=(shared, MPM_RPC_PORT, {"config": config})
    )
    rpc.start()
    discovery = multiprocessing.Process(target=answer_discovery, args=(shared,))
    discovery.start()
    processes = [rpc, discovery]
    try:
        until()
    finally:
        for process in processes:
            process.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("iq_file")
    parser.add_argument("--serial", default="FA4EDE7")
    parser.add_argument("--lose", default="0:0", metavar="SAMPLE:COUNT")
    parser.add_argument("--capture", metavar="FILE")
    args = parser.parse_args()

    install_stand_ins()
    add_clock()
    add_sensors()
    add_timed_file_source()
    add_capture_sink()
    make_streams_robust()
    sink = f"class=CaptureSink\nwrite_file={args.capture}\n" if args.capture else "class=NullSamples\n"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "radio.ini")
        config.write_text(
            f"[hardware]\npreset=E320\nserial_num={args.serial}\n"
            f"[sample.source]\nclass=TimedFileSource\nread_file={args.iq_file}\nrepeat=False\nlose={args.lose}\n"
            f"[sample.sink]\n{sink}"
        )
        serve(str(config), until=sys.stdin.read)


if __name__ == "__main__":
    main()
