# SPDX-License-Identifier: GPL-3.0-or-later
"""The payload behind the pilot: its format, coding and modulation, and the receiver that decodes it."""

from .coding import decode, encode
from .format import PayloadFormat
from .modulation import modulate
from .packet import Packet
from .receiver import PayloadReceiver, Reception

__all__ = ["Packet", "PayloadFormat", "PayloadReceiver", "Reception", "decode", "encode", "modulate"]
