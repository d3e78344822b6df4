# SPDX-License-Identifier: GPL-3.0-or-later
"""A packet as a receiver reports it."""

from typing import NamedTuple


class Packet(NamedTuple):
    """What was decoded of a device in a slot.

    device : int. data : bytes. crc_ok : bool, whether they are right: else `data` is the decoder's best
    guess. evm_db : float, error vector magnitude of the symbols behind the equaliser, dB. snr_db : float,
    signal-to-noise ratio of its symbols there, as the equaliser expects it, dB.
    """

    device: int
    data: bytes
    crc_ok: bool
    evm_db: float
    snr_db: float
