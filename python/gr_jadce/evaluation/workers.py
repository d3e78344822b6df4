# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the rounds of a sweep are computed: in this process, in others, or in a Dask cluster."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any


@contextmanager
def open_workers(processes: int, scheduler: str | None) -> Iterator[tuple[Callable[..., Any], int]]:
    """A function like `Executor.submit`, and how many calls keep all workers busy."""
    if scheduler:
        with _dask_client(scheduler) as client:
            yield partial(client.submit, pure=False), 2 * max(len(client.nthreads()), 1)
    elif processes == 1:
        yield _call, 1
    else:
        with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
            try:
                yield pool.submit, 2 * processes
            finally:
                pool.shutdown(cancel_futures=True)


def _dask_client(scheduler):
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError("scheduler: needs the package distributed (Debian: python3-distributed)") from error
    return Client(scheduler)


def _call(function, *arguments):
    future = Future()
    future.set_result(function(*arguments))
    return future
