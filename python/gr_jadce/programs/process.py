# SPDX-License-Identifier: GPL-3.0-or-later
"""A program as a process: its standard streams, the signals that end it, its exit code."""

import contextlib
import io
import os
import signal
import stat
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

_INTERRUPTED = 130  # exit code, as shells have it
_CONTROLS = [*range(32), *range(127, 160)]
_ESCAPES = {code: repr(chr(code))[1:-1] for code in _CONTROLS if chr(code) not in "\n\t"}
_JOIN_TIMEOUT_S = 0.2  # for a thread that is about to end


def run(main: Callable[[], int | None]) -> NoReturn:
    """Run a program and exit with the code that `main` returns (None is 0).

    What its user can mend (a missing file, a wrong value) becomes one line on stderr and exit
    code 1.
    """
    os.environ.setdefault(
        "UHD_LOG_FASTPATH_DISABLE", "1"
    )  # its bare letters D and O would run into our lines
    secure_standard_streams()
    home, threads = writable_home(), set(threading.enumerate())
    try:
        code = main() or 0
        sys.stdout.flush()
    except BrokenPipeError:
        code = 1
    except KeyboardInterrupt:
        code = _fail("interrupted", _INTERRUPTED)
    except MemoryError as error:
        code = _fail(f"not enough memory: {error}")
    except ArithmeticError as error:
        code = _fail(f"a number is too large or too small: {error}")
    except OSError as error:
        code = _fail(f"{error.filename}: {error.strerror}" if error.filename else error)
    except ValueError as error:
        code = _fail(error)
    except Exception:  # a fault of ours, which must not crash a flowgraph that still runs
        traceback.print_exc()
        code = 1
    _exit(code, home, set(threading.enumerate()) - threads)


def say(text: str) -> None:
    """Write lines to stderr, control characters as escapes: some of the text may be a stranger's.

    A stderr that nobody holds any more, such as a lost terminal, is no failure.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text.translate(_ESCAPES) + "\n")
        sys.stderr.flush()


def reserve_stdout() -> int:
    """A descriptor of standard output for data; whatever else is printed goes to stderr."""
    descriptor = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return descriptor


def is_pipe(descriptor: int) -> bool:
    """Whether another program reads what is written to a descriptor."""
    return stat.S_ISFIFO(os.fstat(descriptor).st_mode)


class StopSignals:
    """The signals that end a program: SIGINT, SIGTERM, and SIGHUP as when an ssh connection is lost.

    The first of them is noted. A second SIGINT or SIGTERM ends the process at once; a shell that goes
    away sends several SIGHUP, which mean the same. Outside the main thread no signal is noted.

    Attributes
    ----------
    received : bool
        Whether one has come.
    """

    def __init__(self) -> None:
        self.received = False
        if threading.current_thread() is threading.main_thread():
            self._install()

    def _install(self) -> None:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup wants it ignored
            numbers.append(signal.SIGHUP)
        for number in numbers:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGHUP:
            signal.signal(number, signal.SIG_DFL)
        self.received = True  # no lock: the main thread may hold any


def secure_standard_streams() -> None:
    """Open what of the three standard streams is closed, and print what their encoding lacks as escapes.

    Otherwise the next file or socket would become standard output, and be written to by others.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def writable_home() -> tempfile.TemporaryDirectory | None:
    """A folder that takes the place of a home directory that cannot be written; None if it can.

    GNU Radio keeps files there, and system users of services have none.
    """
    home = os.environ.get("HOME")
    if not home or _is_writable(Path(home, ".gnuradio")) or _is_writable(Path(home)):
        return None
    folder = tempfile.TemporaryDirectory(prefix="jadce-")
    os.environ["HOME"] = folder.name
    return folder


def _is_writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _fail(message: object, code: int = 1) -> int:
    say(f"{Path(sys.argv[0]).name}: error: {message}")
    return code


def _exit(code: int, home: tempfile.TemporaryDirectory | None, threads: set[threading.Thread]) -> NoReturn:
    """Exit; where one of the threads still works, which would crash while the interpreter ends, at once."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # its reader has gone: the interpreter is not to try again
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            code = code or 1
    if home is not None:
        home.cleanup()
    working = [thread for thread in threads if not thread.name.startswith("Dummy")]  # as GNU Radio's are
    for thread in working:
        thread.join(_JOIN_TIMEOUT_S)
    if any(thread.is_alive() for thread in working):
        os._exit(code)
    sys.exit(code)
