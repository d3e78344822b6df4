# SPDX-License-Identifier: GPL-3.0-or-later
"""Training by several processes, on one host or many, each with its part of every batch: `torchrun`.

All processes draw the same batches. A process takes every n-th frame of each SNR bin; gradients are averaged
over the processes (`DistributedDataParallel`), and so are the errors that the loss is relative to. The losses
and weights are those of one process with the whole batches, up to rounding.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed


@contextmanager
def joined_processes(device: str = "cpu") -> Iterator[tuple[int, str]]:
    """With those that `torchrun` has started with this one, if it has, until the context is left.

    A process that ends without having left the others may be aborted by torch's own threads.

    Parameters
    ----------
    device : str
        Of torch; of "cuda", each process of a host gets one of its own.

    Yields
    ------
    rank : int
        0 in the first process, or the only one.
    device : str
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield 0, device
        return
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield distributed.get_rank(), f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device
    finally:
        distributed.destroy_process_group()


class SharedErrors:
    """The errors of every layer and SNR bin, from the parts of a batch that the processes have.

    Parameters
    ----------
    network : torch.nn.Module
    errors : callable
        Network and batch → (K, n_bins), means over the frames of a bin.
    n_bins : int
        SNR bins, equal parts of a batch, one behind the other.
    """

    def __init__(
        self, network: torch.nn.Module, errors: Callable[[Any, Any], torch.Tensor], n_bins: int
    ) -> None:
        self._n_bins, self._count, self._rank = n_bins, 1, 0
        self._model: torch.nn.Module = _Errors(network, errors)
        if distributed.is_initialized():
            self._count, self._rank = distributed.get_world_size(), distributed.get_rank()
            self._model = torch.nn.parallel.DistributedDataParallel(self._model)

    def __call__(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Errors to be differentiated, whose mean over the processes is that of the batch; and that mean."""
        if self._count == 1:
            errors = self._model(batch)
            return errors, errors.detach()
        part, share = self._part(batch)
        own = self._model(part) * (share * self._count)
        joint = own.detach().clone()
        distributed.all_reduce(joint)
        return own, joint / self._count

    def _part(self, batch: Any) -> tuple[Any, float]:
        """This process's frames of a batch, and their share."""
        n_frames = len(batch.scale)
        place = torch.arange(n_frames, device=batch.scale.device) % (n_frames // self._n_bins)
        index = torch.nonzero(place % self._count == self._rank)[:, 0]
        if not len(index):
            raise ValueError(f"processes: expected at most {n_frames // self._n_bins}, got {self._count}")
        frames = type(batch.frames)(batch.frames.Y[:, index], *(part[index] for part in batch.frames[1:]))
        part = batch._replace(frames=frames, channel=batch.channel[:, index], scale=batch.scale[index])
        return part, len(index) / n_frames


class _Errors(torch.nn.Module):
    """What is differentiated, as a module, which DistributedDataParallel takes."""

    def __init__(self, network: torch.nn.Module, errors: Callable[[Any, Any], torch.Tensor]) -> None:
        super().__init__()
        self.network, self._errors = network, errors

    def forward(self, batch: Any) -> torch.Tensor:
        return self._errors(self.network, batch)
