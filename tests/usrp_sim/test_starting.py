# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated USRPs are started for one process alone, answer in time, and are always stopped."""

import contextlib
import os
import socket
import subprocess

import pytest
from usrp_sim.radios import DISCOVERY_PORT, simulated_radios, why_not

pytestmark = pytest.mark.skipif(why_not() != "", reason=f"simulated USRPs: {why_not()}")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_radios_are_stopped_when_their_user_fails(tmp_path):
    (tmp_path / "0.iq").write_bytes(bytes(4000))
    used = []

    def use_radios():
        with simulated_radios([tmp_path / "0.iq"]) as radios:
            used.append(f"jadce-usrp{radios.split('.')[-2]}")
            assert run("ip", "netns", "pids", used[0]).stdout
            assert run("ip", "link", "show", used[0]).stdout
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use_radios()
    for what in (["netns", "pids"], ["link", "show"]):
        assert subprocess.run(["ip", *what, *used], capture_output=True).returncode != 0  # no such thing


def test_processes_have_radios_of_their_own(tmp_path):
    (tmp_path / "0.iq").write_bytes(bytes(4000))
    with simulated_radios([tmp_path / "0.iq"]) as radios, simulated_radios([tmp_path / "0.iq"]) as others:
        assert radios != others


def test_a_probe_opens_several_radios(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(bytes(4000))
    with simulated_radios([tmp_path / "a", tmp_path / "b"]) as radios:
        assert run("uhd_usrp_probe", "--args", radios).stdout.count("Mboard: ") == 2


def test_a_radio_echoes_in_time_on_a_loaded_machine(tmp_path):
    (tmp_path / "0.iq").write_bytes(bytes(4000))
    echo = b"MPM-ECHO" + bytes(1000)
    with (
        simulated_radios([tmp_path / "0.iq"]) as radios,
        busy(20 * os.cpu_count()),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(0.02)  # as long as UHD waits
        for _ in range(200):
            client.sendto(echo, (radios.partition("addr0=")[2], DISCOVERY_PORT))
            assert client.recv(9000) == echo


@contextlib.contextmanager
def busy(count):
    """Processes that compute all the time."""
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
