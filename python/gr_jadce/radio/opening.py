# SPDX-License-Identifier: GPL-3.0-or-later
"""The radio that settings describe, opened by UHD or by SoapySDR."""

from types import ModuleType

from . import usrp
from .source import Sink, Source
from .usrp import SoapySettings, UsrpSettings


def open_receivers(settings: UsrpSettings) -> Source:
    """The radios that receive; ValueError where they are not there."""
    return (_soapy("source") if isinstance(settings, SoapySettings) else usrp).open_receivers(settings)


def open_transmitter(settings: UsrpSettings) -> Sink:
    """The radio that transmits; ValueError where it is not there."""
    return (_soapy("sink") if isinstance(settings, SoapySettings) else usrp).open_transmitter(settings)


def _soapy(name: str) -> ModuleType:
    try:
        from .soapy import sink, source
    except ImportError as error:
        if error.name != "SoapySDR":
            raise
        raise ValueError(
            "soapy: expected SoapySDR for Python, found none; on Debian python3-soapysdr"
        ) from error
    return {"sink": sink, "source": source}[name]
