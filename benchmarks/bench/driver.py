# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes frames to a pipe when they are due, as a radio's driver does, from a process of its own.

`python driver.py FILE BYTES RATE COUNT FD`: frames of so many bytes from a file, over and over, to an open
file descriptor; all that are due at once. It begins at the first line that it reads, and prints when it
began, by `perf_counter`, which all processes share.
"""

import os
import sys
from time import perf_counter, sleep

MOST_AT_ONCE = 32  # of 2 KiB each they fill the pipe


def main() -> None:
    path, size, rate, count, out = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), *map(int, sys.argv[4:])
    with open(path, "rb") as file:
        data = memoryview(file.read())
    held, sent = len(data) // size, 0
    sys.stdin.readline()
    began = perf_counter()
    while sent < count:
        sleep(max(0.0, began + sent / rate - perf_counter()))
        due = count if rate == float("inf") else int((perf_counter() - began) * rate) + 1
        first = sent % held
        ready = max(1, min(due - sent, count - sent, held - first, MOST_AT_ONCE))
        os.write(out, data[first * size : (first + ready) * size])
        sent += ready
    os.close(out)
    print(began)


if __name__ == "__main__":
    main()
