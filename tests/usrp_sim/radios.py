# SPDX-License-Identifier: GPL-3.0-or-later
"""Start simulated USRPs, each in a network namespace of its own, and always stop them.

The addresses are of the range reserved for such benchmarks (198.18.0.0/15) and lead no further
than this machine. Needs root, iproute2, what python3-uhd's usrp_mpm imports, and pyroute2 0.5.19
(in the .venv that `make setup` makes).
"""

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
PYTHONS = (sys.executable, HERE.parents[1] / ".venv" / "bin" / "python")
MODULES = ("uhd", "usrp_mpm", "gevent", "msgpack", "netaddr", "pyudev", "six", "systemd", "setuptools")
LACKING = f"""
from importlib.metadata import distributions
from importlib.util import find_spec
lacking = [name for name in {MODULES} if not find_spec(name)]
found = [d.version for d in distributions(name="pyroute2")]
print(*lacking, *([] if found[:1] == ["0.5.19"] else ["pyroute2==0.5.19"]))
"""
MTU = 9000
FULL_SCALE = 32767
DISCOVERY_PORT, RPC_PORT = 49600, 49601
# Names and addresses are of a radio's number; a process takes the next of these runs of numbers that is free.
RUNS = [range(first, first + 16) for first in range(0, 256, 16)]
LOCK = "\0gr-jadce simulated radios {}"  # an abstract socket: one a network namespace, gone with its process


def why_not():
    """Why simulated radios cannot run here; empty if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "the command ip is missing (Debian's iproute2)"
    lacking = [_lacking(python) for python in PYTHONS]
    if all(lacking):
        return f"Python packages are missing: {min(lacking, key=len)} (`make setup` as root installs them)"
    name = _name(f"-try-{os.getpid()}")  # of this process alone: others may ask at the same time
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    _remove(name)
    return "" if made.returncode == 0 else f"ip netns add: {made.stderr.strip()}"


@contextlib.contextmanager
def simulated_radios(iq_files, lose=None, timeout_s=600.0, capture=None):
    """Serve each file of int16 I, Q by a simulated USRP while the context lasts.

    Parameters
    ----------
    iq_files : sequence of path
        One radio each.
    lose : dict of int to str, optional
        "SAMPLE:COUNT" for a radio that loses the packets with these samples on the wire.
    timeout_s : float
        How long to wait until others leave radios free, and for these to answer.
    capture : dict of int to path, optional
        Where a radio writes what it transmits (`sim_usrp.py`).

    Yields
    ------
    str
        UHD device arguments for all radios.
    """
    with contextlib.ExitStack() as stack:
        numbers = stack.enter_context(_free_numbers(time.monotonic() + timeout_s))[: len(iq_files)]
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        for i, (number, iq_file) in enumerate(zip(numbers, iq_files, strict=True)):
            stack.enter_context(_namespace(number))
            options = ["--lose", (lose or {}).get(i, "0:0")]
            options += ["--capture", capture[i]] if i in (capture or {}) else []
            stack.enter_context(_simulator(number, iq_file, options, Path(folder, f"{number}.log")))
        deadline = time.monotonic() + timeout_s
        for number in numbers:
            _wait_until_ready(number, deadline, Path(folder, f"{number}.log"))
        yield ",".join(["type=e3xx", *(f"addr{i}={_address(number)}" for i, number in enumerate(numbers))])


def write_iq_files(folder, samples):
    """Write each column of complex samples to a file of int16 I, Q, clipped at ±1; the files."""
    files = [Path(folder, f"{antenna}.iq") for antenna in range(samples.shape[1])]
    for file, stream in zip(files, samples.T, strict=True):
        parts = np.stack([stream.real, stream.imag], axis=1) * FULL_SCALE
        np.round(parts).clip(-FULL_SCALE, FULL_SCALE).astype("<i2").tofile(file)
    return files


def _name(number):
    return f"jadce-usrp{number}"


def _address(number, end=2):
    return f"198.18.{number}.{end}"


@functools.cache
def _lacking(python):
    """What a Python lacks to run the simulator; empty if nothing."""
    if not Path(python).exists():
        return " ".join([*MODULES, "pyroute2==0.5.19"])
    return subprocess.run([python, "-c", LACKING], capture_output=True, text=True, check=True).stdout.strip()


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@contextlib.contextmanager
def _free_numbers(deadline):
    """Numbers of radios that are this process's own while the context lasts."""
    with socket.socket(socket.AF_UNIX) as lock:
        while not (free := next((run for run in RUNS if _locks(lock, run)), None)):
            if time.monotonic() > deadline:
                raise TimeoutError("other processes have all simulated radios")
            time.sleep(0.1)
        yield free


def _locks(lock, run):
    with contextlib.suppress(OSError):
        lock.bind(LOCK.format(run.start))
        return True
    return False


@contextlib.contextmanager
def _namespace(number):
    name = _name(number)
    _remove(name)  # what a killed process left
    try:
        _ip("netns", "add", name)
        _ip(*f"link add {name} mtu {MTU} type veth peer name eth0 mtu {MTU} netns {name}".split())
        _ip("addr", "add", f"{_address(number, 1)}/24", "dev", name)
        _ip("link", "set", name, "up")
        _ip("-n", name, "addr", "add", f"{_address(number)}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        _remove(name)


def _remove(name):
    inside = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
    for pid in inside.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "link", "del", name], capture_output=True)
    subprocess.run(["ip", "netns", "del", name], capture_output=True)


@contextlib.contextmanager
def _simulator(number, iq_file, options, log_file):
    """The process, which ends when its standard input closes: so it never outlives this one."""
    python = next(python for python in PYTHONS if not _lacking(python))
    serial = f"FADCE{number:02x}"  # UHD compares serial numbers as hexadecimal ints: at most 7 digits
    command = [python, HERE / "sim_usrp.py", iq_file, "--serial", serial, *options]
    with open(log_file, "wb") as log:
        process = subprocess.Popen(
            ["ip", "netns", "exec", _name(number), *command], stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        process.kill()
        process.wait()


def _wait_until_ready(number, deadline, log_file):
    while not (_discovers(number) and _accepts(number)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"simulated radio {number} does not answer:\n{log_file.read_text()[-2000:]}")
        time.sleep(0.1)


def _discovers(number):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        with contextlib.suppress(OSError):
            client.sendto(b"MPM-DISC", (_address(number), DISCOVERY_PORT))
            return client.recv(9000).startswith(b"USRP-MPM")
    return False


def _accepts(number):
    with contextlib.suppress(OSError), socket.create_connection((_address(number), RPC_PORT), 0.5):
        return True
    return False
